// What a scenario must not pass without: each switch takes one protection out of the library, in a copy of it or around
// its store, never in the product. `--without <name>` runs scenarios so.

/**
 * `patches` are for the copy of the library, `store` names a wrapper of ./broken-stores.mjs, `settings` go to a server of
 * the scenario's own.
 */
export const SWITCHES = {
  /** A process goes on with a lease that it could not renew. */
  'lease-deadline': {
    patches: [
      {
        file: 'kernel/runtime/lease-keeper.js',
        find: 'return sentAt + leaseMs - Math.min(MAX_MARGIN_MS, leaseMs / 10);',
        replace: 'return sentAt + leaseMs * 1_000;',
      },
    ],
  },
  /** A settle ends the job's lease whoever holds it. */
  fencing: { store: 'unfenced' },
  /** The store keeps no replies: a call that is sent again is carried out again. */
  'call-replies': { store: 'forgetful' },
  /** What is due and which leases are over is decided by the clock of the process that asks. */
  'store-time': { store: 'credulous' },
  /** The server acknowledges what is not on its disk. */
  disk: {
    settings: {
      redis: ['--appendonly', 'no'],
      // A crash of the server alone spares what it has written: it keeps that to itself for long.
      postgres: ['synchronous_commit=off', 'wal_writer_delay=10s', 'wal_writer_flush_after=1GB', 'wal_buffers=256MB'],
    },
  },
  /** A process that is told to end does not wait for what runs. */
  drain: {
    patches: [
      {
        file: 'engine/shutdown.js',
        find: 'const idle = Promise.all(loops.map((loop) => loop.idle()));',
        replace: 'const idle = Promise.resolve();',
      },
    ],
  },
  /** A job may stall as often as it likes. */
  'stall-cap': { store: 'patient' },
  /** A job that may be what kills processes runs beside others (Redis). */
  solo: {
    stores: ['redis'],
    patches: [
      {
        file: 'backends/redis/scripts.js',
        find: 'j.suspect = j.stalled >= p.maxStalled and 1 or 0',
        replace: 'j.suspect = 0',
      },
    ],
  },
  /** Ended jobs are removed by many at once, in any order, and each waits for the others (PostgreSQL). */
  'removal-order': {
    stores: ['postgres'],
    patches: [
      // Functions of a newer release take the place of those that the watcher made.
      {
        file: 'backends/postgres/sql.js',
        find: 'export const FUNCTIONS_REVISION = ',
        replace: 'export const FUNCTIONS_REVISION = 1_000_000 + ',
      },
      {
        file: 'backends/postgres/sql.js',
        find: "v_alone := pg_try_advisory_xact_lock(hashtext('oqron.done'), p_queue_id * 16 + p_place)",
        // Some of them first, so that two who do this at once hold what the other one wants next.
        replace:
          'v_alone := true; perform 1 from (select from oqron.done d where d.queue_id = p_queue_id and d.place = p_place ' +
          'order by random() limit 5 for update) z; perform pg_sleep(0.001)',
      },
      {
        file: 'backends/postgres/sql.js',
        find: 'order by d.queue_id, d.place, d.finished_at, d.ord limit v_total for update skip locked',
        replace: 'order by random() limit v_total for update',
      },
    ],
  },
  /** Messages to other slots stay where they are (Redis). */
  'outbox-drain': {
    stores: ['redis'],
    patches: [
      {
        file: 'backends/redis/carrier.js',
        find: 'if (task.work & 1)',
        replace: 'if (false)',
      },
    ],
  },
  /** A job's completion is not part of the transaction in which its handler has written (PostgreSQL). */
  'one-transaction': {
    stores: ['postgres'],
    patches: [
      {
        file: 'backends/postgres/postgres-transactions.js',
        find: 'await tx.query(names.sql(COMPLETE), values)',
        replace: "await this.parts().pools.lane('settle').query(names.sql(COMPLETE), values)",
      },
    ],
  },
};

// What processes of F03 do beside consuming: each operation that somebody asks a queue for.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isFor, transactions } from './crash-inner.mjs';

/** For how long somebody else's lease lasts that nobody renews (ms). */
const ABANDONED_MS = 300;
const LOOK_MS = 20;
const LOOKS = 500;

export async function handle(ctx, io) {
  const { child, progress, release, tx } = ctx.data ?? {};
  if (progress) ctx.progress(10);
  if (child) {
    io.ledger.note('try', ctx.queueName, 'child-j');
    const { created } = await ctx.spawnChild(ctx.queueName, {}, { jobId: 'child-j' });
    io.ledger.note('ack', ctx.queueName, 'child-j', '-', created === false ? 'exists' : 'created');
  }
  if (release && ctx.attempt === 1 && !released.has(ctx.queueName)) {
    released.add(ctx.queueName);
    const { ReleaseError } = await import(pathToFileURL(join(io.config.library, 'index.js')).href);
    throw new ReleaseError(10);
  }
  return tx ? inTransaction(ctx, io) : io.behave(ctx);
}
const released = new Set();

/** What it writes and the end of the job are committed together. */
function inTransaction(ctx, io) {
  const { queueName, id, fence } = ctx;
  const work = async (client) => {
    isFor(client, queueName);
    await client.query('insert into crash_effect values ($1)', [queueName]);
    // Its work is done; whether that counts is for the COMMIT to say.
    io.ledger.note('effect', queueName, id, fence);
    return fence;
  };
  return ctx.tx(work, { using: transactions() });
}

export function requests({ engine, ledger, store, sleep }) {
  const queueOf = (name) => engine.producer(name);
  const one = (queue) => ({ queue });
  const tried = (queue, ids, group = '-') => ledger.notes(ids.map((id) => ['try', queue, id, '-', group]));
  const acked = (queue, jobs) =>
    ledger.notes(jobs.map(({ id, created }) => ['ack', queue, id, '-', created === false ? 'exists' : 'created']));
  const single = async (queue, opts) => {
    tried(queue, [opts.jobId]);
    acked(queue, [await queueOf(queue).add({}, opts)]);
  };
  const below = (queue, jobId, dependsOn, more = {}) => single(queue, { jobId, dependsOn: [dependsOn], ...more });

  const acts = {
    add: (queue) => single(queue, { jobId: 'a' }),
    async bulk(queue) {
      const ids = ['b1', 'b2', 'b3'];
      tried(queue, ids, `g=bulk@${queue}`);
      acked(queue, await queueOf(queue).addBulk(ids.map((jobId) => ({ data: {}, opts: { jobId } }))));
    },
    later: (queue) => single(queue, { jobId: 'later', delay: 200 }),
    hold: (queue) => single(queue, { jobId: 'held' }),
    parent: (queue) => single(`${queue}-up`, { jobId: 'parent' }),
    linked: (queue) => below(queue, 'a', { queueName: `${queue}-up`, id: 'parent' }),
    async parents(queue) {
      await acts.parent(queue);
      await acts.linked(queue);
    },
    dependant: (queue) => below(`${queue}-down`, 'd', { queueName: queue, id: 'j' }),
    doomed: (queue) =>
      below(`${queue}-down`, 'd', { queueName: queue, id: 'j' }, { parentFailurePolicy: 'cascade-fail' }),
    cancel: (queue) => engine.manager.cancelJob('j', 'no more', one(queue)),
    remove: (queue) => engine.manager.removeJob('j', one(queue)),
    promote: (queue) => engine.manager.promoteJob('j', one(queue)),
    rerun: (queue) => engine.manager.rerunJob('j', one(queue)),
    updateData: (queue) => queueOf(queue).updateData('j', { ms: 1 }),
    changeDelay: (queue) => queueOf(queue).changeDelay('j', 50),
    changePriority: (queue) => engine.manager.changePriority('j', 3, one(queue)),
    pause: (queue) => queueOf(queue).pause(),
    resume: (queue) => queueOf(queue).resume(),
    disable: (queue) => engine.manager.disableInstance('queue', queue),
    enable: (queue) => engine.manager.enableInstance('queue', queue),
    obliterate: (queue) => queueOf(queue).obliterate(),
    /** While this process has no slot for it, somebody takes a job and is never heard of again. */
    async abandon(queue) {
      for (let i = 0; (await store.admin.counts(queue)).active === 0; i += 1) {
        if (i === LOOKS) throw new Error('nothing runs here');
        await sleep(LOOK_MS);
      }
      await single(queue, { jobId: 'left' });
      await store.claim([
        {
          call: { client: `nobody:${queue}`, n: 1, acked: 0 },
          queue,
          count: 1,
          leaseMs: ABANDONED_MS,
          owner: 'nobody',
          policy: ANY,
        },
      ]);
    },
    /** A row and a job, both or none. What was committed before an answer was lost is not asked for again. */
    async addTx(queue) {
      const client = await transactions().connect();
      try {
        isFor(client, queue);
        await client.query('begin');
        const { rows } = await client.query('select 1 from crash_effect where queue = $1', [queue]);
        if (rows.length > 0) return;
        await client.query('insert into crash_effect values ($1)', [queue]);
        tried(queue, ['a']);
        const job = await queueOf(queue).add({}, { jobId: 'a', tx: client });
        if (job.created === false) throw new Error('there is a job without its row');
        await client.query('commit');
        acked(queue, [job]);
      } finally {
        client.release(true);
      }
    },
  };
  return { act: async ({ act, queue }) => void (await acts[act](queue)) };
}

const KEEP = { count: null, ageMs: null };
const ANY = {
  key: 'nobody',
  guaranteedWorker: true,
  maxStalledCount: 3,
  stallBackoff: { delayMs: 10, maxDelayMs: 10 },
  keep: { defaults: { completed: KEEP, failed: KEEP } },
};

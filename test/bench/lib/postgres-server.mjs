// The PostgreSQL that all sides use: a cluster of our own on loopback, or the server of DATABASE_URL. Each run has a
// database of its own.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startCluster } from '../../../tools/lib/postgres-cluster.mjs';
import { onExit, removeFolder } from './cleanup.mjs';

/** As for production, but for the memory: defaults would have each side wait for the same few checkpoints. */
const SETTINGS = ['shared_buffers=512MB', 'max_wal_size=4GB', 'max_connections=500'];
const TOLD = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'shared_buffers',
  'max_wal_size',
  'autovacuum',
  'jit',
];
const TOP = 30;
const RELOAD_MS = 5_000;

export async function openPostgres({ fsync = true } = {}) {
  const given = process.env.DATABASE_URL;
  const own = given ? undefined : await start(fsync);
  const url = given ?? own.url;
  const client = new pg.Client(url);
  // A server that ends under our hands fails the next statement anyway.
  client.on('error', () => undefined);
  await client.connect();
  const rows = async (text, values) => (await client.query(text, values)).rows;
  const setting = async (name) => (await rows('select current_setting($1, true) as value', [name]))[0].value;
  const settings = {};
  for (const name of TOLD) settings[name] = await setting(name);
  const counts = own !== undefined && own.statements;
  const track = async (what) => {
    await client.query(`alter system set pg_stat_statements.track = '${what}'`);
    await client.query('select pg_reload_conf()');
    const end = performance.now() + RELOAD_MS;
    while ((await setting('pg_stat_statements.track')) !== what) {
      if (performance.now() > end) throw new Error('bench: PostgreSQL does not read its settings again');
      await sleep(5);
    }
  };
  /** Runs `work` while the server keeps what `what` says of each statement. */
  const tracked = async (what, work) => {
    await track(what);
    await client.query('select pg_stat_statements_reset()');
    try {
      return await work();
    } finally {
      await track('none');
    }
  };

  if (counts) {
    await client.query('create extension pg_stat_statements');
    // It costs each statement a little, so it is on only while somebody counts. Not so what gives statements their
    // ids: the prepared ones got them when they were prepared.
    await track('none');
  }

  return {
    about: { postgres: await setting('server_version'), own: own !== undefined, settings },

    async open(space) {
      await client.query(`create database "${space}"`);
      return urlOf(url, space);
    },

    /** CPU of all of the server's processes so far (us), those that ended included. */
    async totals() {
      return { commands: {}, cpu: own && cpuOf(own.pid) };
    },

    /** What autovacuum and a checkpoint would have done by now to a queue that was filled long ago. */
    async tidy(space) {
      const there = new pg.Client(urlOf(url, space));
      await there.connect();
      await there.query('vacuum analyze');
      await there.query('checkpoint').catch(() => undefined);
      await there.end();
    },

    /** Whether it can say how many statements there were. */
    counts,

    /** How many statements clients sent while `work` ran; undefined when the server does not count them. */
    statements: async (work) => {
      if (!counts) return void (await work());
      return tracked('top', async () => {
        await work();
        const [{ calls }] = await rows(
          'select coalesce(sum(calls), 0)::float8 as calls from pg_stat_statements where dbid <> $1',
          [await ownDatabase()],
        );
        return calls;
      });
    },

    async connections(space) {
      const [{ count }] = await rows(
        'select count(*)::int as count from pg_stat_activity where datname = $1 and backend_type = $2',
        [space, 'client backend'],
      );
      return count;
    },

    /** Writes to `file` which statements the server spent its time on, those inside of functions included. */
    async profiled({ file, jobs }, work) {
      if (!counts) return work();
      return tracked('all', async () => {
        const run = await work();
        writeFileSync(file, report(jobs, await topStatements()));
        return run;
      });
    },

    async clear(space) {
      await client.query(`drop database if exists "${space}" with (force)`);
    },

    async close() {
      await client.end();
      if (own) await own.stop();
    },
  };

  async function ownDatabase() {
    return (await rows('select oid from pg_database where datname = current_database()'))[0].oid;
  }

  async function topStatements() {
    return rows(
      `select calls::int, rows::int, total_exec_time as ms, shared_blks_hit::int as hit, shared_blks_read::int as read,
          shared_blks_dirtied::int as dirtied, wal_records::int as "walRecords", wal_bytes::float8 as "walBytes",
          to_jsonb(s) ->> 'toplevel' as toplevel, query
        from pg_stat_statements s where dbid <> $1 order by total_exec_time desc limit ${TOP}`,
      [await ownDatabase()],
    );
  }
}

async function start(fsync) {
  const settings = [...SETTINGS, `fsync=${fsync ? 'on' : 'off'}`];
  let statements = true;
  const cluster = await startCluster({
    settings: [...settings, 'shared_preload_libraries=pg_stat_statements'],
    detached: true,
  }).catch(() => {
    // The module is in a package of its own on some systems.
    statements = false;
    return startCluster({ settings, detached: true });
  });
  const pid = Number(readFileSync(join(cluster.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  const forget = onExit(() => {
    process.kill(pid, 'SIGQUIT');
    removeFolder(cluster.folder);
  });
  const stop = async () => {
    await cluster.stop();
    forget();
  };
  return { url: cluster.url, pid, statements, stop };
}

function urlOf(url, database) {
  const there = new URL(url);
  there.pathname = `/${database}`;
  return there.href;
}

const TICKS_PER_SECOND = 100;

/** Of the process and its children (us). A child that ended counts with its parent. Undefined where there is no /proc. */
function cpuOf(parent) {
  const all = processes();
  if (all === undefined) return undefined;
  const mine = all.filter(({ pid, ppid }) => pid === parent || ppid === parent);
  const ticks = mine.reduce((sum, one) => sum + one.own + (one.pid === parent ? one.ended : 0), 0);
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

function processes() {
  let ids;
  try {
    ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  return ids.flatMap((id) => {
    try {
      // The name may hold spaces and brackets; what follows it does not.
      const [, rest] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${id}/stat`, 'utf8'));
      const fields = rest.split(' ');
      const [user, system, endedUser, endedSystem] = fields.slice(11, 15).map(Number);
      return [{ pid: Number(id), ppid: Number(fields[1]), own: user + system, ended: endedUser + endedSystem }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

function report(jobs, statements) {
  const all = statements.map(({ calls, rows, ms, hit, read, dirtied, walRecords, walBytes, toplevel, query }) => {
    const perJob = (value) => (value / jobs).toFixed(2);
    const where = toplevel === 'true' ? 'sent' : 'inner';
    const figures = [
      `${((ms * 1_000) / jobs).toFixed(1)} us/job`,
      `${calls} calls, ${(ms / calls).toFixed(3)} ms each, ${rows} rows`,
      `blocks/job: hit ${perJob(hit)} read ${perJob(read)} dirtied ${perJob(dirtied)}`,
      `WAL/job: ${perJob(walRecords)} records, ${perJob(walBytes)} bytes`,
    ];
    return `${where}  ${figures.join(' | ')}\n    ${query.replaceAll(/\s+/g, ' ').slice(0, 400)}\n`;
  });
  return `${jobs} jobs\n\n${all.join('\n')}`;
}

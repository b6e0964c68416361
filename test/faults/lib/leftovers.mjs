// What a store holds at rest that belongs to nothing any more (I9). It is read past the library, by its own names of keys
// and tables (docs/redis.md, docs/postgresql.md).
import { Redis } from 'ioredis';

/** Violations of one kind that are told. */
const TOLD = 3;
const SWEEP = 1_000;
const SWEEPS = 20;
const PAGE = 2_000;
/** Keys of a queue, and of its jobs: what they may be at rest, when nobody waits for anybody. */
const OF_A_QUEUE = new Set(['meta', 'jobs', 'data', 'res', 'c', 'f', 'x', 'idle', 'in', 'pol', 'rate', 'dk', 'dz']);
const OF_A_JOB = new Set(['x', 'l', 't', 'n']);
/** Tables that are empty at rest, and rows that need a job. */
const EMPTY = ['ready', 'parked', 'lease', 'outbox'];
const OWNED = { history: 'seq', done: 'seq', link: 'child', child: 'parent' };

/** `server` of the lab, with nobody at work there any more; `watcher` sweeps first, as any process would have. */
export async function leftovers(server, { store }) {
  for (let n = 0; n < SWEEPS && (await store.sweep({ limit: SWEEP })).more; n += 1);
  const found = server.kind === 'redis' ? await ofRedis(server.connection().url) : await ofPostgres(server.sql);
  return [...found].flatMap(([what, names]) => {
    const more = names.length > TOLD ? ` and ${names.length - TOLD} more` : '';
    return names.length > 0 ? [`${what}: ${names.slice(0, TOLD).join(', ')}${more}`] : [];
  });
}

async function ofRedis(url) {
  const redis = new Redis(url);
  const found = new Map([
    ['keys that nothing should need', []],
    ['keys of jobs that are gone', []],
    ['replies that are kept for ever', []],
    ['payloads without a record', []],
  ]);
  const [needless, orphans, eternal, bare] = found.values();
  try {
    const owned = [];
    const clients = [];
    for await (const keys of redis.scanStream({ match: 'oqron:{*}:*', count: PAGE })) {
      for (const key of keys) {
        const [, tag, kind, id] = /^(oqron:\{[^}]*\}:)([^:]+)(?::(.*))?$/s.exec(key) ?? [];
        // Those of the whole project have no queue in their tag.
        if (tag === undefined || tag.split(':').length < 5) continue;
        if (kind === 'c' && id !== undefined) clients.push(key);
        else if (id === undefined ? OF_A_QUEUE.has(kind) : OF_A_JOB.has(kind)) {
          if (id !== undefined) owned.push({ key, jobs: `${tag}jobs`, id });
          else if (kind === 'data') {
            const [records, payloads] = await Promise.all([redis.hlen(`${tag}jobs`), redis.hlen(key)]);
            if (records !== payloads) bare.push(`${payloads} payloads and ${records} records in ${tag}`);
          }
        } else if (kind !== 'leaders') needless.push(key);
      }
    }
    const known = await inPages(owned, (part) => pipelined(redis, part, (p, { jobs, id }) => p.hexists(jobs, id)));
    orphans.push(...owned.filter((_, i) => known[i] === 0).map(({ key }) => key));
    const left = await inPages(clients, (part) => pipelined(redis, part, (p, key) => p.pttl(key)));
    eternal.push(...clients.filter((_, i) => left[i] === -1));
  } finally {
    redis.disconnect();
  }
  return found;
}

async function inPages(list, read) {
  const all = [];
  for (let at = 0; at < list.length; at += PAGE) all.push(...(await read(list.slice(at, at + PAGE))));
  return all;
}

async function pipelined(redis, list, command) {
  const pipeline = redis.pipeline();
  for (const one of list) command(pipeline, one);
  return (await pipeline.exec()).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

async function ofPostgres(sql) {
  const full = [];
  const orphans = [];
  for (const table of EMPTY) {
    const [{ n }] = await sql(`select count(*)::int as n from oqron_${table}`);
    if (n > 0) full.push(`${n} rows of ${table}`);
  }
  for (const [table, column] of Object.entries(OWNED)) {
    const [{ n }] = await sql(
      `select count(*)::int as n from oqron_${table} x where not exists (select from oqron_job j where j.seq = x.${column})`,
    );
    if (n > 0) orphans.push(`${n} rows of ${table}`);
  }
  const [{ n }] = await sql(
    'select count(*)::int as n from oqron_job j where not exists (select from oqron_done d where d.seq = j.seq)',
  );
  if (n > 0) orphans.push(`${n} jobs without a place`);
  const [{ waits }] = await sql('select count(*)::int as waits from oqron_link where waits or bound');
  if (waits > 0) full.push(`${waits} links that hold somebody`);
  return new Map([
    ['rows that nothing should need', full],
    ['rows without their other half', orphans],
  ]);
}

// F13: many jobs on queues that keep only the newest that ended. What the server and each worker hold has come to its
// size after the first part of them, and does not grow with the rest.
import { Redis } from 'ioredis';
import { join } from 'node:path';
import { sleep } from '../lib/lab.mjs';
import { Load } from '../lib/load.mjs';
import { notOnce } from '../lib/settled.mjs';
import { chunks, QUEUES, startAll } from '../lib/storm.mjs';

const LEASE_MS = 10_000;
const HEARTBEAT_MS = 1_000;
const DRAIN_MS = 30_000;
const KEEP = 1_000;
const SAMPLE_MS = 1_000;
const MIB = 2 ** 20;
/** Growth from the first quarter to the last: a share, and what noise is allowed (bytes). */
const MORE = 1.2;
const NOISE = { redis: 8 * MIB, postgres: 64 * MIB, heap: 10 * MIB };

const consumer = (concurrency) => ({
  concurrency,
  lockTtlMs: LEASE_MS,
  heartbeatMs: HEARTBEAT_MS,
  removeOnComplete: KEEP,
  removeOnFail: KEEP,
});
const HEAP = { handlers: join(import.meta.dirname, '..', 'lib', 'heap.mjs'), execArgv: ['--expose-gc'] };
const WORKER = { ...HEAP, consume: { work: consumer(32), after: consumer(8) } };

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers, workers] = await Promise.all([startAll(fleet, 'p', 2, HEAP), startAll(fleet, 'w', 4, WORKER)]);
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    faults: () => 0,
    wanted: 0,
    waiting: async () => (await watcher.open(QUEUES)).all,
  });
  let loaded = false;
  const loading = load.run().finally(() => (loaded = true));
  const members = [...workers, ...producers];
  const sizeOf = sizes(lab, server);
  const samples = [];
  while (!loaded) {
    const next = sleep(SAMPLE_MS);
    const [held, ...heaps] = await Promise.all([sizeOf(), ...members.map((member) => member.request('heap'))]);
    samples.push({ part: load.added / lab.goal.jobs, server: held, heap: Math.max(...heaps) });
    await next;
  }
  await loading;
  lab.calm();
  await lab.drained(watcher, QUEUES, DRAIN_MS);
  await fleet.stop();
  const more = notOnce(lab);
  for (const problem of await watcher.fsck()) more.push(`the store's own check: ${JSON.stringify(problem)}`);
  const counts = await Promise.all(QUEUES.map((queue) => watcher.store.admin.counts(queue)));
  // A settle removes at most so many; the next one goes on.
  for (const { completed } of counts)
    if (completed > 2 * KEEP) more.push(`${completed} ended jobs are kept, not ${KEEP}`);
  const told = { 'server MiB': grown('the server', samples, 'server', NOISE[lab.store], more) };
  told['largest heap MiB'] = grown('a process', samples, 'heap', NOISE.heap, more);
  const rules = { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS };
  return { ...(await lab.judge({ queues: QUEUES, rules, more })), told };
}

/** Bytes that the server holds for us. */
function sizes(lab, server) {
  if (server.kind === 'postgres') {
    return async () => Number((await server.sql('select pg_database_size(current_database()) as size'))[0].size);
  }
  const redis = new Redis(server.connection().url);
  lab.atEnd(() => redis.disconnect());
  return async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1]);
}

/** Compares the most of the second quarter with the most of the last one. */
function grown(what, samples, key, noise, more) {
  const most = (from, to) => {
    const part = samples.filter((one) => one.part >= from && one.part < to);
    return Math.max(0, ...part.map((one) => one[key]));
  };
  const [early, late] = [most(0.1, 0.35), most(0.75, Infinity)];
  const text = `${Math.round(early / MIB)} then ${Math.round(late / MIB)}`;
  if (early === 0 || late === 0) more.push(`${what} was not measured often enough`);
  else if (late > early * MORE + noise) more.push(`${what} held ${text} MiB`);
  return text;
}

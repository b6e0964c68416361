// F08: deployments. Each of four workers is told to end by SIGTERM while the next one starts, again and again. What runs
// comes to its end first, and may still add jobs; nothing starts twice, no lease runs out, and everybody leaves with 0.
import { join } from 'node:path';
import { readLedgers } from '../lib/ledger.mjs';
import { Load } from '../lib/load.mjs';
import { allAlong } from '../lib/outages.mjs';
import { QUEUES, startAll } from '../lib/storm.mjs';

const LEASE_MS = 4_000;
const HEARTBEAT_MS = 1_000;
/** How long a worker may take to end its jobs. */
const GRACE_MS = 4_000;
const WORKERS = 4;
const DRAIN_MS = 20_000;

const consumer = (concurrency) => ({
  concurrency,
  lockTtlMs: LEASE_MS,
  heartbeatMs: HEARTBEAT_MS,
  pollIntervalMs: 500,
});
const WORKER = {
  engine: { shutdown: { timeout: GRACE_MS } },
  consume: { work: consumer(8), after: consumer(8) },
};
const NEST = { ...WORKER, program: join(import.meta.dirname, '..', 'lib', 'nest-worker.mjs') };

export const run = (lab) => deploy(lab, WORKER);

/** The same with applications of NestJS. */
export const runNest = (lab) => deploy(lab, NEST);

async function deploy(lab, worker) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers, workers] = await Promise.all([startAll(fleet, 'p', 1, {}), startAll(fleet, 'w', WORKERS, worker)]);
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    ...allAlong(lab),
    waiting: async () => (await watcher.open(QUEUES)).all,
  });
  let loaded = false;
  const loading = load.run().finally(() => (loaded = true));
  const exits = [];
  for (let n = 0; !loaded; n += 1) {
    const old = workers[n % WORKERS];
    const next = fleet.restart(old);
    workers[n % WORKERS] = next;
    lab.faults += 1;
    const began = performance.now();
    const { code, signal } = await old.terminate();
    const took = Math.round(performance.now() - began);
    exits.push(took);
    if (code !== 0) lab.problem(`${old.who} left with ${code ?? signal}: ${old.output.slice(-2_000)}`);
    if (took > GRACE_MS + 1_000) lab.problem(`${old.who} took ${took} ms to leave`);
    await next.ready;
  }
  await loading;
  lab.calm();
  await lab.drained(watcher, QUEUES, DRAIN_MS);
  await fleet.stop();
  const { stalls, children } = told(lab);
  const more = [];
  if (stalls > 0) more.push(`${stalls} stalls were counted`);
  if (children === 0) more.push('no worker added a job while it was stopping, so nothing is proven of that');
  const row = await lab.judge({
    watcher,
    queues: QUEUES,
    rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS, extraStarts: 0 },
    more,
  });
  return { ...row, told: { 'children added while stopping': children, 'slowest to leave ms': Math.max(...exits) } };
}

/** Stalls that any process heard of, and children that were acknowledged to a worker that had been told to end. */
function told(lab) {
  const stalled = new Set();
  let children = 0;
  for (const { who, events } of readLedgers(lab.ledgers)) {
    for (const { event, queue, id, detail } of events) if (event === 'stalled') stalled.add(`${queue} ${id} ${detail}`);
    const from = who.startsWith('w') ? events.findIndex(({ event }) => event === 'sigterm') : -1;
    if (from >= 0) children += events.slice(from).filter(({ event }) => event === 'ack').length;
  }
  return { stalls: stalled.size, children };
}

/** Jobs of 50 to 500 ms; one in three adds another one as its last deed. */
function chunks(random, size = 30) {
  return (n) => {
    const items = Array.from({ length: size }, (_, i) => {
      const id = `j${n}-${i}`;
      const ms = random.whole(50, 500);
      const spawn = [{ queue: 'after', id: `child-${id}`, data: { ms: random.whole(50, 200) } }];
      return { id, data: { ms, ...(i % 3 === 0 && { spawn }) } };
    });
    return [{ queue: 'work', items, bulk: true }];
  };
}

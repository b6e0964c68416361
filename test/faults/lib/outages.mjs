// What the scenarios share in which the server itself goes away: four workers and two producers that go on through it,
// and the question how soon they did.
import { readLedgers } from './ledger.mjs';
import { sleep } from './lab.mjs';
import { Load } from './load.mjs';
import { chunks, QUEUES, startAll } from './storm.mjs';

// Longer than any outage but those that are meant to be longer, so that a job that starts twice is told.
const LEASE_MS = 5_000;
const HEARTBEAT_MS = 1_000;
const RESUME_MS = 3_000;
/** What is left of a backlog, and a lease that was lost on the way. */
const DRAIN_MS = 30_000;
const WORKERS = 4;

const consumer = (concurrency) => ({
  concurrency,
  lockTtlMs: LEASE_MS,
  heartbeatMs: HEARTBEAT_MS,
  pollIntervalMs: 500,
  maxStalledCount: 100,
});
const WORKER = { consume: { work: consumer(16), after: consumer(4) } };

/** From one outage to the next: time to be back, and to show it (ms). */
export const BETWEEN_MS = RESUME_MS + 500;

/** Runs the load, and `faults(load)` beside it. Answers what `judge` needs. */
export async function underOutages(lab, server, faults) {
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers] = await Promise.all([startAll(fleet, 'p', 2, {}), startAll(fleet, 'w', WORKERS, WORKER)]);
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    ...allAlong(lab),
    waiting: async () => (await watcher.open(QUEUES)).all,
  });
  const loading = load.run();
  // Whoever fails first ends the scenario; the other one is not left without an ear.
  loading.catch(() => undefined);
  await Promise.race([faults(load), loading.then(() => new Promise(() => undefined))]);
  await loading;
  lab.calm();
  await lab.drained(watcher, QUEUES, DRAIN_MS);
  await fleet.stop();
  return { watcher, queues: QUEUES, rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS } };
}

/** For a load that does not wait for the faults: whoever is back has to find something to do. */
export const allAlong = (lab) => ({ faults: () => (lab.faults >= lab.goal.faults ? 1 : 0), wanted: 1 });

/** The server is away while `work` runs; then it is given time to be used again. */
export async function outage(lab, work) {
  lab.nemesis.note('outage');
  await work();
  lab.nemesis.note('restored');
  lab.faults += 1;
  await sleep(BETWEEN_MS);
}

/** How long each worker took to start a job after each outage (ms), and who took too long. */
export function resumed(lab) {
  const ledgers = readLedgers(lab.ledgers);
  const { events: marks } = ledgers.find(({ who }) => who === 'nemesis');
  const workers = ledgers.filter(({ who }) => who.startsWith('w'));
  const took = [];
  const late = [];
  for (const { event, at } of marks) {
    if (event !== 'restored') continue;
    for (const { who, events } of workers) {
      const first = events.find((one) => one.event === 'start' && one.at > at);
      const ms = first ? Math.round((first.at - at) / 1_000) : Infinity;
      took.push(ms);
      if (ms > RESUME_MS) late.push(`${who} took ${ms} ms to start a job after the server was back`);
    }
  }
  return { slowest: Math.max(0, ...took), late };
}

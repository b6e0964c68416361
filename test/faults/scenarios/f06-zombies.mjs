// F06: workers that stand still for three leases, by SIGSTOP or in a handler that holds the loop, and go on. Whatever
// they then say about jobs that others run is answered `lost`, and their handlers are told to stop. Half of the workers
// have no deadline of their own for leases, so that they do send what a sound one would drop.
import { sleep, until } from '../lib/lab.mjs';
import { Load } from '../lib/load.mjs';
import { startAll } from '../lib/storm.mjs';
import { SWITCHES } from '../lib/switches.mjs';

const LEASE_MS = 1_000;
const HEARTBEAT_MS = 250;
const FREEZE_MS = 3 * LEASE_MS;
/** How long a worker runs between two freezes (ms). */
const RUN_MS = { least: 500, most: 1_100 };
const WORKERS = 10;
/** As many run at least, so that somebody takes over. */
const AWAKE = 3;
/** A job that stalled often waits for 30 s before it is handed out again; then it may take some seconds, on a lease or two. */
const DRAIN_MS = 45_000;

const WORKER = {
  consume: {
    work: {
      concurrency: 24,
      lockTtlMs: LEASE_MS,
      heartbeatMs: HEARTBEAT_MS,
      pollIntervalMs: 500,
      // Jobs meet many frozen workers on their way; that is not what is judged here.
      maxStalledCount: 1_000,
    },
  },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const careless = { ...WORKER, library: lab.library(SWITCHES['lease-deadline'].patches) };
  const [producers, sound, zombies] = await Promise.all([
    startAll(fleet, 'p', 1, {}),
    startAll(fleet, 'w', WORKERS / 2, WORKER),
    startAll(fleet, 'z', WORKERS / 2, careless),
  ]);
  const workers = [...sound, ...zombies];
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    faults: () => lab.faults,
    wanted: lab.goal.faults,
    waiting: async () => (await watcher.open(['work'])).all,
  });
  let loaded = false;
  const loading = load.run().finally(() => (loaded = true));
  const lives = workers.map((worker) => live(lab, worker, lab.random.fork(), workers, () => loaded));
  await Promise.all([loading, ...lives]);
  lab.calm();
  await lab.drained(watcher, ['work'], DRAIN_MS);
  await until('the last late owners to speak', async () => (await watcher.open(['work'])).active === 0, DRAIN_MS);
  await fleet.stop();
  const row = await lab.judge({
    watcher,
    queues: ['work'],
    rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS, abortMs: LEASE_MS, careless: 'z' },
  });
  // Late words that nobody said prove nothing.
  const { refused } = row.figures;
  const enough = refused >= lab.goal.faults / 4;
  return { ...row, told: { 'late settles answered lost': refused }, ...(!lab.without && !enough && silent(row)) };
}

const silent = ({ violations }) => ({
  pass: false,
  violations: [...violations, { invariant: 'scenario', text: 'too few late settles to prove anything' }],
});

/** Runs, stands still, runs, ... */
async function live(lab, worker, random, workers, over) {
  while (!over()) {
    await sleep(random.whole(RUN_MS.least, RUN_MS.most));
    if (over() || workers.filter(({ frozen }) => !frozen).length <= AWAKE) continue;
    worker.freeze();
    lab.faults += 1;
    await sleep(FREEZE_MS);
    worker.thaw();
  }
}

/** Short jobs, and some that take long on their first run. */
function chunks(random, size = 50) {
  const jobs = [
    // Its handler still runs when its process goes on.
    () => ({ ms: random.whole(0, 20), first: { ms: FREEZE_MS + 2 * LEASE_MS } }),
    // It has ended when its process goes on, and the next owner has not.
    () => ({ ms: FREEZE_MS - LEASE_MS / 2, first: { ms: random.whole(200, FREEZE_MS) } }),
  ];
  const usual = () => ({ ms: random.whole(0, 20) });
  const blocking = () => ({ ms: random.whole(0, 20), first: { block: 2 * LEASE_MS } });
  return (n) => {
    const items = Array.from({ length: size }, (_, i) => {
      const make = i === 5 && n % 8 === 0 ? blocking : (jobs[i % 10] ?? usual);
      return { id: `j${n}-${i}`, data: make() };
    });
    return [{ queue: 'work', items, bulk: true }];
  };
}

// F16: eight processes claim 50 jobs and settle 100 at a time, in random order, on one queue that keeps only its newest
// ended jobs; on a second one they are woken by NOTIFY. PostgreSQL counts no deadlock, and no claim hands out more than it
// was asked for. What adds and settles take is told for both.
import { join } from 'node:path';
import { percentile } from '../lib/figures.mjs';
import { sleep } from '../lib/lab.mjs';
import { Load } from '../lib/load.mjs';
import { notOnce } from '../lib/settled.mjs';
import { startAll } from '../lib/storm.mjs';

const CONTENDER = { handlers: join(import.meta.dirname, '..', 'lib', 'contend.mjs') };
const CONTENDERS = 8;
const MOST = 50;
const DRAIN_MS = 20_000;
/** A server process tells its counters when it ends, or a second later. */
const COUNTED_MS = 1_500;

/** A queue each: who listens is woken by a NOTIFY, and then each commit that wakes somebody takes turns with the others. */
const QUEUES = { silent: false, notified: true };

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [producers, contenders] = await Promise.all([
    startAll(fleet, 'p', 2, {}),
    startAll(fleet, 'w', CONTENDERS, CONTENDER),
  ]);
  const told = {};
  const more = [];
  try {
    for (const [queue, listens] of Object.entries(QUEUES)) {
      const { most, heard, ...figures } = await contend(lab, { watcher, producers, contenders, queue, listens });
      if (most > MOST) more.push(`${queue}: a claim of ${MOST} got ${most}`);
      if (heard > 0 !== listens) more.push(`${queue}: ${heard} wake-ups were heard, so it says nothing of NOTIFY`);
      for (const [key, value] of Object.entries({ ...figures, 'wake-ups': heard })) told[`${queue} ${key}`] = value;
    }
    await fleet.stop();
    more.push(...notOnce(lab));
    for (const problem of await watcher.fsck()) more.push(`the store's own check: ${JSON.stringify(problem)}`);
  } catch (error) {
    // Whoever gets in the way of the others for long enough ends in an error: what the server counted says why.
    more.push(`${error}`);
    await fleet.end();
  }
  await sleep(COUNTED_MS);
  const [{ deadlocks }] = await server.sql(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  );
  if (deadlocks > 0) more.push(`${deadlocks} deadlocks`);
  // Most of the ended jobs are not kept, so the ledgers alone say what became of them.
  const row = await lab.judge({
    queues: Object.keys(QUEUES),
    rules: { leaseMs: 60_000, drainMs: DRAIN_MS, extraStarts: 0 },
    more,
  });
  return { ...row, told: { deadlocks, ...told } };
}

/** Half of the jobs, through one queue. */
async function contend(lab, { watcher, producers, contenders, queue, listens }) {
  const contending = contenders.map((member) =>
    member.request('contend', { queue, listens, seed: lab.random.whole(1, 1_000_000) }),
  );
  const failed = Promise.all(contending).then(() => new Promise(() => undefined));
  const added = [];
  const load = new Load({
    producers: () => producers.map((member) => timed(member, added)),
    make: (n) => [{ queue, items: Array.from({ length: 500 }, (_, i) => ({ id: `j${n}-${i}` })), bulk: true }],
    jobs: Math.ceil(lab.goal.jobs / Object.keys(QUEUES).length),
    faults: () => 0,
    wanted: 0,
    waiting: async () => (await watcher.open([queue])).all,
  });
  try {
    await Promise.race([load.run(), failed]);
  } finally {
    load.stop();
  }
  lab.calm();
  await lab.drained(watcher, [queue], DRAIN_MS);
  await Promise.all(contenders.map((member) => member.request('finish')));
  const told = await Promise.all(contending);
  const sum = (key) => told.reduce((all, one) => all + one[key], 0);
  return {
    most: Math.max(...told.map((one) => one.most)),
    heard: sum('heard'),
    settles: sum('settles'),
    'settle p99 ms': Math.round(Math.max(...told.map((one) => one.settleMs))),
    'add p99 ms': Math.round(percentile(added, 0.99) ?? 0),
  };
}

const wrapped = new WeakMap();

/** The same producer, whose adds are timed. `Load` knows producers by themselves, so there is one of each. */
function timed(member, took) {
  const known = wrapped.get(member);
  if (known?.took === took) return known;
  const made = {
    took,
    get alive() {
      return member.alive;
    },
    get frozen() {
      return member.frozen;
    },
    async add(...args) {
      const sent = performance.now();
      await member.add(...args);
      took.push(performance.now() - sent);
    },
  };
  wrapped.set(member, made);
  return made;
}

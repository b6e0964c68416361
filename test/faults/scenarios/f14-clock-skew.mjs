// F14: the wall clocks of the processes are five minutes ahead, five minutes behind, too fast and right. What is due and
// whose lease is over is decided by the store's clock alone: nothing is handed out early, no live lease is taken back.
import { readDetail, readLedgers } from '../lib/ledger.mjs';
import { Load } from '../lib/load.mjs';

const LEASE_MS = 3_000;
const HEARTBEAT_MS = 600;
const MINUTES_5 = 300_000;
const SKEWS = [{ ms: MINUTES_5 }, { ms: -MINUTES_5 }, { rate: 1.01 }, undefined];
const DRAIN_MS = 30_000;
const LONGEST_DELAY_MS = 3_000;
/** The store counts whole ms. */
const ROUNDED_MS = 2;
const TOLD = 5;

const WORKER = {
  consume: {
    work: { concurrency: 24, lockTtlMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, pollIntervalMs: 500 },
  },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const workers = SKEWS.map((skew, i) => fleet.start(`w${i + 1}`, { ...WORKER, ...(skew && { skew }) }));
  const producers = SKEWS.map((skew, i) => fleet.start(`p${i + 1}`, { ...(skew && { skew }) }));
  await Promise.all([...workers, ...producers].map(({ ready }) => ready));
  // Each clock that is wrong is a fault.
  lab.faults = 2 * SKEWS.filter(Boolean).length;
  const load = new Load({
    producers: () => producers,
    make: chunks(lab.random.fork()),
    jobs: lab.goal.jobs,
    faults: () => lab.faults,
    wanted: lab.goal.faults,
    waiting: async () => {
      const { all, delayed } = await watcher.open(['work']);
      return all - delayed;
    },
  });
  await load.run();
  lab.calm();
  await lab.drained(watcher, ['work'], DRAIN_MS);
  await fleet.stop();
  const row = await lab.judge({
    watcher,
    queues: ['work'],
    rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS },
    more: early(lab),
  });
  // A process that got no CPU for most of a lease could not keep it, whatever its clock says.
  const reclaimed = row.extraStarts - (row.figures.causes.starved ?? 0);
  const told = { 'live leases taken back': reclaimed, 'due to start p99 ms': row.figures.p99LateMs };
  if (reclaimed === 0) return { ...row, told };
  const violations = [...row.violations, { invariant: 'I5', text: `${reclaimed} live leases were taken back` }];
  return { ...row, told, violations, pass: false };
}

/**
 * Jobs that started sooner after their add than they were delayed for. That is by the machine's monotonic clock: the
 * checker asks what the store said of the time, and a store that was told a wrong time says it again.
 */
function early(lab) {
  const due = new Map();
  const ledgers = readLedgers(lab.ledgers);
  for (const { events } of ledgers) {
    for (const { event, id, at, detail } of events) {
      const delay = event === 'try' && readDetail(detail).d;
      if (delay) due.set(id, Math.min(due.get(id) ?? Infinity, at + (Number(delay) - ROUNDED_MS) * 1_000));
    }
  }
  const found = [];
  for (const { who, events } of ledgers) {
    for (const { event, id, at } of events) {
      if (event !== 'start' || !(at < due.get(id))) continue;
      found.push(`${id} started in ${who} ${Math.ceil((due.get(id) - at) / 1_000)} ms before it was due`);
    }
  }
  return found.length > TOLD ? [...found.slice(0, TOLD), `and ${found.length - TOLD} more`] : found;
}

/** One in four is delayed, and one in fifty runs for longer than a lease. */
function chunks(random, size = 100) {
  return (n) => {
    const items = Array.from({ length: size }, (_, i) => ({
      id: `j${n}-${i}`,
      data: { ms: i % 50 === 1 ? LEASE_MS + random.whole(500, 2_000) : random.whole(0, 20) },
      ...(i % 4 === 0 && { opts: { delay: random.whole(1, LONGEST_DELAY_MS) } }),
    }));
    return [{ queue: 'work', items, bulk: true }];
  };
}

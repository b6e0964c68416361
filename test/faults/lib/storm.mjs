// What the scenarios with killed processes share.
import { sleep, until } from './lab.mjs';

const LEASE_MS = 2_000;
/** A job is claimable at most this long after its lease ended: the longest time between two sweeps. */
const SWEEP_MS = 5_000;
/** Least time between two kills when there were enough. */
const SLOWLY_MS = 1_500;
export const QUEUES = ['work', 'after'];

/**
 * On a slow machine the same few jobs are killed again and again: with the usual limit of stalls they would be given up,
 * rightly, and with the usual backoff wait on purpose. Both are F10's matter; here each has to come back at once.
 */
const consumer = (concurrency) => ({
  concurrency,
  lockTtlMs: LEASE_MS,
  heartbeatMs: 500,
  pollIntervalMs: 500,
  maxStalledCount: 1_000,
  retries: { baseDelay: 100, maxDelay: 500 },
});

/** A worker of both queues. */
export const WORKER = { consume: { work: consumer(16), after: consumer(4) } };
const CONCURRENCY = 20;

/**
 * Makes chunks of `size` jobs of 0 to 20 ms. One in ten has a dependant in another queue, added after it. In a bulk call
 * one in twenty depends on the one before it in the same call.
 */
export function chunks(random, size = 200) {
  return (n) => {
    const bulk = n % 2 === 0;
    const items = Array.from({ length: size }, (_, i) => ({
      id: `j${n}-${i}`,
      data: { ms: random.whole(0, 20) },
      ...(bulk && i % 20 === 1 && { opts: { dependsOn: [`j${n}-${i - 1}`] } }),
    }));
    const after = items
      .filter((_, i) => i % 10 === 0)
      .map(({ id }) => ({
        id: `after-${id}`,
        data: { ms: random.whole(0, 5) },
        opts: { dependsOn: [{ queueName: 'work', id }] },
      }));
    return [
      { queue: 'work', items, bulk },
      { queue: 'after', items: after, bulk: n % 4 === 0 },
    ];
  };
}

/** What the checker holds these against. `drainMs`: most from the last fault to rest. */
export const rulesOf = (drainMs) => ({
  leaseMs: LEASE_MS,
  heartbeatMs: 500,
  concurrency: CONCURRENCY,
  recoveryMs: LEASE_MS + 2 * SWEEP_MS,
  drainMs,
});

/** Most from the last fault to rest (ms): leases, two sweeps and the backlog. Nobody waits for what cannot come. */
export const drainOf = (lab) => (lab.without ? 8_000 : 30_000);

/**
 * Kills one of the members at random and starts its next incarnation at once, if more than half of them are up: a machine that
 * starts processes more slowly than they are killed would soon have none that works, and nothing would be tried any more.
 * Answers how many it killed.
 */
export async function killOne(lab, fleet, members) {
  const victims = members.filter(({ isReady }) => isReady);
  if (victims.length <= members.length / 2) return 0;
  const victim = lab.random.pick(victims);
  const i = members.indexOf(victim);
  await victim.kill();
  members[i] = fleet.restart(victim);
  return 1;
}

/**
 * Kills members, one every `everyMs`, until `over()`; `kill(n)` answers how many it killed. When the number of kills is
 * reached and that of jobs is not, the next one waits until all are up again, and then for as long again, twice: a slow
 * machine would do nothing but start processes.
 */
export async function storm(lab, { everyMs, kill, up, over }) {
  for (let n = 1; !over(); n += 1) {
    const began = performance.now();
    lab.faults += await kill(n);
    if (lab.faults < lab.goal.faults) {
      await sleep(began + everyMs - performance.now());
      continue;
    }
    await until('all to be up again, or the end', () => over() || up());
    const rest = Math.max(SLOWLY_MS, 2 * (performance.now() - began));
    for (const end = performance.now() + rest; !over() && performance.now() < end;) await sleep(20);
  }
}

/** Starts members of one kind: `w1`, `w2`, ... and waits for them. */
export async function startAll(fleet, prefix, count, config) {
  const members = Array.from({ length: count }, (_, i) => fleet.start(`${prefix}${i + 1}`, config));
  await Promise.all(members.map(({ ready }) => ready));
  return members;
}

export const areReady = (members) => members.every(({ isReady }) => isReady);
export const allReady = (members) => until('all to be ready', () => areReady(members));

// F11: jobs come due one after the other and nobody hears of them: no wake-up arrives. None starts before it is due by the
// store's clock, and none waits longer than the pause between two looks.
import { sleep } from '../lib/lab.mjs';
import { startAll } from '../lib/storm.mjs';

const POLL_MS = 1_000;
/** A claim, and a busy machine. */
const SLACK_MS = 500;
const SPAN_MS = 60_000;
const ROUNDS = 100;
const DELAY_MS = { least: 100, most: 4_000 };
const DRAIN_MS = 15_000;

const WORKER = {
  unheard: true,
  consume: { work: { concurrency: 32, lockTtlMs: 15_000, pollIntervalMs: POLL_MS } },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const [[producer]] = await Promise.all([startAll(fleet, 'p', 1, {}), startAll(fleet, 'w', 1, WORKER)]);
  const rounds = lab.quick ? ROUNDS / 5 : ROUNDS;
  const each = Math.ceil(lab.goal.jobs / rounds);
  for (let n = 0; n < rounds; n += 1) {
    const next = sleep(SPAN_MS / ROUNDS);
    const items = Array.from({ length: each }, (_, i) => ({
      id: `j${n}-${i}`,
      data: {},
      opts: { delay: lab.random.whole(DELAY_MS.least, DELAY_MS.most) },
    }));
    await producer.add('work', items, { bulk: true });
    await next;
  }
  // Each of them is one that nobody was woken for.
  lab.faults = rounds * each;
  lab.calm();
  await lab.drained(watcher, ['work'], DRAIN_MS);
  await fleet.stop();
  const row = await lab.judge({
    watcher,
    queues: ['work'],
    rules: { leaseMs: 15_000, drainMs: DRAIN_MS, extraStarts: 0 },
  });
  const { p99LateMs } = row.figures;
  const inTime = p99LateMs !== undefined && p99LateMs <= POLL_MS + SLACK_MS;
  const text = `the 99th percentile of starts is ${p99LateMs} ms late, at most ${POLL_MS + SLACK_MS} ms`;
  const told = { 'late p99': `${p99LateMs} ms` };
  if (inTime) return { ...row, told };
  return { ...row, told, pass: false, violations: [...row.violations, { invariant: 'lateness', text }] };
}

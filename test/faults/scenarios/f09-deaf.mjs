// F09: the connection that brings wake-ups is swallowed by a black hole and nobody is told; all others work. Until a
// process misses its message to itself it looks for jobs as rarely as one that hears of them; then it looks often, and
// once it hears again it starts jobs at once.
import { sleep, until } from '../lib/lab.mjs';
import { readLedgers } from '../lib/ledger.mjs';
import { percentile } from '../lib/figures.mjs';
import { startAll } from '../lib/storm.mjs';

/** A message to itself every 5 s: after two of them it is known that none comes back. */
const MISSED_MS = 10_500;
const CUT_MS = 60_000;
const QUICK_CUT_MS = 16_000;
/** From the end of a cut until it hears again: it connects, and proves by a message to itself that it does. */
const BACK_MS = 2_500;
const HEARING_MS = 5_000;
const EVERY_MS = 250;
/** A process knows after its first message to itself; a busy machine takes its time. */
const PROVEN_MS = 20_000;
const LATE_MS = 3_000;
const LIMITS = { unaware: 10_000, polling: 1_500, hearing: 250 };
const IS_WAKE = { redis: /subscribe/i, postgres: /listen "/i };

const micros = () => Number(process.hrtime.bigint() / 1_000n);
const consumer = { concurrency: 8, lockTtlMs: 30_000, pollIntervalMs: 1_000 };

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const queues = Array.from({ length: lab.goal.faults }, (_, i) => `q${i + 1}`);
  const proxies = await Promise.all(queues.map(() => lab.proxy(server)));
  const workers = queues.map((queue, i) =>
    fleet.start(`w${i + 1}`, { consume: { [queue]: consumer }, connection: server.connection(proxies[i].port) }),
  );
  const [producer] = await startAll(fleet, 'p', 1, {});
  await Promise.all(workers.map(({ ready }) => ready));
  const phases = queues.map(() => []);
  let over = false;
  let n = 0;
  const load = (async () => {
    while (!over) {
      await Promise.all(queues.map((queue) => producer.add(queue, [{ id: `j${(n += 1)}`, data: {} }])));
      await sleep(EVERY_MS);
    }
  })();
  const cuts = queues.map(async (queue, i) => {
    // Before, it looks for jobs often anyway, and a cut would change nothing.
    await until(`${workers[i].who} to know that it hears`, () => hears(workers[i]), PROVEN_MS);
    await sleep(lab.random.whole(0, 4_000));
    const proxy = proxies[i];
    proxy.match = (first) => IS_WAKE[lab.store].test(first);
    const enter = (phase) => phases[i].push({ phase, at: micros() });
    lab.faults += 1;
    enter('unaware');
    proxy.blackhole();
    await sleep(MISSED_MS);
    await until(`${workers[i].who} to know that it is deaf`, async () => !(await hears(workers[i])), LATE_MS);
    enter('polling');
    await sleep((lab.quick ? QUICK_CUT_MS : CUT_MS) - MISSED_MS);
    proxy.heal();
    enter('polling');
    await sleep(BACK_MS);
    enter('hearing');
    await sleep(HEARING_MS);
  });
  load.catch(() => undefined);
  try {
    await Promise.all(cuts);
  } finally {
    over = true;
  }
  await load;
  lab.calm();
  await lab.drained(watcher, queues, 15_000);
  await until('every ending to be answered', async () => (await watcher.open(queues)).active === 0);
  await fleet.stop();
  const waits = measured(lab, queues, phases);
  const more = Object.entries(waits).flatMap(([phase, list]) => {
    const seen = phase === 'hearing' ? percentile(list, 0.99) : percentile(list, 1);
    if (seen === undefined) return [`${phase}: nothing was measured`];
    return seen > LIMITS[phase]
      ? [`${phase}: a start ${Math.round(seen)} ms after the add, at most ${LIMITS[phase]}`]
      : [];
  });
  const row = await lab.judge({ watcher, queues, rules: { leaseMs: 30_000, drainMs: 15_000, extraStarts: 0 }, more });
  const told = Object.fromEntries(
    Object.entries(waits).map(([phase, list]) => [`${phase} p99`, `${Math.round(percentile(list, 0.99) ?? 0)} ms`]),
  );
  return { ...row, told };
}

/** Whether its last message to itself came back. */
const hears = async (member) => (await member.request('health')).signals;

/** How long jobs waited for their start, by what their worker knew when they were added (ms). */
function measured(lab, queues, phases) {
  const waits = { unaware: [], polling: [], hearing: [] };
  const ledgers = readLedgers(lab.ledgers);
  const acked = new Map();
  const lags = new Map();
  for (const { who, events } of ledgers) {
    for (const { at, event, queue, id, detail } of events) {
      if (event === 'ack') acked.set(`${queue} ${id}`, at);
      if (event === 'lag') lags.set(who, [...(lags.get(who) ?? []), { from: at - Number(detail) * 1_000, to: at }]);
    }
  }
  for (const { who, events } of ledgers) {
    for (const { at, event, queue, id } of events) {
      const from = acked.get(`${queue} ${id}`);
      if (event !== 'start' || from === undefined) continue;
      // A process that gets no CPU says nothing of its channel.
      const starved = [who, 'p1.1'].some((one) => lags.get(one)?.some((lag) => lag.from < at && lag.to > from));
      const phase = phases[queues.indexOf(queue)].findLast((one) => one.at <= from)?.phase;
      if (phase && !starved) waits[phase].push(Math.max(0, (at - from) / 1_000));
    }
  }
  return waits;
}

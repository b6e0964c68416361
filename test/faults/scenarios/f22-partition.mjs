// F22: nothing passes between one worker and its store for three leases, and then all of it does, late. The worker stops
// its handlers before its leases end in the store, so no job runs in two places; and it goes on without a restart.
import { sleep, until } from '../lib/lab.mjs';
import { readLedgers } from '../lib/ledger.mjs';
import { Load } from '../lib/load.mjs';
import { startAll } from '../lib/storm.mjs';

const LEASE_MS = 2_000;
const HEARTBEAT_MS = 400;
const CUT_MS = 3 * LEASE_MS;
const WORKERS = 8;
/** Cut off at once. */
const TOGETHER = 4;
const BACK_MS = 10_000;
const DRAIN_MS = 30_000;

const WORKER = {
  consume: {
    // Slots enough for the long jobs of those that are cut off.
    work: {
      concurrency: 24,
      lockTtlMs: LEASE_MS,
      heartbeatMs: HEARTBEAT_MS,
      pollIntervalMs: 500,
      maxStalledCount: 100,
    },
  },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const proxies = await Promise.all(Array.from({ length: WORKERS }, () => lab.proxy(server)));
  const workers = proxies.map((proxy, i) =>
    fleet.start(`w${i + 1}`, { ...WORKER, connection: server.connection(proxy.port) }),
  );
  await Promise.all(workers.map(({ ready }) => ready));
  const producers = await startAll(fleet, 'p', 1, {});
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
  const away = [];
  while (!loaded) {
    await sleep(lab.random.whole(800, 1_600));
    if (loaded) break;
    const from = lab.random.whole(0, WORKERS - 1);
    const cut = Array.from({ length: TOGETHER }, (_, i) => (from + i) % WORKERS);
    for (const i of cut) {
      lab.nemesis.note('cut', workers[i].who);
      proxies[i].hold();
      lab.faults += 1;
    }
    await sleep(CUT_MS);
    for (const i of cut) {
      proxies[i].heal();
      lab.nemesis.note('heal', workers[i].who);
    }
    const healedAt = Number(process.hrtime.bigint() / 1_000n);
    away.push(...cut.map((i) => ({ who: workers[i].who, healedAt })));
    // More jobs come until each has had one again.
    if (lab.faults >= lab.goal.faults) await sleep(1_000);
  }
  await loading;
  lab.calm();
  await lab.drained(watcher, ['work'], DRAIN_MS);
  const late = await stillAway(lab, producers[0], away);
  await fleet.stop();
  return lab.judge({
    watcher,
    queues: ['work'],
    rules: { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS, exclusive: true },
    more: late.map((who) => `${who} took no job again after it was cut off`),
  });
}

/** Every worker that was cut off has to run jobs again. It is given some if it had none since. */
async function stillAway(lab, producer, away) {
  let left = [];
  const look = () => {
    const ledgers = new Map(readLedgers(lab.ledgers).map(({ who, events }) => [who, events]));
    left = away
      .filter(({ who, healedAt }) => !ledgers.get(who).some(({ event, at }) => event === 'start' && at > healedAt))
      .map(({ who }) => who);
    return left.length === 0;
  };
  let n = 0;
  const again = async () => {
    if (look()) return true;
    n += 1;
    const items = Array.from({ length: 200 }, (_, i) => ({ id: `again${n}-${i}`, data: { ms: 40 } }));
    await producer.add('work', items, { bulk: true });
    await sleep(500);
    return false;
  };
  await until('all to be back', again, BACK_MS).catch(() => undefined);
  return [...new Set(left)];
}

/** Short jobs, and some that on their first run take longer than a cut. */
function chunks(random, size = 50) {
  return (n) => {
    const items = Array.from({ length: size }, (_, i) => ({
      id: `j${n}-${i}`,
      data: { ms: random.whole(0, 20), ...(i % 20 === 1 && { first: { ms: CUT_MS + 2 * LEASE_MS } }) },
    }));
    return [{ queue: 'work', items, bulk: true }];
  };
}

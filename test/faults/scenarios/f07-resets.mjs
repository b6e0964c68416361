// F07: every piece that passes between processes and store may be its connection's last, be answered to nobody, come
// late and come in crumbs. Each call is sent again until it is answered, and takes effect once: no job is settled twice,
// runs twice, or comes back after it was removed, and none waits for a lease that nobody knows of.
import { sleep, until } from '../lib/lab.mjs';
import { readLedgers } from '../lib/ledger.mjs';
import { startAll } from '../lib/storm.mjs';

/** Longer than any row of lost replies: what then waits for the end of a lease was forgotten. */
const LEASE_MS = 15_000;
const HEARTBEAT_MS = 3_000;
const DRAIN_MS = 30_000;
const QUEUES = ['work', 'more', 'after'];
/** Its jobs leave no record: one that is added once more after it was done would run again. */
const GONE = 'gone';
const WORKERS = 4;
const PRODUCERS = 2;
/** Adds under way at once, of each producer. */
const STREAMS = 16;
const BACKLOG = 400;
const EVERY_MS = 100;

const consumer = (options) => ({
  concurrency: 4,
  lockTtlMs: LEASE_MS,
  heartbeatMs: HEARTBEAT_MS,
  pollIntervalMs: 500,
  ...options,
});
const WORKER = {
  consume: {
    ...Object.fromEntries(
      QUEUES.map((queue) => [queue, consumer({ retries: { max: 2, strategy: 'fixed', baseDelay: 20 } })]),
    ),
    [GONE]: consumer({ removeOnComplete: true }),
  },
};

export async function run(lab) {
  const server = await lab.server();
  const watcher = await lab.watcher(server);
  const fleet = lab.fleet(server);
  const proxies = await Promise.all([lab.proxy(server), lab.proxy(server)]);
  const [toWorkers, toProducers] = proxies.map(({ port }) => ({ connection: server.connection(port) }));
  const [workers, producers] = await Promise.all([
    startAll(fleet, 'w', WORKERS, { ...WORKER, ...toWorkers }),
    startAll(fleet, 'p', PRODUCERS, toProducers),
  ]);
  if ([...workers, ...producers].some(({ alive }) => !alive)) throw new Error('a process did not come up');
  for (const proxy of proxies) hurt(proxy);
  const sum = (what) => proxies.reduce((all, { stats }) => all + stats[what], 0);

  let added = 0;
  let open = 0;
  const look = async () => {
    lab.faults = sum('resets');
    open = (await watcher.open([...QUEUES, GONE])).all;
  };
  const looking = setInterval(() => void look().catch(() => undefined), EVERY_MS);
  const over = () => added >= lab.goal.jobs && lab.faults >= lab.goal.faults;
  const make = chunks(lab.random.fork());
  const stream = async (producer) => {
    while (!over()) {
      if (open > BACKLOG) {
        await sleep(10);
        continue;
      }
      for (const { queue, items, bulk } of make()) {
        await surely(producer, queue, items, bulk);
        // What leaves no record is not among the jobs that the row counts.
        if (queue !== GONE) added += items.length;
      }
    }
  };
  try {
    await Promise.all(producers.flatMap((producer) => Array.from({ length: STREAMS }, () => stream(producer))));
  } finally {
    clearInterval(looking);
  }
  await look();
  const lostReplies = sum('lostReplies');
  for (const proxy of proxies) heal(proxy);
  lab.calm();
  await lab.drained(watcher, [...QUEUES, GONE], lab.without ? 3_000 : DRAIN_MS);
  await until('every ending to be answered', async () => (await watcher.open(QUEUES)).active === 0, 5_000).catch(
    () => undefined,
  );
  await Promise.all([...workers, ...producers].map((member) => member.stop()));
  const ledgers = readLedgers(lab.ledgers);
  const rules = { leaseMs: LEASE_MS, heartbeatMs: HEARTBEAT_MS, drainMs: DRAIN_MS, ignore: [GONE] };
  const more = [...ghosts(ledgers), ...forgotten(ledgers)];
  const row = await lab.judge({ watcher, queues: QUEUES, rules, more });
  return { ...row, told: { 'lost replies': lostReplies, connections: sum('connections') } };
}

function hurt(proxy) {
  proxy.resetProb = 0.01;
  proxy.loseReplyProb = 0.02;
  proxy.jitter = 50;
  proxy.slice = 7;
  // Crumbs are costly for whoever makes and reads them; no less is learned from some of a large piece.
  proxy.mostSlices = 48;
}

function heal(proxy) {
  proxy.resetProb = 0;
  proxy.loseReplyProb = 0;
  proxy.jitter = 0;
  proxy.slice = 0;
}

/** Adds, and again by the same ids when nobody knows what became of it. */
async function surely(producer, queue, items, bulk) {
  for (;;) {
    try {
      await producer.add(queue, items, { bulk });
      return;
    } catch (error) {
      if (!/STORE|UNKNOWN/i.test(error.message)) throw error;
    }
  }
}

/** One to four jobs in one call or one by one, some of which fail at first; one in ten has a dependant elsewhere. */
function chunks(random) {
  let n = 0;
  return () => {
    n += 1;
    if (n % 4 === 0) return [{ queue: GONE, items: [{ id: `g${n}`, data: {} }], bulk: false }];
    const queue = n % 4 === 1 ? 'more' : 'work';
    const items = Array.from({ length: random.whole(1, 4) }, (_, i) => ({
      id: `j${n}-${i}`,
      data: { ms: random.whole(0, 20), ...(random.chance(0.05) && { fail: 1 }) },
    }));
    const own = [{ queue, items, bulk: n % 2 === 0 }];
    if (n % 4 !== 2) return own;
    const [{ id }] = items;
    return [
      ...own,
      {
        queue: 'after',
        items: [{ id: `a${n}`, data: {}, opts: { dependsOn: [{ queueName: queue, id }] } }],
        bulk: false,
      },
    ];
  };
}

/** What leaves no record is judged by the ledgers: done once, and never again. */
function ghosts(ledgers) {
  const jobs = new Map();
  for (const { events } of ledgers) {
    for (const { event, queue, id } of events) {
      if (queue !== GONE || !['ack', 'start', 'effect'].includes(event)) continue;
      const job = jobs.get(id) ?? { ack: 0, start: 0, effect: 0 };
      job[event] += 1;
      jobs.set(id, job);
    }
  }
  const wrong = [...jobs].filter(([, { ack, start, effect }]) => ack > 0 && (start !== 1 || effect !== 1));
  return wrong.map(([id, { start, effect }]) => `${GONE} ${id} started ${start} times and was done ${effect} times`);
}

/** No process ended and none was away for a lease: whatever was taken back belonged to a claim that nobody remembered. */
function forgotten(ledgers) {
  const stalls = ledgers.flatMap(({ who, events }) =>
    events.filter(({ event }) => event === 'stalled').map(({ queue, id }) => `${queue} ${id} was taken back by ${who}`),
  );
  return [...stalls.slice(0, 5), ...(stalls.length > 5 ? [`and ${stalls.length - 5} more were taken back`] : [])];
}

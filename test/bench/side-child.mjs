// A measured process. Its parent calls one of TASKS at a time and waits for the answer; see lib/measured.mjs.
import { percentile } from './lib/stats.mjs';

const TEXT = 'x'.repeat(100);
/** About 120 bytes as JSON. */
const payload = (n) => ({ n, text: TEXT });

/** The monotonic clock of the machine (ns): the same in all of its processes, unlike `performance.now()`. */
const now = () => process.hrtime.bigint();

const { side, store: target } = JSON.parse(process.argv[2]);
const { connect } = await import(`./sides/${side}.mjs`);

let store;
/** What the open consumer has handled. */
let handled;

const TASKS = {
  async open() {
    store = await connect(target);
  },

  async close() {
    await store.close();
  },

  /** Adds one by one, with `inFlight` of them under way. */
  async add({ queue, jobs, inFlight }) {
    const producer = await store.producer(queue);
    return measured(jobs, async () => {
      let added = 0;
      const lane = async () => {
        while (added < jobs) {
          added += 1;
          await producer.add(payload(added));
        }
      };
      await Promise.all(Array.from({ length: inFlight }, lane));
    });
  },

  async addBulk({ queue, jobs, size }) {
    const producer = await store.producer(queue);
    return measured(jobs, async () => {
      for (let start = 0; start < jobs; start += size) {
        const count = Math.min(size, jobs - start);
        await producer.addBulk(Array.from({ length: count }, (_, i) => payload(start + i)));
      }
    });
  },

  /** Handles `jobs` waiting jobs: from the first call of the handler until the store has the end of the last one. */
  async drain({ queue, jobs, ...options }) {
    let first = 0n;
    let cpu;
    let left = jobs;
    let allDone;
    const all = new Promise((resolve) => (allDone = resolve));
    const consumer = await store.consumer(queue, {
      ...options,
      handler: async () => {
        if (left === jobs) {
          first = now();
          cpu = process.cpuUsage();
        }
        left -= 1;
        if (left === 0) allDone();
        return 1;
      },
    });
    await all;
    let counts = await store.counts(queue);
    while (counts.active > 0) counts = await store.counts(queue);
    const result = figures(jobs, first, cpu);
    if (left < 0 || counts.waiting > 0) throw new Error(`${-left} jobs ran again, ${counts.waiting} wait`);
    await consumer.close();
    return result;
  },

  /** Consumes until the process is closed. */
  async consume({ queue, ...options }) {
    handled = { count: 0, until: 0, reached: undefined, latencies: [] };
    await store.consumer(queue, {
      ...options,
      handler: async ({ at }) => {
        if (at !== undefined) handled.latencies.push(Number(now() - BigInt(at)) / 1e6);
        handled.count += 1;
        if (handled.count === handled.until) handled.reached(now());
        return 1;
      },
    });
  },

  /** When the consumer has handled `jobs` since it was asked last (ns of the monotonic clock). */
  async handled({ jobs }) {
    const at = await new Promise((resolve) => {
      if (handled.count >= jobs) resolve(now());
      handled.until = jobs;
      handled.reached = resolve;
    });
    handled.count -= jobs;
    handled.until = 0;
    return String(at);
  },

  /** Adds a job whenever the queue has been idle for a while; its payload says when. */
  async trickle({ queue, jobs, gapMs }) {
    const producer = await store.producer(queue);
    for (let n = 0; n < jobs; n += 1) {
      // Not in step with anybody's timers.
      await new Promise((resolve) => setTimeout(resolve, gapMs * (1 + Math.random())));
      await producer.add({ ...payload(n), at: String(now()) });
    }
  },

  /** How long jobs took from `add` to the start of their handler (ms), and forgets them. */
  latencies() {
    const all = handled.latencies.splice(0);
    return { samples: all.length, p50: percentile(all, 0.5), p99: percentile(all, 0.99) };
  },

  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

/** Wall clock and CPU of this process for `jobs` jobs. */
async function measured(jobs, work) {
  const cpu = process.cpuUsage();
  const start = now();
  await work();
  return figures(jobs, start, cpu);
}

function figures(jobs, start, cpu) {
  const seconds = Number(now() - start) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { jobs, seconds, perSecond: jobs / seconds, nodeCpu: (user + system) / jobs, start: String(start) };
}

process.on('message', async ({ call, what, options }) => {
  try {
    process.send({ call, value: await TASKS[what](options) });
  } catch (error) {
    process.send({ call, error: error.stack ?? String(error) });
  }
});
// Without its runner nobody would ever end it.
process.once('disconnect', () => process.exit());

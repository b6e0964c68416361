// A measured process. Its parent calls one of TASKS at a time and waits for the answer; see lib/measured.mjs.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { percentile } from './lib/stats.mjs';

const texts = new Map();
/** About 120 bytes as JSON, unless the text is to have other `bytes`. */
const payload = (n, bytes = 100) => ({ n, text: textOf(bytes) });

/** The monotonic clock of the machine (ns): the same in all of its processes, unlike `performance.now()`. */
const now = () => process.hrtime.bigint();

const { side, store: target } = JSON.parse(process.argv[2]);
const { connect } = await import(`./sides/${side}.mjs`);

let store;
/** What the open consumer has handled. */
let handled;
let profiler;

const TASKS = {
  async open() {
    store = await connect(target);
  },

  async close() {
    await store.close();
  },

  /** Adds one by one, with `inFlight` of them under way, and begins none after `atMostMs`. */
  async add({ queue, jobs, inFlight, bytes, atMostMs = Infinity }) {
    const producer = await store.producer(queue);
    const end = performance.now() + atMostMs;
    return measured(async () => {
      let added = 0;
      const lane = async () => {
        while (added < jobs && performance.now() < end) {
          added += 1;
          await producer.add(payload(added, bytes));
        }
      };
      await Promise.all(Array.from({ length: inFlight }, lane));
      return added;
    });
  },

  async addBulk({ queue, jobs, size, bytes }) {
    const producer = await store.producer(queue);
    return measured(async () => {
      for (let start = 0; start < jobs; start += size) {
        const count = Math.min(size, jobs - start);
        await producer.addBulk(Array.from({ length: count }, (_, i) => payload(start + i, bytes)));
      }
      return jobs;
    });
  },

  /** Handles `jobs` waiting jobs: from the first call of the handler until the store has the end of the last one. */
  async drain({ queues, jobs, ...options }) {
    let first = 0n;
    let cpu;
    let left = jobs;
    let allDone;
    const all = new Promise((resolve) => (allDone = resolve));
    const handler = async () => {
      if (left === jobs) {
        first = now();
        cpu = process.cpuUsage();
      }
      left -= 1;
      if (left === 0) allDone();
      return 1;
    };
    const consumers = [];
    for (const queue of queues) consumers.push(await store.consumer(queue, { ...options, handler }));
    await all;
    let waiting = 0;
    for (const queue of queues) waiting += await waitingAfterAll(queue);
    const result = figures(jobs, first, cpu);
    if (left < 0 || waiting > 0) throw new Error(`${-left} jobs ran again, ${waiting} wait`);
    for (const consumer of consumers) await consumer.close();
    return result;
  },

  /** From the first call of the handler until call number `jobs`. Its consumer goes on until the process is closed. */
  async claim({ queue, jobs, ...options }) {
    let calls = 0;
    let first = 0n;
    let cpu;
    let reached;
    const all = new Promise((resolve) => (reached = resolve));
    await store.consumer(queue, {
      ...options,
      handler: async () => {
        calls += 1;
        if (calls === 1) {
          first = now();
          cpu = process.cpuUsage();
        }
        if (calls === jobs) reached(figures(jobs, first, cpu));
        return 1;
      },
    });
    return all;
  },

  /** Answers when a queue that is consumed has nothing left. */
  async drained({ queue }) {
    while ((await waitingAfterAll(queue)) > 0);
  },

  counts: ({ queue }) => store.counts(queue),

  /** Consumes until the process is closed. */
  async consume({ queues, ...options }) {
    handled = { count: 0, until: 0, reached: undefined, latencies: [] };
    const handler = async ({ at }) => {
      if (at !== undefined) handled.latencies.push(Number(now() - BigInt(at)) / 1e6);
      handled.count += 1;
      if (handled.count === handled.until) handled.reached(now());
      return 1;
    };
    const many = queues.length > 1;
    for (const queue of queues) await store.consumer(queue, { ...options, handler, many });
    if (many) await store.consuming?.();
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

  /** Begins to look where the time goes; `profiled` writes it to a file. */
  async profile() {
    profiler = new Session();
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.start');
  },

  async profiled({ file }) {
    const { profile } = await profiler.post('Profiler.stop');
    profiler.disconnect();
    writeFileSync(file, JSON.stringify(profile));
  },

  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

/** How many jobs wait once no job runs. */
async function waitingAfterAll(queue) {
  let counts = await store.counts(queue);
  while (counts.active > 0) counts = await store.counts(queue);
  return counts.waiting;
}

function textOf(bytes) {
  if (!texts.has(bytes)) texts.set(bytes, 'x'.repeat(bytes));
  return texts.get(bytes);
}

/** Wall clock and CPU of this process for the jobs that `work` counts. */
async function measured(work) {
  const cpu = process.cpuUsage();
  const start = now();
  return figures(await work(), start, cpu);
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

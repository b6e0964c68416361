// Measures two sides on one server. A target names the sides and the rows; see redis.mjs.
import { startMeasured } from './measured.mjs';
import { compare, inPairs } from './pairs.mjs';

const QUEUE = 'bench';
const WARM = 'warm';
const IN_FLIGHT = 100;
const BULK = 1_000;
/** Completed jobs that stay: our default, and the same for the peer. */
const KEEP = 10_000;
/** Jobs before the clock starts, in a queue of their own. */
const WARM_UP = 5_000;
const MIN_JOBS = 1_000;
/** Between two jobs of an idle queue: one to two times as long. */
const GAP_MS = 4;

/**
 * Yields what is measured with, then the rows of `measurements(bench)`. `sides` = files of `sides/`. The server has
 * `url` and `about`; `totals()` answers commands and CPU so far, `used()` its bytes, and `clear(space)` empties it.
 */
export async function* compareSides({ target, server, sides, measurements, quick, only, profile }) {
  const bench = new Bench(server, sides, profile);
  const pairs = quick ? 2 : 5;
  const seconds = quick ? 0.6 : 2.5;
  try {
    const about = { ...(await versionsOf(sides)), ...server.about, pairs, keep: KEEP };
    yield { about, sides: [sides.ours, sides.peer] };
    for (const { measure, rows, pairs: own = pairs } of measurements(bench)) {
      const wanted = rows.filter(({ row }) => only === undefined || row.includes(only));
      if (wanted.length === 0) continue;
      const rates = {};
      const runs = await inPairs(own, async (who) => {
        const run = await measure(who, { seconds, rate: rates[who] });
        rates[who] = run.perSecond;
        return run;
      });
      for (const row of wanted) yield { target, peerName: sides.peer, ...compare(row, runs) };
    }
  } finally {
    await bench.close();
    await server.close();
  }
}

async function versionsOf(sides) {
  const all = await Promise.all(Object.values(sides).map((side) => import(`../sides/${side}.mjs`)));
  return Object.assign({}, ...all.map(({ versions }) => versions()));
}

/** One measurement a method; each starts its processes and leaves an empty server. */
class Bench {
  #spaces = 0;
  #space;

  constructor(server, sides, profile) {
    this.server = server;
    this.sides = sides;
    this.profile = profile;
  }

  add(who, plan) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const warmUp = await producer.call('add', { queue: WARM, jobs: WARM_UP, inFlight: IN_FLIGHT });
      const jobs = jobsFor(plan, warmUp);
      return this.#counted(jobs, () => producer.call('add', { queue: QUEUE, jobs, inFlight: IN_FLIGHT }));
    });
  }

  addBulk(who, plan) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const warmUp = await producer.call('addBulk', { queue: WARM, jobs: WARM_UP, size: BULK });
      const jobs = jobsFor(plan, warmUp);
      return this.#counted(jobs, () => producer.call('addBulk', { queue: QUEUE, jobs, size: BULK }));
    });
  }

  /** Another process fills the queue, and is gone before the clock starts. */
  drain(who, plan, concurrency) {
    return this.#fresh(who, async (start) => {
      const [producer, worker] = await Promise.all([start([]), start()]);
      const fill = (queue, jobs) => producer.call('addBulk', { queue, jobs, size: BULK });
      const drain = (queue, jobs) => worker.call('drain', { queue, jobs, concurrency, keep: KEEP });
      const first = concurrency === 1 ? 1_000 : WARM_UP;
      await fill(WARM, first);
      const jobs = jobsFor(plan, await drain(WARM, first));
      await fill(QUEUE, jobs);
      await producer.end();
      return this.#counted(jobs, () => drain(QUEUE, jobs));
    });
  }

  endToEnd(who, plan) {
    return this.#fresh(who, async (start) => {
      const [producer, worker] = await Promise.all([start(), start()]);
      await worker.call('consume', { queue: QUEUE, concurrency: 100, keep: KEEP });
      const once = async (jobs) => {
        const cpu = await worker.call('cpu');
        const handled = worker.call('handled', { jobs });
        const added = await producer.call('add', { queue: QUEUE, jobs, inFlight: IN_FLIGHT });
        const seconds = Number(BigInt(await handled) - BigInt(added.start)) / 1e9;
        const nodeCpu = added.nodeCpu + ((await worker.call('cpu')) - cpu) / jobs;
        return { jobs, seconds, perSecond: jobs / seconds, nodeCpu };
      };
      const jobs = jobsFor(plan, await once(WARM_UP));
      return this.#counted(jobs, () => once(jobs));
    });
  }

  latency(who, jobs) {
    return this.#fresh(who, async (start) => {
      const [producer, worker] = await Promise.all([start(), start()]);
      await worker.call('consume', { queue: QUEUE, concurrency: 100, keep: KEEP });
      const once = async (count) => {
        const handled = worker.call('handled', { jobs: count });
        await producer.call('trickle', { queue: QUEUE, jobs: count, gapMs: GAP_MS });
        await handled;
        return { jobs: count, ...(await worker.call('latencies')) };
      };
      await once(50);
      return this.#counted(jobs, () => once(jobs));
    });
  }

  memory(who, jobs) {
    return this.#fresh(who, async (start) => {
      const fill = async (queue, count) => {
        const producer = await start([]);
        await producer.call('addBulk', { queue, jobs: count, size: BULK });
        await producer.end();
      };
      const drain = async (queue, count) => {
        const worker = await start([]);
        await worker.call('drain', { queue, jobs: count, concurrency: 100, keep: jobs });
        await worker.end();
      };
      // Scripts, and what else is there once.
      await fill(WARM, 100);
      await drain(WARM, 100);
      const empty = await this.server.used();
      await fill(QUEUE, jobs);
      const waiting = await this.server.used();
      await drain(QUEUE, jobs);
      const completed = await this.server.used();
      return { jobs, waiting: (waiting - empty) / jobs, completed: (completed - empty) / jobs };
    });
  }

  /** The keys that an interrupted run left. */
  async close() {
    if (this.#space !== undefined) await this.server.clear(this.#space);
  }

  async #fresh(who, work) {
    const space = `bench-${process.pid}-${(this.#spaces += 1)}`;
    this.#space = space;
    const args = who === 'ours' && this.profile ? ['--cpu-prof', `--cpu-prof-dir=${this.profile}`] : [];
    const started = [];
    const start = async (execArgv = args) => {
      const child = await startMeasured(this.sides[who], { url: this.server.url, space }, execArgv);
      started.push(child);
      return child;
    };
    try {
      const run = await work(start);
      await Promise.all(started.map((child) => child.end()));
      return run;
    } finally {
      await Promise.all(started.map((child) => child.kill()));
      await this.server.clear(space);
      this.#space = undefined;
    }
  }

  async #counted(jobs, work) {
    const before = await this.server.totals();
    const run = await work();
    return { ...run, ...perJob(before, await this.server.totals(), jobs) };
  }
}

/** As many jobs as take the wanted time, judged by the run before or else by the warm-up. */
function jobsFor({ seconds, rate }, warmUp) {
  return Math.max(MIN_JOBS, Math.ceil(((rate ?? warmUp.perSecond) * seconds) / BULK) * BULK);
}

/** What happened between two calls of `totals`, per job. */
function perJob(before, after, jobs) {
  const commands = {};
  let all = 0;
  for (const [name, calls] of Object.entries(after.commands)) {
    const more = calls - (before.commands[name] ?? 0);
    if (more === 0) continue;
    commands[name] = more / jobs;
    all += more / jobs;
  }
  return { commandsPerJob: all, commands, serverCpu: (after.cpu - before.cpu) / jobs };
}

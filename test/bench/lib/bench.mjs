// Measures sides on one server. A target names the sides and the rows; see redis.mjs and postgres.mjs.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMeasured } from './measured.mjs';
import { compareAll, inTurn } from './pairs.mjs';
import { versionsOf } from './versions.mjs';

export const QUEUE = 'bench';
export const WARM = 'warm';
const IN_FLIGHT = 100;
export const BULK = 1_000;
/** Completed jobs that stay: our default, and the same for a peer that can bound them by count. */
export const KEEP = 10_000;
/** Jobs before the clock starts, in a queue of their own. */
const WARM_UP = 5_000;
/** The same where a job takes a few microseconds: code that the compiler has not seen enough of takes several times as long. */
const MEMORY_WARM_UP = 30_000;
/** Of a slow side. Its warm-up has fewer jobs. With `--quick` it is half of it. */
const WARM_UP_MS = 1_500;
const MIN_JOBS = 1_000;
const MIN_WARM_UP = 200;
/** So that no run fills the disk or lasts for minutes. */
const MAX_JOBS = 400_000;
const MAX_BYTES = 512 * 1024 * 1024;
/** Between two jobs of an idle queue: one to two times as long. */
const GAP_MS = 4;
/** After which an idle process has nothing left to do from its start. */
const SETTLE_MS = 3_000;
/** How long a run takes with `--quick`. */
const QUICK_SECONDS = 1.2;

/**
 * Yields what is measured with, then the rows of `measurements(bench)`. `sides` = { name: { side: file of `sides/`,
 * options?, told? } }; the first is ours, and `told` = its options in words. `packages` = those of the peers. A measurement has `rows`, `measure(who, plan)`, and may name its `peers` (default
 * all) and its number of `pairs`. A row may name a side that stands for us in it: `ours`. The server has `about`;
 * `open(space)` answers the URL for one run, `clear(space)` removes what the run left, `totals()` answers commands and
 * CPU so far. It may have `used()` (bytes), `tidy(space)` (done between the filling of a queue and the clock),
 * `statements(work)` or `requests(work)` (how many clients sent meanwhile), `connections(space)`,
 * `profiled({ file, jobs }, work)`, and `node`, the binary that all sides run on. A measurement that fails is a row that
 * says so, and the others go on. `make` makes another bench than the usual one.
 */
export async function* compareSides({ target, server, sides, packages, measurements, quick, only, profile, make }) {
  const given = { server, sides, quick, profile };
  const bench = make ? make(given) : new Bench(given);
  const [first, ...all] = Object.keys(sides);
  const usual = quick ? 3 : 5;
  // A profile needs samples.
  const seconds = profile === undefined ? (quick ? QUICK_SECONDS : 4) : 8;
  try {
    const about = { ...versionsOf(packages), ...server.about, pairs: usual, keep: KEEP };
    const options = Object.entries(sides).flatMap(([name, { told }]) => (told === undefined ? [] : [[name, told]]));
    yield { about: { ...about, options: Object.fromEntries(options) }, sides: [first, ...all] };
    for (const { measure, rows, peers = all, pairs = usual } of measurements(bench)) {
      const wanted = rows.filter(({ row }) => only === undefined || row.includes(only));
      if (wanted.length === 0) continue;
      const rates = {};
      const ours = new Set(wanted.map((row) => row.ours ?? first));
      try {
        const runs = await inTurn(pairs, [...ours, ...peers], async (who) => {
          const run = await measure(who, { seconds, rate: rates[who] });
          rates[who] = run.perSecond;
          return run;
        });
        for (const { ours: who = first, ...row } of wanted) {
          for (const told of compareAll(row, who, peers, runs)) yield { target, ...told };
        }
      } catch (error) {
        for (const { row, unit } of wanted) yield { target, row, unit, met: false, failed: error.message };
      }
    }
  } finally {
    await bench.close();
    await server.close();
  }
}

/** One measurement a method; each starts its processes and leaves an empty server. */
export class Bench {
  #spaces = 0;
  #space;
  /** The processes of ours that this run looks into. */
  #profiled = [];

  constructor({ server, sides, quick, profile }) {
    this.server = server;
    this.sides = sides;
    this.profile = profile;
    this.warmUp = quick ? WARM_UP / 2 : WARM_UP;
    this.warmUpMs = quick ? WARM_UP_MS / 2 : WARM_UP_MS;
  }

  /** `bytes` = of the text in a payload. */
  add(who, plan, { bytes } = {}) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const common = { inFlight: IN_FLIGHT, bytes };
      const first = { queue: WARM, jobs: this.warmUp, atMostMs: this.warmUpMs };
      const jobs = jobsFor(plan, await producer.call('add', { ...common, ...first }), bytes);
      return this.#counted(jobs, () => producer.call('add', { ...common, queue: QUEUE, jobs }));
    });
  }

  addBulk(who, plan) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const first = this.#warmUpFor(plan);
      const warmUp = await producer.call('addBulk', { queue: WARM, jobs: first, size: BULK });
      const jobs = jobsFor(plan, warmUp);
      return this.#counted(jobs, () => producer.call('addBulk', { queue: QUEUE, jobs, size: BULK }));
    });
  }

  /**
   * Another process fills the queue, and is gone before the clock starts. `keep` = finished jobs that stay; `bytes` = of
   * the text in a payload; with `queues` the jobs are spread over that many, each with its `concurrency`.
   */
  drain(who, plan, { concurrency, keep = KEEP, bytes, queues = 1 }) {
    return this.#fresh(who, async (start) => {
      const producer = await start({ aside: true });
      const worker = await start();
      const names = Array.from({ length: queues }, (_, i) => (queues === 1 ? QUEUE : `${QUEUE}-${i}`));
      const fill = (queue, jobs) => producer.call('addBulk', { queue, jobs, size: BULK, bytes });
      const drain = (all, jobs) => worker.call('drain', { queues: all, jobs, concurrency, keep });
      const first = this.#warmUpFor(plan, concurrency);
      await fill(WARM, first);
      const wanted = jobsFor(plan, await drain([WARM], first), bytes);
      const each = Math.ceil(wanted / queues);
      for (const name of names) await fill(name, each);
      await producer.end();
      await this.server.tidy?.(this.#space);
      return this.#counted(each * queues, () => drain(names, each * queues));
    });
  }

  endToEnd(who, plan) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const worker = await start();
      await worker.call('consume', { queues: [QUEUE], concurrency: 100, keep: KEEP });
      const once = async (jobs) => {
        const cpu = await worker.call('cpu');
        const handled = worker.call('handled', { jobs });
        const added = await producer.call('add', { queue: QUEUE, jobs, inFlight: IN_FLIGHT });
        const seconds = Number(BigInt(await handled) - BigInt(added.start)) / 1e9;
        const nodeCpu = added.nodeCpu + ((await worker.call('cpu')) - cpu) / jobs;
        return { jobs, seconds, perSecond: jobs / seconds, nodeCpu };
      };
      const { run, perJob } = await this.#statements(this.warmUp, () => once(this.warmUp));
      const jobs = jobsFor(plan, run);
      return { ...(await this.#counted(jobs, () => once(jobs))), statementsPerJob: perJob };
    });
  }

  /** In the memory of one process, which fills its queue before the clock starts. */
  drainInOne(who, plan, concurrency) {
    return this.#fresh(who, async (start) => {
      const both = await start();
      const fill = (queue, jobs) => both.call('addBulk', { queue, jobs, size: BULK });
      const drain = (queue, jobs) => both.call('drain', { queues: [queue], jobs, concurrency, keep: KEEP });
      await fill(WARM, MEMORY_WARM_UP);
      const jobs = jobsFor(plan, await drain(WARM, MEMORY_WARM_UP));
      await fill(QUEUE, jobs);
      return this.#counted(jobs, () => drain(QUEUE, jobs));
    });
  }

  /** Producer and worker are one process. */
  endToEndInOne(who, plan, concurrency) {
    return this.#fresh(who, async (start) => {
      const both = await start();
      await both.call('consume', { queues: [QUEUE], concurrency, keep: KEEP });
      const once = async (jobs) => {
        const cpu = await both.call('cpu');
        const handled = both.call('handled', { jobs });
        const { start: first } = await both.call('add', { queue: QUEUE, jobs, inFlight: IN_FLIGHT });
        const seconds = Number(BigInt(await handled) - BigInt(first)) / 1e9;
        return { jobs, seconds, perSecond: jobs / seconds, nodeCpu: ((await both.call('cpu')) - cpu) / jobs };
      };
      const jobs = jobsFor(plan, await once(MEMORY_WARM_UP));
      return this.#counted(jobs, () => once(jobs));
    });
  }

  latency(who, jobs) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      const worker = await start();
      await worker.call('consume', { queues: [QUEUE], concurrency: 100, keep: KEEP });
      const once = async (count) => {
        const handled = worker.call('handled', { jobs: count });
        await producer.call('trickle', { queue: QUEUE, jobs: count, gapMs: GAP_MS });
        await handled;
        return { jobs: count, ...(await worker.call('latencies')) };
      };
      const { perJob } = await this.#statements(50, () => once(50));
      return { ...(await this.#counted(jobs, () => once(jobs))), statementsPerJob: perJob };
    });
  }

  /** One process that consumes many queues in which nothing happens. */
  idle(who, { queues, seconds }) {
    return this.#fresh(who, async (start) => {
      const worker = await start();
      const names = Array.from({ length: queues }, (_, i) => `${QUEUE}-${i}`);
      await worker.call('consume', { queues: names, concurrency: 10, keep: KEEP });
      await sleep(SETTLE_MS);
      const cpu = await worker.call('cpu');
      // Before the server is asked to tell more, which takes a connection, too.
      const connections = await this.server.connections(this.#space);
      const count = this.server.requests ?? this.server.statements;
      const sent = await count(() => sleep(seconds * 1_000));
      return {
        sentPerSecond: sent === undefined ? undefined : sent / seconds,
        connections,
        nodeCpuPerSecond: ((await worker.call('cpu')) - cpu) / seconds,
      };
    });
  }

  memory(who, jobs) {
    return this.#fresh(who, async (start) => {
      const fill = async (queue, count) => {
        const producer = await start({ aside: true });
        await producer.call('addBulk', { queue, jobs: count, size: BULK });
        await producer.end();
      };
      const drain = async (queue, count) => {
        const worker = await start({ aside: true });
        await worker.call('drain', { queues: [queue], jobs: count, concurrency: 100, keep: jobs });
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

  /** A side that was slow in the run before has fewer: its code is as warm after a second as after five. */
  #warmUpFor({ rate = Infinity }, concurrency) {
    const usual = concurrency === 1 ? MIN_JOBS : this.warmUp;
    return Math.min(usual, Math.max(MIN_WARM_UP, Math.ceil((rate * this.warmUpMs) / 1_000)));
  }

  /** What an interrupted run left. */
  async close() {
    if (this.#space !== undefined) await this.server.clear(this.#space);
  }

  async #fresh(who, work) {
    const { side, options } = this.sides[who];
    const space = `bench-${process.pid}-${(this.#spaces += 1)}`;
    this.#space = space;
    const url = await this.server.open(space);
    const started = [];
    this.#profiled = [];
    const profiled = this.profile !== undefined && who === Object.keys(this.sides)[0];
    const start = async ({ aside = false } = {}) => {
      const child = await startMeasured(side, { url, space, ...options }, this.server.node);
      started.push(child);
      if (profiled && !aside) this.#profiled.push(child);
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
    const run = await (this.#profiled.length > 0 ? this.#withProfiles(jobs, work) : work());
    return { ...run, ...perJob(before, await this.server.totals(), jobs) };
  }

  /** Of our processes and of the server while `work` runs; named by the run's number. */
  async #withProfiles(jobs, work) {
    const file = join(resolve(this.profile), this.#space.replace(/^bench-\d+/, 'run'));
    mkdirSync(this.profile, { recursive: true });
    const both = async () => {
      for (const child of this.#profiled) await child.call('profile');
      const run = await work();
      for (const [i, child] of this.#profiled.entries()) {
        await child.call('profiled', { file: `${file}-process-${i + 1}.cpuprofile` });
      }
      return run;
    };
    return this.server.profiled ? this.server.profiled({ file: `${file}-statements.txt`, jobs }, both) : both();
  }

  /** Apart from the timed run: counting costs each statement a little. */
  async #statements(jobs, work) {
    if (!this.server.statements) return { run: await work() };
    let run;
    const count = await this.server.statements(async () => (run = await work()));
    return { run, perJob: count === undefined ? undefined : count / jobs };
  }
}

/** As many jobs as take the wanted time, judged by the run before or else by the warm-up. */
export function jobsFor({ seconds, rate }, warmUp, bytes = 1) {
  const wanted = Math.ceil(((rate ?? warmUp.perSecond) * seconds) / BULK) * BULK;
  return Math.min(MAX_JOBS, Math.floor(MAX_BYTES / bytes), Math.max(MIN_JOBS, wanted));
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
  const serverCpu = after.cpu === undefined ? undefined : (after.cpu - before.cpu) / jobs;
  return { commandsPerJob: all, commands, serverCpu };
}

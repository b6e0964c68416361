// Redis: we against BullMQ, on one server, each side in processes of its own.
import { startMeasured } from './lib/measured.mjs';
import { compare, inPairs } from './lib/pairs.mjs';
import { openRedis, perJob } from './lib/redis-server.mjs';

const SIDES = { ours: 'oqronkit', peer: 'bullmq' };
const QUEUE = 'bench';
const WARM = 'warm';
const IN_FLIGHT = 100;
const BULK = 1_000;
/** Completed jobs that stay: our default, and the same for the peer. */
const KEEP = 10_000;
/** Adds and runs before the clock starts, in a queue of their own. */
const WARM_UP = 5_000;
const MIN_JOBS = 2_000;

export async function* redis({ quick, appendonly, only, profile }) {
  const server = await openRedis({ appendonly });
  const bench = new RedisBench(server, profile);
  const pairs = quick ? 2 : 5;
  const seconds = quick ? 0.6 : 2.5;
  const versions = await versionsOf();
  try {
    yield { about: { ...versions, ...server.about, pairs, keep: KEEP }, peer: SIDES.peer };
    for (const { measure, rows, calibrate, jobs } of measurements(bench, quick)) {
      const wanted = rows.filter(({ row }) => only === undefined || row.includes(only));
      if (wanted.length === 0) continue;
      const count = {};
      for (const who of Object.keys(SIDES)) {
        count[who] = calibrate === undefined ? jobs : roundJobs((await measure(who, calibrate)).perSecond * seconds);
      }
      const runs = await inPairs(pairs, (who) => measure(who, count[who]));
      for (const row of wanted) yield { target: 'redis', peerName: SIDES.peer, ...compare(row, runs) };
    }
  } finally {
    await bench.close();
    await server.close();
  }
}

/** `calibrate` = jobs of a first run that is not counted and tells how many make a run of the wanted length. */
function measurements(bench, quick) {
  const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond, cpu: true };
  const endToEnd = 'add + process';
  return [
    {
      rows: [{ ...perSecond, row: 'add, 100 in flight', atLeast: 2.5 }],
      measure: (who, jobs) => bench.add(who, jobs),
      calibrate: 5_000,
    },
    {
      rows: [{ ...perSecond, row: 'addBulk of 1 000' }],
      measure: (who, jobs) => bench.addBulk(who, jobs),
      calibrate: 10_000,
    },
    ...[100, 10, 1].map((concurrency) => ({
      rows: [{ ...perSecond, row: `drain, concurrency ${concurrency}`, ...(concurrency === 100 && { atLeast: 2.5 }) }],
      measure: (who, jobs) => bench.drain(who, jobs, concurrency),
      calibrate: concurrency === 1 ? 2_000 : 5_000,
    })),
    {
      rows: [
        { ...perSecond, row: `${endToEnd}, 2 processes, concurrency 100` },
        { row: `${endToEnd}: Redis commands`, unit: 'per job', of: (run) => run.commandsPerJob, oursAtMost: 12 },
        { row: `${endToEnd}: CPU of the Redis server`, unit: 'us/job', of: (run) => run.serverCpu },
        { row: `${endToEnd}: CPU of both Node processes`, unit: 'us/job', of: (run) => run.nodeCpu },
      ],
      measure: (who, jobs) => bench.endToEnd(who, jobs),
      calibrate: 5_000,
    },
    {
      rows: [
        { row: 'idle queue, add to start of the handler, p50', unit: 'ms', of: (run) => run.p50, atMost: 1 },
        { row: 'idle queue, add to start of the handler, p99', unit: 'ms', of: (run) => run.p99 },
      ],
      measure: (who, jobs) => bench.latency(who, jobs),
      jobs: quick ? 100 : 400,
    },
    {
      rows: [
        { row: 'memory of Redis per waiting job', unit: 'bytes', of: (run) => run.waiting },
        { row: 'memory of Redis per completed job', unit: 'bytes', of: (run) => run.completed },
      ],
      measure: (who, jobs) => bench.memory(who, jobs),
      jobs: quick ? 10_000 : 30_000,
    },
  ];
}

const roundJobs = (jobs) => Math.max(MIN_JOBS, Math.ceil(jobs / BULK) * BULK);

async function versionsOf() {
  const all = await Promise.all(Object.values(SIDES).map((side) => import(`./sides/${side}.mjs`)));
  return Object.assign({}, ...all.map(({ versions }) => versions()));
}

/** One measurement a method; each starts its processes and leaves an empty server. */
class RedisBench {
  #spaces = 0;
  #space;

  constructor(server, profile) {
    this.server = server;
    this.profile = profile;
  }

  add(who, jobs) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      await producer.call('add', { queue: WARM, jobs: WARM_UP, inFlight: IN_FLIGHT });
      const run = await this.#counted(jobs, () => producer.call('add', { queue: QUEUE, jobs, inFlight: IN_FLIGHT }));
      await producer.end();
      return run;
    });
  }

  addBulk(who, jobs) {
    return this.#fresh(who, async (start) => {
      const producer = await start();
      await producer.call('addBulk', { queue: WARM, jobs: WARM_UP, size: BULK });
      const run = await this.#counted(jobs, () => producer.call('addBulk', { queue: QUEUE, jobs, size: BULK }));
      await producer.end();
      return run;
    });
  }

  drain(who, jobs, concurrency) {
    return this.#fresh(who, async (start) => {
      const warmUp = concurrency === 1 ? 1_000 : WARM_UP;
      await this.#fill(start, WARM, warmUp);
      await this.#fill(start, QUEUE, jobs);
      const worker = await start();
      await worker.call('drain', { queue: WARM, jobs: warmUp, concurrency, keep: KEEP });
      const run = await this.#counted(jobs, () =>
        worker.call('drain', { queue: QUEUE, jobs, concurrency, keep: KEEP }),
      );
      await worker.end();
      return run;
    });
  }

  endToEnd(who, jobs) {
    return this.#fresh(who, async (start) => {
      const [producer, worker] = await Promise.all([start(), start()]);
      await worker.call('consume', { queue: QUEUE, concurrency: 100, keep: KEEP });
      const once = async (count) => {
        const cpu = await worker.call('cpu');
        const handled = worker.call('handled', { jobs: count });
        const added = await producer.call('add', { queue: QUEUE, jobs: count, inFlight: IN_FLIGHT });
        const seconds = Number(BigInt(await handled) - BigInt(added.start)) / 1e9;
        const nodeCpu = added.nodeCpu + ((await worker.call('cpu')) - cpu) / count;
        return { jobs: count, seconds, perSecond: count / seconds, nodeCpu };
      };
      await once(WARM_UP);
      const run = await this.#counted(jobs, () => once(jobs));
      await Promise.all([producer.end(), worker.end()]);
      return run;
    });
  }

  latency(who, jobs) {
    return this.#fresh(who, async (start) => {
      const [producer, worker] = await Promise.all([start(), start()]);
      await worker.call('consume', { queue: QUEUE, concurrency: 100, keep: KEEP });
      const once = async (count) => {
        const handled = worker.call('handled', { jobs: count });
        await producer.call('trickle', { queue: QUEUE, jobs: count, gapMs: 4 });
        await handled;
        return worker.call('latencies');
      };
      await once(50);
      const run = await once(jobs);
      await Promise.all([producer.end(), worker.end()]);
      return run;
    });
  }

  memory(who, jobs) {
    return this.#fresh(who, async (start) => {
      // Scripts, streams and what else is there once.
      await this.#fill(start, WARM, 100);
      const worker = await start();
      await worker.call('drain', { queue: WARM, jobs: 100, concurrency: 100, keep: jobs });
      await worker.end();
      const empty = await this.server.usedMemory();
      await this.#fill(start, QUEUE, jobs);
      const waiting = await this.server.usedMemory();
      const last = await start();
      await last.call('drain', { queue: QUEUE, jobs, concurrency: 100, keep: jobs });
      await last.end();
      const completed = await this.server.usedMemory();
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
      const child = await startMeasured(SIDES[who], { url: this.server.url, space }, execArgv);
      started.push(child);
      return child;
    };
    try {
      return await work(start);
    } finally {
      await Promise.all(started.map((child) => child.kill()));
      await this.server.clear(space);
      this.#space = undefined;
    }
  }

  async #fill(start, queue, jobs) {
    const producer = await start([]);
    await producer.call('addBulk', { queue, jobs, size: BULK });
    await producer.end();
  }

  async #counted(jobs, work) {
    const before = await this.server.totals();
    const run = await work();
    return { ...run, ...perJob(before, await this.server.totals(), jobs) };
  }
}

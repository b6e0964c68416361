// What a long history and a long queue cost. Filling them takes minutes, so each is filled once and measured again and
// again: a home is a space of the server that stays until the end.
import { BULK, Bench, jobsFor, KEEP, QUEUE, WARM } from './bench.mjs';
import { startMeasured } from './measured.mjs';

const CONCURRENCY = 100;
/** Jobs between two looks at how far a filling is. */
const CHUNK = 50_000;
/** Of a short queue: all but the last of its jobs are counted, so that none of them is the end of the queue. */
const COUNTED = 0.9;

export class ScaleBench extends Bench {
  #side;
  #homes = new Map();
  #started = new Set();
  #turns = 0;

  constructor(given) {
    super(given);
    // All sides are ourselves.
    this.#side = Object.values(given.sides)[0];
  }

  /** A drain of a queue whose history is full with `kept` jobs, so that each end removes the oldest of them. */
  async drainWith(kept, plan) {
    const home = await this.#homeOf(`kept-${kept}`, (made) => this.#keep(made, kept));
    return this.#with(home, async (start) => {
      const producer = await start();
      const worker = await start();
      await this.#fill(producer, WARM, this.warmUp);
      const drain = (queue, jobs, keep) =>
        worker.call('drain', { queues: [queue], jobs, concurrency: CONCURRENCY, keep });
      const jobs = jobsFor(plan, await drain(WARM, this.warmUp, KEEP));
      await this.#fill(producer, QUEUE, jobs);
      await this.server.tidy?.(home.space);
      return drain(QUEUE, jobs, kept);
    });
  }

  /**
   * How fast a consumer takes jobs while at least about `waiting` of them wait: `rounds` times nine tenths of `shallow`.
   * With no more than that waiting, each round has a queue of its own.
   */
  async claimFrom(waiting, { shallow, rounds }) {
    const home = await this.#homeOf(`waiting-${waiting}`, async () => undefined);
    const counted = shallow * COUNTED;
    this.#turns += 1;
    return this.#with(home, async (start) => {
      const producer = await start();
      const worker = await start();
      const options = { concurrency: CONCURRENCY, keep: KEEP };
      await this.#fill(producer, WARM, this.warmUp);
      await worker.call('drain', { queues: [WARM], jobs: this.warmUp, ...options });
      if (waiting > shallow) {
        const { waiting: there } = await producer.call('counts', { queue: QUEUE });
        // Some are taken by each turn.
        await this.#fill(producer, QUEUE, waiting - there);
        await this.server.tidy?.(home.space);
        return worker.call('claim', { queue: QUEUE, jobs: counted * rounds, ...options });
      }
      const queues = Array.from({ length: rounds }, (_, i) => `${QUEUE}-${this.#turns}-${i}`);
      for (const queue of queues) await this.#fill(producer, queue, shallow);
      await this.server.tidy?.(home.space);
      const runs = [];
      for (const queue of queues) {
        runs.push(await worker.call('claim', { queue, jobs: counted, ...options }));
        await worker.call('drained', { queue });
      }
      return sumOf(runs);
    });
  }

  async close() {
    for (const child of this.#started) await child.kill();
    for (const home of this.#homes.values()) await this.server.clear(home.space);
    await super.close();
  }

  async #homeOf(name, prepare) {
    if (!this.#homes.has(name)) {
      const space = `bench-${process.pid}-${name}`;
      const home = { space, url: await this.server.open(space) };
      this.#homes.set(name, home);
      await prepare(home);
    }
    return this.#homes.get(name);
  }

  /** Fills the history with `kept` jobs, and a few more, so that it is full. */
  #keep(home, kept) {
    return this.#with(home, async (start) => {
      const producer = await start();
      const worker = await start();
      await worker.call('consume', { queues: [QUEUE], concurrency: CONCURRENCY, keep: kept });
      for (let left = kept + BULK; left > 0; left -= CHUNK) {
        const jobs = Math.min(CHUNK, left);
        const handled = worker.call('handled', { jobs });
        await this.#fill(producer, QUEUE, jobs);
        await handled;
      }
      await worker.call('drained', { queue: QUEUE });
    });
  }

  async #fill(producer, queue, jobs) {
    for (let left = jobs; left > 0; left -= CHUNK) {
      await producer.call('addBulk', { queue, jobs: Math.min(CHUNK, left), size: BULK });
    }
  }

  /** Processes on a home, ended when `work` is done. */
  async #with({ url, space }, work) {
    const { side, options } = this.#side;
    const mine = [];
    const start = async () => {
      const child = await startMeasured(side, { url, space, ...options }, this.server.node);
      this.#started.add(child);
      mine.push(child);
      return child;
    };
    try {
      const run = await work(start);
      await Promise.all(mine.map((child) => child.end()));
      return run;
    } finally {
      await Promise.all(mine.map((child) => child.kill()));
      for (const child of mine) this.#started.delete(child);
    }
  }
}

/** Several runs as one. */
function sumOf(runs) {
  const total = (of) => runs.reduce((sum, run) => sum + of(run), 0);
  const jobs = total((run) => run.jobs);
  const seconds = total((run) => run.seconds);
  return { jobs, seconds, perSecond: jobs / seconds, nodeCpu: total((run) => run.nodeCpu * run.jobs) / jobs };
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StoreUnreachableError, type JobContext, type JobStatus, type OqronEngine, type Queue } from 'oqronkit';
import { seededRandom } from '../support/seeded-random.js';
import { World } from '../support/world.js';
import { wrapBackend, type Around } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

interface Run {
  readonly ctx: JobContext;
  readonly alive: () => boolean;
}

interface Process {
  readonly engine: OqronEngine;
  readonly kill: () => void;
  /** Nothing reaches the store for a while; the process itself goes on. */
  readonly cutOff: (ms: number) => void;
}

/** A fleet that dies, stops, is cut off, loses calls and replies, cancels and pauses, all by one seed. */
class Chaos {
  readonly #random: { next(): number };
  readonly queue: Queue<number, string>;
  readonly acknowledged = new Set<string>();
  readonly breaches: string[] = [];
  readonly terminal = new Map<string, string[]>();
  readonly runs = new Map<string, number>();
  readonly #active = new Map<string, Set<Run>>();
  readonly #background: Promise<unknown>[] = [];
  #processes: Process[] = [];
  #faults = 0.1;

  constructor(seed: number) {
    this.#random = seededRandom(seed * 7919);
    const publisher = world.engine({}, { backend: wrapBackend(world.backend, this.#faulty()) });
    this.#watch(publisher);
    this.queue = publisher.queue<number, string>({ name: 'q' });
  }

  roll(): number {
    return this.#random.next();
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.roll() * items.length)];
  }

  spawn(): void {
    let state: 'up' | 'cut off' | 'dead' = 'up';
    const faulty = this.#faulty();
    const through = async <T>(operation: string, run: () => Promise<T>): Promise<T> => {
      if (state === 'dead') throw new Error('this process is dead');
      if (state === 'cut off') throw new StoreUnreachableError(operation);
      return run();
    };
    const backend = wrapBackend(world.backend, async (operation, args, run) => {
      const reply = await through(operation, () => faulty(operation, args, () => through(operation, run)));
      return through(operation, () => Promise.resolve(reply));
    });
    const engine = world.engine({ shutdown: { timeout: '5s' } }, { backend });
    this.#watch(engine);
    engine.worker<number, string>({
      topic: 'q',
      concurrency: 3,
      timeout: '12s',
      abortGraceMs: '2s',
      heartbeatMs: '2s',
      lockTtlMs: '8s',
      retries: { max: 2, strategy: 'fixed', baseDelay: '500ms' },
      handler: (ctx) => this.#handle(ctx, () => state !== 'dead'),
    });
    this.#later(engine.start());
    this.#processes.push({
      engine,
      kill: () => (state = 'dead'),
      cutOff: (ms) => {
        if (state === 'up') state = 'cut off';
        world.clock.timer(ms, () => {
          if (state === 'cut off') state = 'up';
        });
      },
    });
  }

  add(n: number): void {
    const jobId = `job ${n}`;
    const delay = this.roll() < 0.2 ? Math.floor(this.roll() * 5_000) : 0;
    this.#later(this.queue.add(n, { jobId, delay }).then(() => this.acknowledged.add(jobId)));
  }

  disturb(): void {
    const roll = this.roll();
    const victim = this.pick(this.#processes);
    if (roll < 0.12 && victim) {
      victim.kill();
      this.#replace(victim);
    } else if (roll < 0.2 && victim) {
      this.#later(victim.engine.stop());
      this.#replace(victim);
    } else if (roll < 0.45 && victim) {
      victim.cutOff(5_000 + this.roll() * 15_000);
    } else if (roll < 0.65) {
      const id = this.pick([...this.acknowledged].slice(-8));
      if (id) this.#later(this.queue.getJob(id).then((job) => job?.cancel('chaos')));
    } else if (roll < 0.7) this.#later(this.queue.pause());
    else if (roll < 0.85) this.#later(this.queue.resume());
  }

  /** Everything works again; resolves when all jobs are over. */
  async calm(): Promise<void> {
    this.#faults = 0;
    await world.passUntil(Promise.all(this.#background));
    await this.queue.resume();
    for (let minute = 0; minute < 30; minute += 1) {
      await world.clock.advance('1m');
      const { waiting, delayed, active } = await this.queue.counts();
      if (waiting + delayed + active === 0) return;
    }
  }

  #replace(victim: Process): void {
    this.#processes = this.#processes.filter((process) => process !== victim);
    this.spawn();
  }

  /** What fails while everything breaks is expected to. */
  #later(promise: Promise<unknown>): void {
    this.#background.push(promise.catch(() => undefined));
  }

  #faulty(): (...args: Parameters<Around>) => Promise<unknown> {
    return async (operation, _args, run) => {
      if (this.roll() < this.#faults) throw new StoreUnreachableError(operation);
      if (this.roll() < this.#faults) await world.clock.sleep(Math.floor(this.roll() * 3_000));
      const reply = await run();
      if (this.roll() < this.#faults) throw new StoreUnreachableError(operation);
      return reply;
    };
  }

  #watch(engine: OqronEngine): void {
    const note = (status: JobStatus) => (event: { id: string }) => {
      this.terminal.set(event.id, [...(this.terminal.get(event.id) ?? []), status]);
    };
    engine.on('job:success', note('completed'));
    engine.on('job:fail', note('failed'));
    engine.on('job:cancelled', note('cancelled'));
  }

  async #handle(ctx: JobContext<number>, alive: () => boolean): Promise<string> {
    const run = { ctx, alive };
    const others = this.#active.get(ctx.id) ?? new Set();
    this.#active.set(ctx.id, others);
    for (const other of others) {
      if (other.alive() && !other.ctx.aborted) {
        this.breaches.push(
          `${ctx.id}: fence ${ctx.fence} began while ${other.ctx.fence} was alive and not told to stop`,
        );
      }
    }
    others.add(run);
    this.runs.set(ctx.id, (this.runs.get(ctx.id) ?? 0) + 1);
    try {
      const roll = this.roll();
      ctx.progress(roll * 100);
      ctx.log.info('rolled', { roll });
      await world.clock.sleep(roll < 0.08 ? 60_000 : Math.floor(this.roll() * 4_000));
      if (roll > 0.85) throw new Error('unlucky');
      return `${ctx.id} by ${ctx.fence}`;
    } finally {
      others.delete(run);
    }
  }
}

/** For a longer hunt: `CHAOS_FROM=100 CHAOS_SEEDS=500`. */
const { CHAOS_FROM = 1, CHAOS_SEEDS = 8 } = process.env;
const SEEDS = Array.from({ length: Number(CHAOS_SEEDS) }, (_, n) => Number(CHAOS_FROM) + n);

describe('a fleet in which everything breaks', () => {
  const endings = new Set<string>();

  it.each(SEEDS)('loses no job, ends each once, and never runs one twice at a time (seed %d)', async (seed) => {
    const JOBS = 120;
    const chaos = new Chaos(seed);
    for (let n = 0; n < 3; n += 1) chaos.spawn();
    for (let tick = 0, n = 0; tick < 240; tick += 1) {
      if (n < JOBS && chaos.roll() < 0.7) chaos.add((n += 1));
      if (tick % 4 === 0) chaos.disturb();
      await world.clock.advance(500);
    }
    await chaos.calm();
    expect(chaos.breaches).toEqual([]);
    expect(chaos.acknowledged.size).toBeGreaterThan(JOBS * 0.9);
    const ended = new Map<string, string>();
    for (const id of chaos.acknowledged) {
      const job = await chaos.queue.getJob(id);
      if (!job) throw new Error(`${id} is gone`);
      ended.set(id, job.status);
      if (job.status === 'completed') {
        expect(job.returnValue).toBe(`${id} by ${job.fence}`);
        expect(chaos.runs.get(id)).toBeGreaterThanOrEqual(1);
      }
      expect(job.attemptMade).toBeLessThanOrEqual(3);
      expect(job.stalledCount).toBeLessThanOrEqual(4);
    }
    for (const status of ended.values()) endings.add(status);
    for (const [id, told] of chaos.terminal) {
      expect([id, told]).toEqual([id, [ended.get(id) ?? told[0]]]);
    }
    expect(chaos.terminal.size).toBeGreaterThan(JOBS * 0.7);
  });

  it('has seen jobs end in every way', () => {
    expect(endings).toEqual(new Set(['completed', 'failed', 'cancelled']));
  });
});

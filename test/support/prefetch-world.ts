import { expect } from '@jest/globals';
import type {
  ClaimRequest,
  EngineEvents,
  ExecutionOptions,
  JobContext,
  OqronConfig,
  OqronEngine,
  Queue,
  Signals,
} from 'oqronkit';
import { World } from './world.js';
import { wrapBackend, type Around } from './wrapped-backend.js';

/** Runs after which a process knows how long its handlers take. */
export const WARM = 50;

interface Begun {
  readonly n: number;
  readonly at: number;
  readonly by: string;
}

interface ProcessOptions extends ExecutionOptions<number> {
  readonly by?: string;
  /** What a job does besides being noted. */
  readonly work?: (ctx: JobContext<number>) => unknown;
  readonly around?: Around;
  readonly config?: OqronConfig;
  readonly signals?: Signals;
}

interface Process {
  readonly engine: OqronEngine;
  /** What it handed back, and when. */
  readonly released: (EngineEvents['job:released'] & { at: number })[];
}

const straight: Around = (_operation, _args, run) => run();

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** How many jobs a call of the store asks for, if it claims. */
export function countOf(operation: string, args: readonly unknown[]): number | undefined {
  if (operation === 'claim') return (args[0] as ClaimRequest[])[0]?.count;
  return operation === 'settle' ? (args[1] as { claim?: ClaimRequest }).claim?.count : undefined;
}

/** Processes that share the queue `q`, whose jobs are numbers. */
export class PrefetchWorld extends World {
  /** Everything that began, by whichever process. */
  begun: Begun[] = [];
  /** What was claimed: how many jobs each claim asked for. */
  asked: number[] = [];

  /** A process whose handlers take no time unless `work` does. */
  async processOf({
    by = 'first',
    work,
    around = straight,
    config = {},
    signals,
    ...options
  }: ProcessOptions = {}): Promise<Process> {
    const backend = wrapBackend(
      this.backend,
      (operation, args, run) => {
        const count = countOf(operation, args);
        if (count !== undefined) this.asked.push(count);
        return around(operation, args, run);
      },
      signals ? { signals } : {},
    );
    const engine = this.engine(config, { backend });
    const released: Process['released'] = [];
    engine.on('job:released', (event) => released.push({ ...event, at: this.clock.monotonic() }));
    const handler = async (ctx: JobContext<number>): Promise<unknown> => {
      this.begun.push({ n: ctx.data, at: this.clock.monotonic(), by });
      return work?.(ctx);
    };
    engine.worker<number>({ topic: 'q', concurrency: 1, ...(options.processBatch ? {} : { handler }), ...options });
    await engine.start();
    return { engine, released };
  }

  queueOf(): Queue<number> {
    return this.engine().producer<number>('q');
  }

  /** Adds jobs that are numbers from `from` on. */
  async add(count: number, from = 0): Promise<void> {
    const queue = this.queueOf();
    for (let n = from; n < from + count; n += 1) await queue.add(n, { jobId: `job-${n}` });
  }

  order(): number[] {
    return this.begun.map(({ n }) => n);
  }

  /**
   * A process at concurrency 1 that has run enough to claim ahead: one job runs, for `ms`, and the one behind it, which
   * takes `nextMs`, waits in the process.
   */
  async holding(ms: number, options: ProcessOptions = {}, nextMs = 0) {
    await this.add(WARM + 10);
    let slow = -1;
    const held = await this.processOf({
      work: async ({ data }) => {
        // The first job that is claimed with another behind it.
        if (slow < 0 && this.asked.at(-1) === 2 && data >= WARM) slow = data;
        if (slow >= 0 && data === slow) await this.hold(this.clock.sleep(ms));
        if (slow >= 0 && data === slow + 1 && nextMs > 0) await this.clock.sleep(nextMs);
      },
      ...options,
    });
    await this.clock.settle();
    const [running, waiting] = [`job-${slow}`, `job-${slow + 1}`];
    expect(this.order()).toEqual(upTo(slow + 1));
    expect(await this.queueOf().getJob(waiting)).toMatchObject({ status: 'active', attemptMade: 1 });
    expect(await this.queueOf().count('active')).toBe(2);
    expect(held.engine.health()).toMatchObject({ running: 1 });
    return { ...held, running, waiting, next: slow + 1 };
  }
}

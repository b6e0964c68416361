import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { queueModule, workerModule, type JobOptions, type ModuleOptions, type QueueOptions } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** Who says something about an option; the first of them wins. */
interface Said {
  job?: JobOptions;
  consumer?: Partial<QueueOptions>;
  producer?: Partial<QueueOptions>;
  module?: ModuleOptions;
  everybody?: Omit<JobOptions, 'jobId'>;
}

/**
 * A producer and a consumer in engines of their own. The job fails at every attempt that is not ended by a timeout;
 * answers the attempts' start times (ms) and timeouts.
 */
async function run({ job, consumer, producer, module, everybody }: Said) {
  const api = world.engine();
  const worker = world.engine({
    modules: [workerModule(module)],
    ...(everybody ? { defaultJobOptions: everybody } : {}),
  });
  const at: number[] = [];
  const timeouts: (number | undefined)[] = [];
  worker.worker({
    topic: 'q',
    handler: (ctx) => {
      at.push(world.clock.monotonic());
      timeouts.push(ctx.timeoutMs);
      expect(ctx.maxAttempts).toBeLessThan(10);
      throw new Error('x');
    },
    ...(consumer as object),
  });
  await worker.start();
  const queue = api.queue({ name: 'q', ...producer });
  const { id } = await queue.add(1, job);
  await world.clock.advance('30m');
  const record = await queue.getJob(id);
  const gaps = at.slice(1).map((time, i) => time - (at[i] as number));
  return { attempts: at.length, gaps, timeout: timeouts[0], record, queue };
}

const fixed = (max: number, seconds: number) =>
  ({ retries: { max, strategy: 'fixed', baseDelay: seconds * 1_000 } }) as const;
const backoff = (seconds: number) => ({ type: 'fixed', delay: seconds * 1_000 }) as const;

/** Everybody says something different; from the top, one after another falls silent. */
const LADDER: [string, (keyof Said)[], number][] = [
  ['the job', [], 1],
  ["the consumer's definition", ['job'], 2],
  ["the producer's definition", ['job', 'consumer'], 3],
  ['the module', ['job', 'consumer', 'producer'], 4],
  ['defaultJobOptions', ['job', 'consumer', 'producer', 'module'], 5],
];

function without(said: Said, silent: readonly (keyof Said)[]): Said {
  return Object.fromEntries(Object.entries(said).filter(([who]) => !silent.includes(who as keyof Said)));
}

describe('who decides', () => {
  const attempts: Said = {
    job: { attempts: 1, backoff: backoff(1) },
    consumer: fixed(1, 2),
    producer: fixed(2, 3),
    module: fixed(3, 4),
    everybody: { attempts: 5, backoff: backoff(5) },
  };
  const timeouts: Said = {
    job: { timeout: '1s' },
    consumer: { timeout: '2s' },
    producer: { timeout: '3s' },
    module: { timeout: '4s' },
    everybody: { timeout: '5s' },
  };

  it.each(LADDER)('about attempts: %s', async (_who, silent, n) => {
    const { attempts: ran, record } = await run(without(attempts, silent));
    expect(ran).toBe(n);
    expect(record).toMatchObject({ status: 'failed', attemptMade: n });
  });

  it.each(LADDER)('about the backoff: %s', async (_who, silent, n) => {
    const said = without(attempts, silent);
    const { gaps } = await run({ ...said, job: { ...said.job, attempts: 3 } });
    expect(gaps).toEqual([n * 1_000, n * 1_000]);
  });

  it.each(LADDER)('about the timeout: %s', async (_who, silent, n) => {
    const { timeout } = await run(without(timeouts, silent));
    expect(timeout).toBe(n * 1_000);
  });

  it('otherwise: 3 retries, exponential from 2 s, no timeout', async () => {
    const { attempts: ran, gaps, timeout } = await run({});
    expect(ran).toBe(4);
    expect(timeout).toBeUndefined();
    for (const [i, exact] of [2_000, 4_000, 8_000].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(exact * 0.8);
      expect(gaps[i]).toBeLessThanOrEqual(exact * 1.2);
    }
  });

  it('decides option by option: each takes what the one before leaves open', async () => {
    const {
      attempts: ran,
      gaps,
      timeout,
    } = await run({
      job: { attempts: 2 },
      consumer: { timeout: '7s' },
      producer: { retries: { strategy: 'fixed', baseDelay: '9s' }, timeout: '1s' },
    });
    expect([ran, gaps, timeout]).toEqual([2, [9_000], 7_000]);
  });

  it('the options of a module hold for its own definitions only', async () => {
    const engine = world.engine({
      modules: [queueModule({ retries: { max: 0 } }), workerModule({ retries: { max: 1 } })],
    });
    const runs: string[] = [];
    const handler = (name: string) => () => {
      runs.push(name);
      throw new Error('x');
    };
    const a = engine.queue({ name: 'a', handler: handler('queue') });
    engine.worker({ topic: 'b', handler: handler('worker') });
    await engine.start();
    await a.add(1);
    await engine.producer('b').add(1);
    await world.clock.advance('10m');
    expect(runs.sort()).toEqual(['queue', 'worker', 'worker']);
  });

  it('an unset option stays unset on the record', async () => {
    const { record } = await run({ consumer: fixed(0, 1) });
    expect(record?.opts).toEqual({});
    const { record: other } = await run({ job: { attempts: 1, timeout: '1m' } });
    expect(other?.opts).toEqual({ attempts: 1, timeout: 60_000 });
  });
});

describe('retention', () => {
  /** Which of ten jobs, finished one second apart, are kept of each state. */
  async function kept({ job, consumer, producer, module, everybody }: Said) {
    const engine = world.engine({ modules: [workerModule(module)], defaultJobOptions: everybody ?? {} });
    engine.worker<number>({
      topic: 'q',
      handler: ({ data }) => {
        if (data < 0) throw new Error('x');
      },
      retries: { max: 0 },
      ...(consumer as object),
    });
    await engine.start();
    const queue = world.engine().queue<number>({ name: 'q', ...(producer as object) });
    for (let n = 1; n <= 5; n += 1) {
      await queue.add(n, job);
      await queue.add(-n, job);
      await world.clock.advance('1s');
    }
    const { completed, failed } = await queue.counts();
    return [completed, failed];
  }

  const said: Said = {
    job: { removeOnComplete: 1, removeOnFail: 4 },
    consumer: { removeOnComplete: 2, removeOnFail: 3 },
    producer: { removeOnComplete: 3, removeOnFail: 2 },
    module: { removeOnComplete: 4, removeOnFail: 1 },
    everybody: { removeOnComplete: 0, removeOnFail: 0 },
  };

  it.each<[string, (keyof Said)[], number[]]>([
    ['the job', [], [1, 4]],
    ["the consumer's definition", ['job'], [2, 3]],
    ["the producer's definition", ['job', 'consumer'], [3, 2]],
    ['the module', ['job', 'consumer', 'producer'], [4, 1]],
    ['defaultJobOptions', ['job', 'consumer', 'producer', 'module'], [0, 0]],
    ['nobody: everything is kept for a while', ['job', 'consumer', 'producer', 'module', 'everybody'], [5, 5]],
  ])('is decided by %s', async (_who, silent, expected) => {
    expect(await kept(without(said, silent))).toEqual(expected);
  });

  it.each<[object, number[]]>([
    [{ keepHistory: 2, keepFailedHistory: 1 }, [2, 1]],
    [{ keepHistory: false, keepFailedHistory: false }, [0, 0]],
    [{ keepHistory: true, keepFailedHistory: true }, [5, 5]],
    [{ keepHistory: 2, removeOnComplete: 4 }, [4, 5]],
    [{ keepFailedHistory: 4, removeOnFail: true }, [5, 0]],
    [{ keepHistory: false, removeOnComplete: false }, [5, 5]],
  ])('keepHistory and keepFailedHistory are aliases, and the explicit option wins: %j', async (consumer, expected) => {
    expect(await kept({ consumer })).toEqual(expected);
  });

  it('goes by age too: what is older is gone at the next transition or sweep', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', handler: () => 1, removeOnComplete: { age: 60 } });
    await engine.start();
    const old = await queue.add(1);
    await world.clock.advance('59s');
    expect((await queue.getJob(old.id))?.status).toBe('completed');
    await world.clock.advance('10s');
    await queue.add(2);
    await world.clock.settle();
    expect(await queue.getJob(old.id)).toBeUndefined();
    await world.clock.advance('3m');
    expect(await queue.counts()).toMatchObject({ completed: 0 });
  });

  it('default: completed 24 h, failed 7 days', async () => {
    const engine = world.engine();
    const queue = engine.queue<boolean>({
      name: 'q',
      retries: { max: 0 },
      pollIntervalMs: '6h',
      handler: ({ data }) => {
        if (!data) throw new Error('x');
      },
    });
    await engine.start();
    await queue.add(true);
    await queue.add(false);
    await world.clock.settle();
    await engine.stop();
    const later = async () => {
      const now = world.clock.now();
      await world.backend.store.sweep({ limit: 1_000 }, { now });
      const { completed, failed } = await world.engine().producer('q').counts();
      return [completed, failed];
    };
    await world.clock.advance('23h');
    expect(await later()).toEqual([1, 1]);
    await world.clock.advance('2h');
    expect(await later()).toEqual([0, 1]);
    await world.clock.advance('6d');
    expect(await later()).toEqual([0, 0]);
  });
});

describe('other options of a job', () => {
  it('come from the definition and from defaultJobOptions where it names none', async () => {
    const engine = world.engine({ defaultJobOptions: { priority: 9, delay: '1m', tags: ['all'], correlationId: 'c' } });
    const plain = engine.queue({ name: 'plain' });
    const own = engine.queue({ name: 'own', priority: 3, tags: ['own', 'all'] });
    expect(await plain.add(1)).toMatchObject({ priority: 9, status: 'delayed', tags: ['all'], correlationId: 'c' });
    expect(await own.add(1)).toMatchObject({ priority: 3, status: 'delayed', tags: ['all', 'own'] });
    expect(await own.add(1, { priority: 0, delay: 0, tags: ['job'], correlationId: 'mine' })).toMatchObject({
      priority: 0,
      status: 'waiting',
      tags: ['all', 'own', 'job'],
      correlationId: 'mine',
    });
  });

  it('carry the tags of the configuration on every job', async () => {
    const engine = world.engine({ tags: ['eu'] });
    const { id, tags } = await engine.queue({ name: 'q' }).add(1, { tags: ['x'] });
    expect(tags).toEqual(['eu', 'x']);
    expect((await engine.producer('q').getJob(id))?.tags).toEqual(['eu', 'x']);
  });
});

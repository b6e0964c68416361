import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StrategyMismatchError, type QueueStrategy } from 'oqronkit';
import { seededRandom } from '../support/seeded-random.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** The order in which handlers see `jobs` that were all added before the engine started. */
async function orderOf(
  strategy: QueueStrategy | undefined,
  jobs: readonly { data: string; priority?: number; delay?: number }[],
): Promise<string[]> {
  const engine = world.engine();
  const seen: string[] = [];
  const queue = engine.queue<string>({
    name: 'q',
    concurrency: 1,
    ...(strategy ? { strategy } : {}),
    status: 'paused',
    handler: async ({ data }) => {
      seen.push(data);
      await world.clock.sleep(1);
    },
  });
  await engine.start();
  for (const { data, ...opts } of jobs) await queue.add('default', data, opts);
  await world.clock.advance('1m');
  await queue.resume();
  await world.clock.advance('1m');
  return seen;
}

describe('the order at concurrency 1', () => {
  const jobs = ['a', 'b', 'c', 'd', 'e'].map((data) => ({ data }));

  it('is first in, first out when nothing is said', async () => {
    expect(await orderOf(undefined, jobs)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('is last in, first out with lifo', async () => {
    expect(await orderOf('lifo', jobs)).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  it('is by priority, the smallest number first and the oldest first among equals; none given is 0', async () => {
    const seen = await orderOf('priority', [
      { data: 'last', priority: 2_097_152 },
      { data: 'b1', priority: 5 },
      { data: 'a1', priority: 1 },
      { data: 'b2', priority: 5 },
      { data: 'first', priority: 0 },
      { data: 'unset' },
      { data: 'a2', priority: 1 },
    ]);
    expect(seen).toEqual(['first', 'unset', 'a1', 'a2', 'b1', 'b2', 'last']);
  });

  it('ignores a priority on a fifo queue, and strands nothing', async () => {
    expect(await orderOf('fifo', [{ data: 'a', priority: 9 }, { data: 'b', priority: 1 }, { data: 'c' }])).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('puts a delayed job behind what waits when it is due, jobs due together in the order of their due times', async () => {
    const seen = await orderOf('fifo', [
      { data: 'late', delay: 9_000 },
      { data: 'now' },
      { data: 'early', delay: 1_000 },
      { data: 'early too', delay: 1_000 },
    ]);
    expect(seen).toEqual(['now', 'early', 'early too', 'late']);
  });

  it('is kept for adds that are not awaited one by one', async () => {
    const engine = world.engine();
    const seen: number[] = [];
    const queue = engine.queue<number>({ name: 'q', concurrency: 1, handler: ({ data }) => seen.push(data) });
    await engine.start();
    const adding: Promise<unknown>[] = [];
    for (let n = 0; n < 1_500; n += 1) {
      adding.push(queue.add(n));
      if (n % 700 === 0) await world.clock.settle();
    }
    await Promise.all(adding);
    await world.clock.settle();
    expect(seen).toEqual(Array.from({ length: 1_500 }, (_, n) => n));
  });
});

describe('the strategy of a queue', () => {
  it('is recorded in the store: another engine that says nothing follows it', async () => {
    const first = world.engine();
    first.queue({ name: 'q', strategy: 'lifo' });
    await first.start();
    const second = world.engine();
    const seen: number[] = [];
    const queue = second.queue<number>({ name: 'q', concurrency: 1, handler: ({ data }) => seen.push(data) });
    for (const n of [1, 2, 3]) await queue.add(n);
    await second.start();
    await world.clock.advance('10s');
    expect(seen).toEqual([3, 2, 1]);
  });

  it('holds for jobs that are added before the engine starts', async () => {
    const engine = world.engine();
    const seen: number[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      strategy: 'priority',
      concurrency: 1,
      handler: ({ data }) => seen.push(data),
    });
    for (const priority of [5, 1, 9, 3]) await queue.add(priority, { priority });
    await engine.start();
    await world.clock.settle();
    expect(seen).toEqual([1, 3, 5, 9]);
  });

  it('cannot be another for a producer either: its add fails and adds nothing', async () => {
    const first = world.engine();
    const queue = first.queue({ name: 'q', strategy: 'lifo' });
    await queue.add(1);
    const second = world.engine().queue({ name: 'q', strategy: 'fifo' });
    expect(await failureOf(second.add(2))).toBeInstanceOf(StrategyMismatchError);
    expect(await failureOf(second.addBulk([{ data: 3 }]))).toBeInstanceOf(StrategyMismatchError);
    expect(await queue.count()).toBe(1);
  });

  it('cannot be another in a second engine: the start fails, names both, rolls back, and can be repeated', async () => {
    const first = world.engine();
    first.queue({ name: 'q', strategy: 'priority' });
    await first.start();
    const second = world.engine();
    second.worker({ topic: 'other', handler: () => 1 });
    second.queue({ name: 'q', strategy: 'lifo', handler: () => 1 });
    const error = await failureOf(second.start());
    expect(error).toBeInstanceOf(StrategyMismatchError);
    expect(error.message).toMatch(/"q".*"priority".*"lifo"/);
    expect(second.health()).toMatchObject({ state: 'new', signals: false });
    second.queue({ name: 'q', strategy: 'priority', handler: () => 1 });
    await second.start();
    expect(second.health().state).toBe('started');
  });

  it('is reported, not thrown, when a definition made after the start asks for another', async () => {
    const engine = world.engine();
    engine.queue({ name: 'q', strategy: 'lifo' });
    await engine.start();
    const errors: unknown[] = [];
    engine.on('error', ({ error }) => errors.push(error));
    engine.worker({ topic: 'q', strategy: 'fifo', handler: () => 1 });
    await world.clock.settle();
    expect(errors).toEqual([expect.any(StrategyMismatchError)]);
    expect(engine.definitions().find(({ kind }) => kind === 'worker')).toMatchObject({
      active: false,
      reason: expect.stringMatching(/could not join: .*"lifo".*"fifo"/) as unknown,
    });
  });
});

describe('pause', () => {
  it('lives in the store: it reaches every process and survives restarts; running jobs finish', async () => {
    const engines = [world.engine(), world.engine()];
    const started: string[] = [];
    const finished: string[] = [];
    for (const [i, engine] of engines.entries()) {
      engine.worker<string>({
        topic: 'q',
        concurrency: 2,
        handler: async ({ data }) => {
          started.push(data);
          await world.clock.sleep('10s');
          finished.push(`${data} by ${i}`);
        },
      });
      await engine.start();
    }
    const queue = (engines[0] as (typeof engines)[0]).queue<string>({ name: 'q' });
    for (const data of ['a', 'b', 'c', 'd', 'e', 'f']) await queue.add(data);
    await world.clock.advance('1s');
    expect(started).toHaveLength(4);
    await queue.pause();
    expect(await queue.isPaused()).toBe(true);
    await world.clock.advance('1m');
    expect(finished).toHaveLength(4);
    expect(started).toHaveLength(4);
    expect(await queue.count('waiting')).toBe(2);
    await Promise.all(engines.map((engine) => engine.stop()));

    const restarted = world.engine();
    const later: string[] = [];
    const again = restarted.queue<string>({ name: 'q', status: 'active', handler: ({ data }) => later.push(data) });
    await restarted.start();
    await world.clock.advance('1m');
    expect(await again.isPaused()).toBe(true);
    expect(later).toEqual([]);
    await again.resume();
    await world.clock.advance('1s');
    expect(later).toEqual(['e', 'f']);
  });

  it('takes jobs all the same', async () => {
    const queue = world.engine().queue({ name: 'q' });
    await queue.pause();
    expect(await queue.add(1)).toMatchObject({ created: true, status: 'waiting' });
  });

  it('holds until resumed from the start with status "paused", but only for a queue that nobody declared', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue({ name: 'q', status: 'paused', handler: ({ data }) => seen.push(data) });
    await engine.start();
    await queue.add('x');
    await world.clock.advance('1m');
    expect(seen).toEqual([]);
    await queue.resume();
    await world.clock.settle();
    expect(seen).toEqual(['x']);
    const again = world.engine();
    again.queue({ name: 'q', status: 'paused' });
    await again.start();
    expect(await queue.isPaused()).toBe(false);
  });

  it('holds from the start what was added before the start, whatever else the definition says', async () => {
    const engine = world.engine();
    let runs = 0;
    const queue = engine.queue({ name: 'q', status: 'paused', strategy: 'priority', handler: () => (runs += 1) });
    await queue.add(1);
    await engine.start();
    await world.clock.advance('1m');
    expect(runs).toBe(0);
    expect(await queue.isPaused()).toBe(true);
  });

  it('tells an event only when something changed', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const told: string[] = [];
    engine.on('queue:paused', ({ queue: name }) => told.push(`paused ${name}`));
    engine.on('queue:resumed', ({ queue: name }) => told.push(`resumed ${name}`));
    await queue.resume();
    await queue.pause();
    await queue.pause();
    await queue.resume();
    await queue.resume();
    expect(told).toEqual(['paused q', 'resumed q']);
  });

  it('wakes a sleeping consumer of another engine when it ends, without waiting for a poll', async () => {
    const worker = world.engine();
    const at: number[] = [];
    worker.worker({ topic: 'q', pollIntervalMs: '1h', handler: () => at.push(world.clock.monotonic()) });
    await worker.start();
    const api = world.engine();
    const queue = api.queue({ name: 'q' });
    await queue.pause();
    await queue.add(1);
    await world.clock.advance('2s');
    await queue.resume();
    await world.clock.settle();
    expect(at).toEqual([2_000]);
  });
});

describe('concurrency', () => {
  it('is never exceeded, whatever the jobs do, and no slot is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        async (concurrency, count, seed) => {
          const inner = new World();
          const random = seededRandom(seed);
          const engine = inner.engine();
          let running = 0;
          let most = 0;
          let done = 0;
          let hang = false;
          const queue = engine.queue({
            name: 'q',
            concurrency,
            timeout: '2s',
            abortGraceMs: '1h',
            retries: { max: 1, strategy: 'fixed', baseDelay: 10 },
            handler: async () => {
              running += 1;
              most = Math.max(most, running);
              try {
                if (hang) await inner.clock.sleep('1h');
                const roll = random.next();
                if (roll < 0.8) await inner.clock.sleep(Math.floor(random.next() * 3_000));
                if (roll < 0.2) throw new Error('unlucky');
              } finally {
                running -= 1;
                done += 1;
              }
            },
          });
          await engine.start();
          await queue.addBulk(Array.from({ length: count }, (_, n) => ({ data: n })));
          await inner.clock.advance('5m');
          const { waiting, delayed, active, completed, failed } = await queue.counts();
          // Every slot can still be used: as many run at once as there may be.
          hang = true;
          await queue.addBulk(Array.from({ length: concurrency * 2 }, (_, n) => ({ data: n })));
          await inner.clock.advance('1m');
          const slots = running;
          await inner.end();
          expect(most).toBeLessThanOrEqual(concurrency);
          expect([waiting, delayed, active]).toEqual([0, 0, 0]);
          expect(completed + failed).toBe(count);
          expect(done).toBeGreaterThanOrEqual(count);
          expect(slots).toBe(concurrency);
        },
      ),
      { numRuns: 25 },
    );
  });

  it.each([
    ['queue', 5],
    ['worker', 1],
  ] as const)('of a %s is %d when nothing is said', async (kind, expected) => {
    const engine = world.engine();
    let running = 0;
    const handler = async (): Promise<void> => {
      running += 1;
      await world.clock.sleep('1h');
    };
    if (kind === 'queue') engine.queue({ name: 'q', handler });
    else engine.worker({ topic: 'q', handler });
    await engine.start();
    await engine.producer('q').addBulk(Array.from({ length: 20 }, (_, n) => ({ data: n })));
    await world.clock.advance('1s');
    expect(running).toBe(expected);
    expect(engine.health().running).toBe(expected);
  });

  it('counts per engine: two engines run twice as many', async () => {
    let running = 0;
    for (const engine of [world.engine(), world.engine()]) {
      engine.worker({
        topic: 'q',
        concurrency: 3,
        handler: async () => {
          running += 1;
          await world.clock.sleep('1h');
        },
      });
      await engine.start();
    }
    await world
      .engine()
      .producer('q')
      .addBulk(Array.from({ length: 20 }, (_, n) => ({ data: n })));
    await world.clock.advance('1s');
    expect(running).toBe(6);
  });
});

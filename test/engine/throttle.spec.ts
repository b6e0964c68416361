import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ExecutionOptions, OqronEngine } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A process that notes when (ms since the start) it began a job. */
async function consumer(options: ExecutionOptions, at: number[], ms = 0): Promise<OqronEngine> {
  const engine = world.engine();
  engine.worker({
    topic: 'q',
    concurrency: 100,
    handler: async () => {
      at.push(world.clock.monotonic());
      if (ms > 0) await world.clock.sleep(ms);
    },
    ...options,
  });
  await engine.start();
  return engine;
}

const jobs = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));

/** The most that began in any span of `ms`. */
function most(at: readonly number[], ms: number): number {
  return Math.max(0, ...at.map((from) => at.filter((time) => time >= from && time < from + ms).length));
}

describe('throttle', () => {
  it('is sliding: no span of its duration, wherever it begins, sees more than max', async () => {
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 10, duration: '10s' } }, at);
    const queue = engine.producer('q');
    // Half of it just before the end of a second, so that fixed windows would let twice as many through.
    await world.clock.advance('9900ms');
    await queue.addBulk(jobs(6));
    await world.clock.advance('200ms');
    await queue.addBulk(jobs(100));
    await world.clock.advance('5m');
    expect(at).toHaveLength(106);
    expect(most(at, 10_000)).toBe(10);
    // And it is used: not much more time than it must take.
    expect(at.at(-1)).toBeLessThanOrEqual(9_900 + 11 * 10_100);
  });

  it('is per process: two of them take twice as many', async () => {
    const first: number[] = [];
    const second: number[] = [];
    const throttle = { max: 5, duration: '10s' } as const;
    const engine = await consumer({ throttle }, first);
    await consumer({ throttle }, second);
    await engine.producer('q').addBulk(jobs(20));
    await world.clock.advance('9s');
    expect([first.length, second.length]).toEqual([5, 5]);
    await world.clock.advance('11s');
    expect(first.length + second.length).toBe(20);
  });

  it('counts attempts, also those of one job', async () => {
    const at: number[] = [];
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      throttle: { max: 2, duration: '1m' },
      retries: { max: 5, strategy: 'fixed', baseDelay: '1s' },
      handler: () => {
        at.push(world.clock.monotonic());
        throw new Error('x');
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('50s');
    expect(at).toEqual([0, 1_000]);
    await world.clock.advance('20s');
    expect(at.length).toBeGreaterThan(2);
  });

  it('does not cost a poll while it holds: the next claim comes when the next job may begin', async () => {
    const at: number[] = [];
    const engine = await consumer({ throttle: { max: 1, duration: '1h' } }, at);
    await engine.producer('q').addBulk(jobs(3));
    await world.clock.advance('3h');
    expect(at).toHaveLength(3);
    expect(most(at, 3_600_000)).toBe(1);
  });

  it('leaves new jobs to processes that may take them', async () => {
    const mine: number[] = [];
    const other: number[] = [];
    const engine = await consumer({ throttle: { max: 1, duration: '1h' } }, mine);
    await engine.producer('q').addBulk(jobs(1));
    await world.clock.settle();
    await consumer({}, other);
    await world.clock.advance('6s');
    await engine.producer('q').addBulk(jobs(1));
    await world.clock.settle();
    expect([mine.length, other.length]).toEqual([1, 1]);
  });
});

describe('maxActive', () => {
  it('holds in the whole cluster, whatever each process could take', async () => {
    let active = 0;
    let peak = 0;
    let done = 0;
    for (let n = 0; n < 3; n += 1) {
      const engine = world.engine();
      engine.worker({
        topic: 'q',
        concurrency: 10,
        maxActive: 4,
        handler: async () => {
          active += 1;
          peak = Math.max(peak, active);
          await world.clock.sleep('1s');
          active -= 1;
          done += 1;
        },
      });
      await engine.start();
    }
    await world.engine().producer('q').addBulk(jobs(40));
    await world.clock.advance('1m');
    expect(done).toBe(40);
    expect(peak).toBe(4);
  });
});

describe('rate', () => {
  it('holds in the whole cluster, in any span of its duration', async () => {
    const at: number[] = [];
    for (let n = 0; n < 3; n += 1) await consumer({ rate: { max: 10, duration: '10s' } }, at);
    const queue = world.engine().producer('q');
    await queue.addBulk(jobs(50));
    await world.clock.advance('2m');
    expect(at).toHaveLength(50);
    expect(most(at, 10_000)).toBeLessThanOrEqual(10);
    expect(at.at(-1)).toBeLessThanOrEqual(45_000);
  });
});

describe('a rest', () => {
  it('that another reply shortens or prolongs still ends', async () => {
    const at: number[] = [];
    const engine = await consumer({ rate: { max: 2, duration: '30s' }, concurrency: 50 }, at, 500);
    const queue = engine.producer('q');
    for (let n = 0; n < 8; n += 1) {
      await queue.add(n);
      await queue.add(n, { delay: n * 300 });
      await world.clock.advance('700ms');
    }
    await world.clock.advance('10m');
    expect(at).toHaveLength(16);
  });
});

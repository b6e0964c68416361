import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  NonRetryableError,
  ReleaseError,
  RetryLaterError,
  type EngineEvents,
  type JobContext,
  type OqronEngine,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const refuse = (): never => {
  throw new Error('trapped');
};
/** Throws on everything that one can do with it. */
const hostile = (): object => new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse });

type Handle = (ctx: JobContext) => unknown;

/** A started engine whose queue runs `handler` with three attempts a second apart. */
async function running(
  handler: Handle,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue; failures: EngineEvents['job:fail'][] }> {
  const engine = world.engine();
  const failures: EngineEvents['job:fail'][] = [];
  engine.on('job:fail', (event) => failures.push(event));
  const retries = { max: 2, strategy: 'fixed', baseDelay: '1s' } as const;
  const queue = engine.queue<unknown, unknown>({ name: 'q', retries, handler, ...options });
  await engine.start();
  return { engine, queue, failures };
}

describe('discard', () => {
  it('fails the job without another attempt when the handler then returns', async () => {
    const { queue, failures } = await running((ctx) => {
      ctx.discard('the order was cancelled');
      return 'ignored';
    });
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    const job = await queue.getJob(id);
    expect(job).toMatchObject({ status: 'failed', attemptMade: 1, error: { code: 'DISCARDED' } });
    expect(job?.error?.message).toContain('the order was cancelled');
    expect(job?.returnValue).toBeUndefined();
    expect(failures).toHaveLength(1);
  });

  it('fails the job with what the handler then throws', async () => {
    const { queue, failures } = await running((ctx) => {
      ctx.discard();
      throw new Error('broken file');
    });
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { message: 'broken file' },
    });
    expect(failures).toHaveLength(1);
  });

  it('wins over an error that asks for another attempt', async () => {
    const { queue } = await running((ctx) => {
      ctx.discard('enough');
      throw new ReleaseError(0);
    });
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 1 });
  });
});

describe('errors that say what to do', () => {
  it('NonRetryableError fails at once, whatever attempts are left', async () => {
    const { queue } = await running(() => {
      throw new NonRetryableError('the file is empty', { cause: new Error('0 bytes') });
    });
    const { id } = await queue.add(1, { attempts: 100 });
    await world.clock.advance('1m');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { name: 'NonRetryableError', code: 'NON_RETRYABLE', message: 'the file is empty' },
    });
  });

  it('RetryLaterError(delay) sets the delay and consumes an attempt', async () => {
    const at: number[] = [];
    const { queue } = await running(() => {
      at.push(world.clock.monotonic());
      throw new RetryLaterError(90_000, 'throttled');
    });
    const { id } = await queue.add(1);
    await world.clock.advance('10m');
    expect(at).toEqual([0, 90_000, 180_000]);
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 3, error: { code: 'RETRY_LATER' } });
  });

  it.each([Number.NaN, -1, Infinity])('RetryLaterError(%p) falls back to the ordinary backoff', async (delay) => {
    const at: number[] = [];
    const { queue } = await running(() => {
      at.push(world.clock.monotonic());
      throw new RetryLaterError(delay);
    });
    await queue.add(1);
    await world.clock.advance('1m');
    expect(at).toEqual([0, 1_000, 2_000]);
  });

  it('ReleaseError(delay) does not consume an attempt, however often it hands the job back', async () => {
    const at: [number, number][] = [];
    const { engine, queue, failures } = await running((ctx) => {
      at.push([world.clock.monotonic(), ctx.attempt]);
      if (at.length < 6) throw new ReleaseError(5_000);
      return 'done';
    });
    const released: EngineEvents['job:released'][] = [];
    engine.on('job:released', (event) => released.push(event));
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(at).toEqual([0, 1, 2, 3, 4, 5].map((n) => [n * 5_000, 1]));
    expect(released).toHaveLength(5);
    expect(released[0]).toMatchObject({ id, reason: 'released', delayMs: 5_000 });
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 1, error: undefined });
    expect(failures).toEqual([]);
    expect(world.log.matching('warn', /attempt/)).toEqual([]);
  });
});

describe('whatever a handler throws', () => {
  it.each<[string, () => unknown, string]>([
    ['undefined', () => undefined, 'a handler threw undefined'],
    ['null', () => null, 'a handler threw null'],
    ['text', () => 'boom', 'a handler threw string: boom'],
    ['an object without a prototype', () => Object.create(null) as unknown, 'a handler threw object: {}'],
    ['a symbol', () => Symbol('s'), 'a handler threw symbol: Symbol(s)'],
    ['a function', () => parseInt, 'a handler threw function: function parseInt() { [native code] }'],
    ['a proxy that refuses everything', hostile, 'a handler threw a value of type object'],
  ])(
    'a non-`Error` throw gives a useful message, and is retried like any failure: %s',
    async (_title, thrown, message) => {
      const hooks: unknown[] = [];
      const asyncToo = [true, false];
      for (const later of asyncToo) {
        const handler: Handle = later
          ? async () => {
              await world.clock.sleep(1);
              throw thrown();
            }
          : () => {
              throw thrown();
            };
        const { engine, queue, failures } = await running(handler, {
          name: later ? 'later' : 'at-once',
          hooks: { onFail: (job, error) => hooks.push([job.status, error instanceof Error, error.message]) },
        });
        const { id } = await queue.add(1);
        await world.clock.advance('10s');
        expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 3, error: { message } });
        expect(failures).toHaveLength(1);
        expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
        const { id: next } = await queue.add(2, { attempts: 1 });
        await world.clock.advance('1s');
        expect((await queue.getJob(next))?.status).toBe('failed');
      }
      expect(hooks).toEqual(Array.from({ length: 4 }, () => ['failed', true, message]));
    },
  );

  it('the attempts that ran are counted, and the last error stays', async () => {
    const { queue } = await running((ctx) => {
      throw new Error(`attempt ${ctx.attempt} of ${ctx.maxAttempts}`);
    });
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      attemptMade: 3,
      error: { message: 'attempt 3 of 3' },
    });
  });

  it.each([0, 1])('attempts: %d means no retry', async (attempts) => {
    let runs = 0;
    const { queue } = await running(() => {
      runs += 1;
      throw new Error('x');
    });
    await queue.add(1, { attempts });
    await world.clock.advance('1m');
    expect(runs).toBe(1);
  });

  it('a job never stays active because of a backoff function that throws or returns nonsense', async () => {
    const bad: (() => unknown)[] = [
      refuse,
      () => Number.NaN,
      () => 'x',
      () => hostile(),
      () => {
        throw hostile();
      },
    ];
    let n = 0;
    const backoffFn = (): number => (bad[n++ % bad.length] as () => number)();
    const { queue } = await running(
      () => {
        throw new Error('x');
      },
      { retries: { max: bad.length, strategy: 'custom', baseDelay: '1s', maxDelay: '2s', backoffFn } },
    );
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: bad.length + 1 });
    expect(world.log.matching('warn', /backoffFn is of no use/)).toHaveLength(bad.length);
  });
});

describe('whatever a handler returns', () => {
  it.each<[string, () => unknown, unknown]>([
    ['a thenable of another kind', () => ({ then: (ok: (v: string) => void) => ok('foreign') }), 'foreign'],
    ['a promise of a promise', () => Promise.resolve(Promise.resolve('deep')), 'deep'],
    [
      'a thenable that answers twice and then throws',
      () => ({
        then(ok: (v: string) => void, fail: (e: Error) => void) {
          ok('first');
          fail(new Error('second'));
          throw new Error('third');
        },
      }),
      'first',
    ],
    ['an object whose then is no function', () => ({ then: 5 }), { then: 5 }],
  ])('completes with %s', async (_title, value, result) => {
    const { queue } = await running(value);
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: result });
  });

  it.each<[string, () => unknown]>([
    ['a thenable that throws', () => ({ then: refuse })],
    [
      'a thenable that rejects',
      () => ({ then: (_ok: unknown, fail: (e: Error) => void) => fail(new Error('trapped')) }),
    ],
    [
      'an object whose then cannot be read',
      () => ({
        get then() {
          return refuse();
        },
      }),
    ],
    ['a proxy that refuses everything', hostile],
  ])('counts as thrown: %s', async (_title, value) => {
    const { queue } = await running(value);
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 3, error: { message: 'trapped' } });
  });

  it.each<[string, () => unknown, string]>([
    ['a function', () => () => 1, 'INVALID_PAYLOAD'],
    ['a BigInt', () => ({ n: 1n }), 'INVALID_PAYLOAD'],
    ['a Map', () => new Map(), 'INVALID_PAYLOAD'],
    [
      'a cycle',
      () => {
        const loop: { self?: unknown } = {};
        loop.self = loop;
        return loop;
      },
      'INVALID_PAYLOAD',
    ],
    ['more than 64 KiB', () => 'x'.repeat(65_536), 'PAYLOAD_TOO_LARGE'],
    ['more than 64 KiB in UTF-8', () => '漢'.repeat(22_000), 'PAYLOAD_TOO_LARGE'],
  ])('fails the job at once when the result cannot be kept: %s', async (_title, value, code) => {
    let runs = 0;
    const { queue } = await running(() => {
      runs += 1;
      return value();
    });
    const { id } = await queue.add(1);
    await world.clock.advance('1m');
    expect(runs).toBe(1);
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 1, error: { code } });
  });

  it('keeps a result of just 64 KiB', async () => {
    const { queue } = await running(() => 'x'.repeat(65_534));
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toHaveLength(65_534);
  });

  it('does not fail the job for a stored payload that a codec refuses to read, but fails it with a reason', async () => {
    const codec = { encode: (value: unknown) => JSON.stringify(value), decode: refuse };
    const { queue } = await running(() => 'never', { codec });
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    const failed = await world.engine().producer('q').getJob(id);
    expect(failed).toMatchObject({ status: 'failed', attemptMade: 1, error: { code: 'INVALID_PAYLOAD' } });
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  NonRetryableError,
  OqronEngine,
  ReleaseError,
  type Clock,
  type EngineEvents,
  type EngineParts,
  type JobContext,
  type QueueOptions,
} from 'oqronkit';
import { until } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A started engine with the queue `q`; tells what was released, and when (ms since the start). */
async function running(options: Partial<QueueOptions>, parts: EngineParts = {}) {
  const engine = world.engine({}, parts);
  const ran: [number, unknown][] = [];
  const released: [number, string, string, number][] = [];
  engine.on('job:released', ({ id, reason, delayMs }) => released.push([world.clock.monotonic(), id, reason, delayMs]));
  const failures: EngineEvents['job:fail'][] = [];
  engine.on('job:fail', (event) => failures.push(event));
  const queue = engine.queue({
    name: 'q',
    retries: { max: 2, strategy: 'fixed', baseDelay: '1s' },
    handler: (ctx) => {
      ran.push([world.clock.monotonic(), ctx.data]);
      return 'done';
    },
    ...options,
  });
  await engine.start();
  return { engine, queue, ran, released, failures };
}

describe('execution order', () => {
  it('is claim, rateLimiter, beforeRun, condition, validate payload, handler with timeout, settle, hooks and events', async () => {
    const course: string[] = [];
    const say = (what: string) => course.push(what);
    const { engine, queue } = await running({
      timeout: '5s',
      rateLimiter: {
        check: async (ctx) => {
          await world.clock.sleep('10s');
          say(`rateLimiter ${String(ctx.data)}`);
          return true;
        },
      },
      hooks: {
        beforeRun: async () => {
          await world.clock.sleep('10s');
          say('beforeRun');
        },
        onSuccess: () => say('onSuccess'),
        afterRun: () => say('afterRun'),
      },
      condition: async () => {
        await world.clock.sleep('10s');
        say('condition');
        return true;
      },
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => {
            say('validate');
            return { value };
          },
        },
      },
      handler: async (ctx: JobContext) => {
        say(`handler, ${ctx.remainingMs} ms left, ran for ${ctx.duration}`);
        await world.clock.sleep('3s');
        return 'done';
      },
    });
    engine.on('job:start', () => say('job:start'));
    engine.on('job:success', ({ durationMs }) => say(`job:success after ${durationMs}`));
    course.length = 0;
    const { id } = await queue.add('data');
    course.length = 0;
    await world.clock.advance('5m');
    expect(course).toEqual([
      'rateLimiter data',
      'beforeRun',
      'condition',
      'validate',
      'job:start',
      'handler, 5000 ms left, ran for 0',
      'job:success after 3000',
      'onSuccess',
      'afterRun',
    ]);
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('stops at the first gate that says no', async () => {
    const asked: string[] = [];
    const { queue } = await running({
      rateLimiter: { check: () => asked.push('rateLimiter') > 1 },
      hooks: { beforeRun: () => asked.push('beforeRun') },
      condition: () => asked.push('condition') > 4,
    });
    await queue.add(1);
    await world.clock.settle();
    expect(asked).toEqual(['rateLimiter']);
    await world.clock.advance('1s');
    expect(asked).toEqual(['rateLimiter', 'rateLimiter', 'beforeRun', 'condition']);
  });
});

describe('rateLimiter', () => {
  it('denies: the job is released, attempt refunded, for 1 s or its retryAfterMs', async () => {
    let asked = 0;
    const answers = [false, { allowed: false }, { allowed: false, retryAfterMs: 7_500 }, { allowed: true }];
    const { queue, ran, released } = await running({ rateLimiter: { check: () => answers[asked++] ?? true } });
    const { id } = await queue.add('x');
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'delayed', attemptMade: 0 });
    await world.clock.advance('1m');
    expect(released).toEqual([
      [0, id, 'rate-limit', 1_000],
      [1_000, id, 'rate-limit', 1_000],
      [2_000, id, 'rate-limit', 7_500],
    ]);
    expect(ran).toEqual([[9_500, 'x']]);
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 1 });
  });

  it('is asked on its object, sync or async, with the context of the job', async () => {
    class Limiter {
      readonly seen: unknown[] = [];
      async check(ctx: JobContext): Promise<boolean> {
        this.seen.push([ctx.data, ctx.attempt, ctx.queueName]);
        return Promise.resolve(true);
      }
    }
    const limiter = new Limiter();
    const { queue, ran } = await running({ rateLimiter: limiter });
    await queue.add('x');
    await world.clock.settle();
    expect(limiter.seen).toEqual([['x', 1, 'q']]);
    expect(ran).toHaveLength(1);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no redis');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no redis'))],
    ['answers nothing', () => undefined],
    ['answers nonsense', () => ({ ok: false })],
  ])('a limiter that %s counts as allowed, and is logged', async (_title, check) => {
    const { queue, ran } = await running({ rateLimiter: { check: check as () => boolean } });
    await queue.add('x');
    await world.clock.settle();
    expect(ran).toEqual([[0, 'x']]);
    expect(world.log.matching('error', /rateLimiter is of no use, the job counts as allowed/)).toHaveLength(1);
  });

  it('that hangs counts as allowed after 30 s, with the lease kept', async () => {
    const { queue, ran, engine } = await running({
      lockTtlMs: '10s',
      heartbeatMs: '2s',
      rateLimiter: { check: () => world.never() },
    });
    const lost: unknown[] = [];
    engine.on('worker:lost-lease', (event) => lost.push(event));
    await queue.add('x');
    await world.clock.advance('1m');
    expect(ran).toEqual([[30_000, 'x']]);
    expect(lost).toEqual([]);
    expect(world.log.matching('error', /rateLimiter did not answer within 30000 ms/)).toHaveLength(1);
  });

  it.each([Number.NaN, -5, 0, Infinity])('with a retryAfterMs of %p waits 1 s', async (retryAfterMs) => {
    let asked = 0;
    const { queue, released } = await running({
      rateLimiter: { check: () => (asked++ === 0 ? { allowed: false, retryAfterMs } : true) },
    });
    await queue.add(1);
    await world.clock.advance('10s');
    expect(released).toMatchObject([[0, expect.any(String), 'rate-limit', 1_000]]);
  });
});

describe('condition', () => {
  it('false: the job is released, attempt refunded, for 2 s', async () => {
    const { queue, ran, released } = await running({
      condition: () => world.clock.monotonic() >= 5_000,
    });
    const { id } = await queue.add('x');
    await world.clock.advance('1m');
    expect(released.map(([at, , reason, delayMs]) => [at, reason, delayMs])).toEqual([
      [0, 'condition', 2_000],
      [2_000, 'condition', 2_000],
      [4_000, 'condition', 2_000],
    ]);
    expect(ran).toEqual([[6_000, 'x']]);
    expect((await queue.getJob(id))?.attemptMade).toBe(1);
  });

  it('a condition that throws counts as allowed, and is logged', async () => {
    const { queue, ran } = await running({
      condition: () => {
        throw new Error('x');
      },
    });
    await queue.add('x');
    await world.clock.settle();
    expect(ran).toHaveLength(1);
    expect(world.log.matching('error', /condition is of no use/)).toHaveLength(1);
  });
});

describe('after a fully denied batch', () => {
  it('the process leaves the queue alone for retryAfterMs, whatever is added meanwhile', async () => {
    const asked: [number, unknown][] = [];
    const { queue, ran } = await running({
      concurrency: 10,
      rateLimiter: {
        check: (ctx) => {
          asked.push([world.clock.monotonic(), ctx.data]);
          return world.clock.monotonic() >= 4_000 ? true : { allowed: false, retryAfterMs: 4_000 };
        },
      },
    });
    await queue.addBulk([1, 2, 3].map((data) => ({ data })));
    await world.clock.advance('1s');
    await queue.add(4);
    await world.clock.advance('2s');
    expect(asked).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    await world.clock.advance('10s');
    expect(ran.map(([, data]) => data).sort()).toEqual([1, 2, 3, 4]);
    expect(Math.min(...ran.map(([at]) => at))).toBe(4_000);
  });

  it('that is the shortest of what its jobs were told', async () => {
    const asked: number[] = [];
    const wait = [9_000, 3_000, 6_000];
    const { queue } = await running({
      concurrency: 10,
      rateLimiter: {
        check: () => {
          asked.push(world.clock.monotonic());
          return { allowed: false, retryAfterMs: wait[asked.length - 1] ?? 60_000 };
        },
      },
    });
    await queue.addBulk([1, 2, 3].map((data) => ({ data })));
    await world.clock.advance('2900ms');
    expect(asked).toEqual([0, 0, 0]);
    await world.clock.advance('200ms');
    expect(asked).toEqual([0, 0, 0, 3_000]);
  });

  it('not when one of them was allowed: the others may be of other kinds', async () => {
    const { queue, ran } = await running({
      concurrency: 2,
      rateLimiter: { check: (ctx) => (ctx.data === 'slow' ? { allowed: false, retryAfterMs: 60_000 } : true) },
    });
    await queue.addBulk(['slow', 'a', 'b', 'c'].map((data) => ({ data })));
    await world.clock.settle();
    expect(ran).toEqual([
      [0, 'a'],
      [0, 'b'],
      [0, 'c'],
    ]);
  });

  it('wake-ups are passed on to other processes', async () => {
    const { signals } = world.backend;
    const passedOn: string[] = [];
    const backend = wrapBackend(world.backend, (_operation, _args, run) => run(), {
      signals: {
        listen: (...args) => signals.listen(...args),
        send: (...args) => signals.send(...args),
        broadcast: (...args) => signals.broadcast(...args),
        passOn: (queue, from, opts) => {
          passedOn.push(queue);
          return signals.passOn(queue, from, opts);
        },
      },
    });
    const rateLimiter = {
      check: () => {
        passedOn.length = 0;
        return { allowed: false, retryAfterMs: 60_000 };
      },
    };
    const { queue } = await running({ rateLimiter }, { backend });
    await queue.add('denied');
    // It is due in a minute: that wakes somebody, who has to be another process.
    await world.clock.advance('1s');
    expect(passedOn).toEqual(['q']);
  });
});

describe('beforeRun', () => {
  it('a throw counts as the attempt’s failure, and the handler is not called', async () => {
    let calls = 0;
    const { queue, ran, failures } = await running({
      hooks: {
        beforeRun: (ctx) => {
          calls += 1;
          throw new Error(`not ready in attempt ${ctx.attempt}`);
        },
      },
    });
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    expect(calls).toBe(3);
    expect(ran).toEqual([]);
    expect(await queue.getJob(id)).toMatchObject({
      status: 'failed',
      attemptMade: 3,
      error: { message: 'not ready in attempt 3' },
    });
    expect(failures).toHaveLength(1);
  });

  it('may say what to do, as a handler may', async () => {
    const { queue, ran, released } = await running({
      hooks: {
        beforeRun: (ctx) => {
          if (ctx.data === 'never') throw new NonRetryableError('never');
          if (ctx.data === 'later' && world.clock.monotonic() === 0) throw new ReleaseError('3s');
          if (ctx.data === 'no') ctx.discard('not wanted');
        },
      },
    });
    const never = await queue.add('never');
    await queue.add('later');
    const no = await queue.add('no');
    await world.clock.advance('10s');
    expect(await queue.getJob(never.id)).toMatchObject({ status: 'failed', attemptMade: 1 });
    expect(await queue.getJob(no.id)).toMatchObject({ status: 'failed', error: { code: 'DISCARDED' } });
    expect(released).toMatchObject([[0, expect.any(String), 'released', 3_000]]);
    expect(ran).toEqual([[3_000, 'later']]);
  });

  it('that hangs fails the attempt after 30 s, and frees its slot', async () => {
    const { queue } = await running({
      concurrency: 1,
      hooks: { beforeRun: (ctx) => (ctx.data === 'hang' ? world.never() : undefined) },
    });
    const { id } = await queue.add('default', 'hang', { attempts: 1 });
    const next = await queue.add('fine');
    await world.clock.advance('29s');
    expect((await queue.getJob(next.id))?.status).toBe('waiting');
    await world.clock.advance('2s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', error: { code: 'GATE_TIMEOUT' } });
    expect((await queue.getJob(next.id))?.status).toBe('completed');
  });
});

describe('while a job waits at a gate', () => {
  it('cancel ends it, and its handler is not called', async () => {
    const { queue, ran, engine } = await running({
      hooks: { beforeRun: () => world.clock.sleep('10s') },
      concurrency: 1,
    });
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    expect(await (await queue.getJob(id))?.cancel('no more')).toBe('cancelled');
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    expect((await queue.getJob(id))?.status).toBe('cancelled');
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
    await queue.add(2);
    await world.clock.advance('11s');
    expect(ran).toHaveLength(1);
  });

  it('a process that ends calls no more handlers, and hands the job back', async () => {
    const { queue, ran, engine } = await running({ hooks: { beforeRun: () => world.clock.sleep('10s') } });
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    await world.passUntil(engine.stop());
    expect(ran).toEqual([]);
    const job = await world.engine().producer('q').getJob(id);
    expect(job).toMatchObject({ status: 'waiting', attemptMade: 0 });
  });

  it.each(['single jobs', 'batches'])(
    'nothing is called on a lease that ran out while its process stood still (%s)',
    async (kind) => {
      const { clock } = world;
      let stoodStill = 0;
      const own: Clock = {
        now: () => clock.now(),
        monotonic: () => clock.monotonic() + stoodStill,
        timer: (ms, run) => clock.timer(ms, run),
        immediate: (run) => clock.immediate(run),
        watch: (run) => clock.watch(run),
      };
      const called: string[] = [];
      const handler: Partial<QueueOptions> =
        kind === 'batches'
          ? {
              handler: undefined,
              batchSize: 2,
              processBatch: (ctxs) => (called.push('handler'), ctxs.map(() => ({ status: 'fulfilled', value: 1 }))),
            }
          : { handler: () => called.push('handler') };
      const { queue, engine } = await running(
        {
          ...handler,
          lockTtlMs: '30s',
          hooks: { beforeRun: () => void called.push('beforeRun') },
          // The loop goes on after a minute, and this answer comes before any timer.
          rateLimiter: {
            check: () => {
              stoodStill += stoodStill === 0 ? 60_000 : 0;
              return true;
            },
          },
        },
        { clock: own },
      );
      const lost: string[] = [];
      engine.on('worker:lost-lease', ({ id }) => lost.push(id));
      const { id } = await queue.add(1);
      await clock.advance('1s');
      expect(called).toEqual([]);
      expect(lost).toEqual([id]);
      expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
      // Somebody takes it back, and it runs.
      await clock.advance('1m');
      expect(called).toEqual(['beforeRun', 'handler']);
    },
  );
});

describe('on the real clock', () => {
  it('gates run as well', async () => {
    const engine = new OqronEngine({ logger: false });
    const ran: unknown[] = [];
    const queue = engine.queue({
      name: 'q',
      rateLimiter: { check: () => true },
      condition: async () => Promise.resolve(true),
      handler: (ctx) => ran.push(ctx.data),
    });
    await engine.start();
    await queue.add(1);
    await until('the job', () => ran.length === 1);
    await engine.stop();
    expect(ran).toEqual([1]);
  });
});

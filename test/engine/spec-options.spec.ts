import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidOptionsError,
  type JobContext,
  type OqronEngine,
  type Queue,
  type QueueOptions,
  type Signals,
} from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const fail = (): never => {
  throw new Error('broken');
};
const items = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));

/** A started engine with one queue. */
async function running(
  handler: (ctx: JobContext) => unknown,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue }> {
  const engine = world.engine();
  const queue = engine.queue<unknown, unknown>({ name: 'q', handler, ...options });
  await engine.start();
  return { engine, queue };
}

/** Times (ms) of the store's calls of this kind. */
function timed(operation: string, at: number[], parts: { signals?: Signals } = {}) {
  return wrapBackend(
    world.backend,
    (called, _args, run) => {
      if (called === operation) at.push(world.clock.monotonic());
      return run();
    },
    parts,
  );
}

/** A bus on which nothing arrives. */
const SILENT: Signals = {
  listen: () => Promise.resolve(() => Promise.resolve()),
  send: () => Promise.resolve(),
  broadcast: () => Promise.resolve(),
  passOn: () => Promise.resolve(),
};

const gaps = (at: readonly number[]): number[] => at.slice(1).map((time, i) => time - (at[i] as number));

describe('with `handler` or `processBatch` it consumes, without it only publishes', () => {
  it.each<[string, Partial<QueueOptions>]>([
    ['handler', { handler: () => 1 }],
    ['processBatch', { processBatch: () => undefined }],
  ])('%s: it consumes', async (_title, options) => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', ...options });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(await queue.counts()).toMatchObject({ completed: 1, waiting: 0 });
  });

  it('without it only publishes (no polling, no CPU)', async () => {
    const perMinute = async (queues: number): Promise<[string[], number]> => {
      const calls: string[] = [];
      const backend = wrapBackend(world.backend, (operation, _args, run) => {
        calls.push(operation);
        return run();
      });
      const engine = world.engine({}, { backend });
      for (let n = 0; n < queues; n += 1) await engine.queue({ name: `q${n}` }).add(1);
      await engine.start();
      await world.clock.settle();
      calls.length = 0;
      const timers = world.clock.pendingTimers;
      await world.clock.advance('10m');
      await engine.stop();
      return [calls.filter((operation) => operation !== 'sweep'), timers];
    };
    const [none, timersOfNone] = await perMinute(0);
    const [many, timersOfMany] = await perMinute(50);
    expect([none, many]).toEqual([[], []]);
    expect(timersOfMany).toBe(timersOfNone);
  });
});

describe('| option | default |', () => {
  it('name | required', () => {
    expect(() => world.engine().queue({} as never)).toThrow(InvalidOptionsError);
    expect(() => world.engine().queue({ handler: () => 1 } as never)).toThrow(/name/);
  });

  it('concurrency (per process) | 5', async () => {
    const engines = [world.engine(), world.engine()];
    for (const engine of engines) {
      engine.queue({ name: 'q', handler: () => world.never() });
      await engine.start();
    }
    await world.engine().producer('q').addBulk(items(50));
    await world.clock.advance('5s');
    expect(engines.map((engine) => engine.health().running)).toEqual([5, 5]);
  });

  it('maxActive (whole cluster) | none; rate (whole cluster) | none; throttle (per process) | none', async () => {
    const most: number[] = [];
    for (const options of [{}, { maxActive: 3 }, { rate: { max: 4, duration: '1h' } }]) {
      const inner = new World();
      let active = 0;
      for (const engine of [inner.engine(), inner.engine()]) {
        const handler = () => ((active += 1), inner.never());
        engine.worker({ topic: 'q', concurrency: 50, handler, ...(options as object) });
        await engine.start();
      }
      await inner.engine().producer('q').addBulk(items(100));
      await inner.clock.advance('5s');
      most.push(active);
      await inner.end();
    }
    expect(most).toEqual([100, 3, 4]);
  });

  it('throttle `{ max, duration }` (per process, sliding)', async () => {
    const begun = [0, 0];
    for (const [i, engine] of [world.engine(), world.engine()].entries()) {
      const handler = () => void (begun[i] = (begun[i] ?? 0) + 1);
      engine.worker({ topic: 'q', concurrency: 50, throttle: { max: 4, duration: '1h' }, handler });
      await engine.start();
    }
    await world.engine().producer('q').addBulk(items(100));
    await world.clock.advance('59m');
    expect(begun).toEqual([4, 4]);
  });

  it('strategy | fifo', async () => {
    const ran: unknown[] = [];
    const { queue } = await running(({ data }) => ran.push(data), { concurrency: 1 });
    await queue.addBulk(items(5));
    await world.clock.settle();
    expect(ran).toEqual([0, 1, 2, 3, 4]);
  });

  it('guaranteedWorker | true', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const { id } = await queue.add(1);
    const backend = wrapBackend(world.backend, (_operation, _args, run) => (dead ? world.never() : run()));
    let dead = false;
    const victim = world.engine({}, { backend });
    victim.worker({ topic: 'q', handler: () => world.never() });
    await victim.start();
    await world.clock.settle();
    dead = true;
    const { engine } = await running(() => 'again');
    await world.clock.advance('1m');
    expect(await engine.producer('q').getJob(id)).toMatchObject({ status: 'completed', stalledCount: 1 });
  });

  it('heartbeatMs / lockTtlMs | 5 000 / 30 000', async () => {
    const at: number[] = [];
    const engine = world.engine({}, { backend: timed('extend', at) });
    const queue = engine.queue({ name: 'q', handler: () => world.never() });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('31s');
    expect(at.length).toBeGreaterThanOrEqual(5);
    expect(Math.max(...gaps([0, ...at]))).toBeLessThanOrEqual(5_000);
    expect(Math.min(...gaps([0, ...at]))).toBeGreaterThan(2_500);
    // The lease: nobody else may have it before 30 s without a renewal, and everybody may then.
    const owner = new FakeOwner('other', world.backend.store);
    const single = world.engine();
    let alive = true;
    const dying = world.engine(
      {},
      { backend: wrapBackend(world.backend, (_operation, _args, run) => (alive ? run() : world.never())) },
    );
    dying.worker({ topic: 'lease', handler: () => world.never() });
    await dying.start();
    await single.producer('lease').add(1);
    await world.clock.settle();
    alive = false;
    await world.clock.advance(29_999);
    expect((await owner.claim('lease')).jobs).toEqual([]);
    await world.clock.advance(1);
    expect((await owner.claim('lease')).jobs).toHaveLength(1);
  });

  it('`lockTtlMs` below 3 x `heartbeatMs` = a warning at start; below `heartbeatMs` = an error', () => {
    const engine = world.engine();
    const define = (heartbeatMs: number, lockTtlMs: number) =>
      engine.queue({ name: `q${lockTtlMs}`, heartbeatMs, lockTtlMs, handler: () => 1 });
    const warnings = () => world.log.matching('warn', /is below 3 x heartbeatMs/).length;
    define(1_000, 3_000);
    expect(warnings()).toBe(0);
    define(1_000, 2_999);
    expect(warnings()).toBe(1);
    expect(() => define(1_000, 999)).toThrow(/lockTtlMs 999 is below heartbeatMs 1000/);
  });

  it('pollIntervalMs (floor) | 1 000, adaptive to 10 000', async () => {
    const poll = async (signals: Signals, options: Partial<QueueOptions>): Promise<number[]> => {
      const at: number[] = [];
      const engine = world.engine({}, { backend: timed('claim', at, { signals }) });
      engine.queue({ name: 'idle', handler: () => 1, ...options });
      await engine.start();
      await world.clock.advance('1m');
      at.length = 0;
      await world.clock.advance('5m');
      await engine.stop();
      return gaps(at);
    };
    // The channel is not proven: looks every second. It is: up to 10 s.
    const blind = await poll(SILENT, {});
    expect(Math.max(...blind)).toBeLessThanOrEqual(1_000);
    expect(blind.length).toBeLessThan(600);
    const proven = await poll(world.backend.signals, {});
    expect(Math.max(...proven)).toBeLessThanOrEqual(10_000);
    expect(Math.max(...proven)).toBeGreaterThan(5_000);
    const own = await poll(SILENT, { pollIntervalMs: 4_000 });
    expect(Math.max(...own)).toBeLessThanOrEqual(4_000);
    expect(Math.max(...own)).toBeGreaterThan(2_000);
  });

  it('maxStalledCount | 3', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const { id } = await queue.add(1);
    const ends: (string | undefined)[] = [];
    for (let death = 1; death <= 4; death += 1) {
      const ghost = new FakeOwner(`ghost ${death}`, world.backend.store);
      // Its stalls cost it 0 s, 2 s and 4 s.
      await world.clock.advance(2_000 * (death - 1));
      expect((await ghost.claim('q', { alone: true })).jobs).toHaveLength(1);
      await world.clock.advance('30s');
      await world.backend.store.sweep({ limit: 1 });
      ends.push((await queue.getJob(id))?.status);
    }
    expect(ends).toEqual(['waiting', 'delayed', 'delayed', 'failed']);
  });

  it('retries `{ max, strategy, baseDelay, maxDelay, backoffFn }` | 3, exponential, 2 000, 60 000', async () => {
    const at: number[] = [];
    const { queue } = await running(() => (at.push(world.clock.monotonic()), fail()));
    const { id } = await queue.add(1);
    await world.clock.advance('10m');
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 4 });
    for (const [i, exact] of [2_000, 4_000, 8_000].entries()) {
      expect(gaps(at)[i]).toBeGreaterThanOrEqual(exact * 0.8);
      expect(gaps(at)[i]).toBeLessThanOrEqual(exact * 1.2);
    }
    const late: number[] = [];
    const { queue: long } = await running(() => (late.push(world.clock.monotonic()), fail()), {
      name: 'long',
      retries: { max: 9 },
    });
    await long.add(1);
    await world.clock.advance('1h');
    expect(gaps(late).slice(-3)).toEqual([60_000, 60_000, 60_000]);
  });

  it('deadLetter `{ enabled, queue?, onDead(job) }` | enabled', async () => {
    const { queue } = await running(fail, { retries: { max: 0 } });
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.deadLetters()).jobs.map((job) => job.id)).toEqual([id]);
  });

  it('timeout | none; rateLimiter `{ check(ctx) }` | none; condition(ctx) | none', async () => {
    const seen: unknown[] = [];
    const { queue } = await running(async (ctx) => {
      seen.push(ctx.deadline, ctx.timeoutMs);
      await world.clock.sleep('6h');
      return ctx.aborted;
    });
    const { id } = await queue.add(1);
    await world.clock.advance('5h');
    expect((await queue.getJob(id))?.status).toBe('active');
    await world.clock.advance('1h');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: false, attemptMade: 1 });
    expect(seen).toEqual([undefined, undefined]);
  });

  it('disabledBehavior | hold', async () => {
    const { engine, queue } = await running(() => 1);
    await engine.manager.disableInstance('queue', 'q');
    expect(await queue.add(1)).toMatchObject({ created: true, status: 'paused' });
  });

  it('hold: at most `maxHeldJobs` 10 000, the next `add` beyond it throws (nothing is silently dropped)', async () => {
    const { engine, queue } = await running(() => 1, { concurrency: 1_000 });
    await engine.manager.disableInstance('queue', 'q');
    await queue.addBulk(items(10_000));
    expect(await failureOf(queue.add('beyond'))).toMatchObject({ code: 'TOO_MANY_HELD_JOBS', limit: 10_000 });
    expect(await queue.counts()).toMatchObject({ paused: 10_000, waiting: 0 });
    await engine.manager.enableInstance('queue', 'q');
    await world.clock.advance('30s');
    expect(await queue.counts()).toMatchObject({ paused: 0, waiting: 0, completed: 10_000 });
  });

  it('batchSize (for processBatch) | 10', async () => {
    const sizes: number[] = [];
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', concurrency: 1, processBatch: (ctxs) => void sizes.push(ctxs.length) });
    await engine.start();
    await queue.addBulk(items(25));
    await world.clock.settle();
    expect(sizes).toEqual([10, 10, 5]);
  });

  it('hooks: beforeRun, onSuccess, onFail, afterRun, onError', async () => {
    const called: string[] = [];
    const note = (name: string) => () => void called.push(name);
    const works = ({ data, attempt }: JobContext): unknown =>
      data === 'at once' || (data === 'later' && attempt === 2) ? 1 : fail();
    const { queue } = await running(works, {
      retries: { max: 1, strategy: 'fixed', baseDelay: 0 },
      concurrency: 1,
      hooks: {
        beforeRun: note('beforeRun'),
        onSuccess: note('onSuccess'),
        onFail: note('onFail'),
        afterRun: note('afterRun'),
        onError: note('onError'),
      },
    });
    const course = async (data: string): Promise<string[]> => {
      await queue.add('default', data);
      await world.clock.settle();
      return called.splice(0);
    };
    const failed = ['beforeRun', 'onError', 'afterRun'];
    expect(await course('at once')).toEqual(['beforeRun', 'onSuccess', 'afterRun']);
    expect(await course('later')).toEqual([...failed, 'beforeRun', 'onSuccess', 'afterRun']);
    expect(await course('never')).toEqual([...failed, 'beforeRun', 'onError', 'onFail', 'afterRun']);
  });

  it('abortGraceMs | 5 000', async () => {
    const { engine, queue } = await running(() => world.never(), { concurrency: 1, retries: { max: 0 } });
    await queue.add(1, { timeout: '1s' });
    await world.clock.advance(5_999);
    expect(engine.health()).toMatchObject({ zombies: 0 });
    await world.clock.advance(1);
    expect(engine.health()).toMatchObject({ zombies: 1 });
  });

  it('schema, codec, priority, tags, version', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => (typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] }),
        },
      },
      codec: {
        encode: (value) => `<${JSON.stringify(value)}>`,
        decode: (text) => JSON.parse(text.slice(1, -1)) as unknown,
      },
      priority: 7,
      tags: ['own'],
      version: 4,
    });
    expect(await failureOf(queue.add('text' as never))).toMatchObject({ code: 'INVALID_PAYLOAD' });
    const job = await queue.add(5);
    expect(job).toMatchObject({ priority: 7, tags: ['own'] });
    expect((await world.backend.store.admin.get('q', job.id))?.data).toBe('<5>');
    expect((await engine.manager.getQueueInfo('q')).version).toBe(4);
  });

  it('initial status `active | paused` | active', async () => {
    const { engine, queue } = await running(() => 1);
    expect(await queue.isPaused()).toBe(false);
    const paused = engine.queue({ name: 'p', status: 'paused', handler: () => 1 });
    await world.clock.settle();
    const { id } = await paused.add(1);
    await world.clock.advance('1m');
    expect([await paused.isPaused(), (await paused.getJob(id))?.status]).toEqual([true, 'waiting']);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AttemptEnding, type EngineEvents, type Job, type QueueOptions } from 'oqronkit';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

type Called = [hook: string, status: string, detail: unknown];

/** Hooks that write down what they are told. */
function hooks(called: Called[]): Required<NonNullable<QueueOptions['hooks']>> {
  return {
    beforeRun: (ctx) => called.push(['beforeRun', 'active', ctx.attempt]),
    onSuccess: (job, result) => called.push(['onSuccess', job.status, result]),
    onFail: (job, error) => called.push(['onFail', job.status, error.message]),
    onError: (job, error) => called.push(['onError', job.status, error.message]),
    afterRun: (job, ending) => called.push(['afterRun', job.status, ending]),
  };
}

describe('hooks', () => {
  it('go with the course of a job that fails twice and then succeeds', async () => {
    const engine = world.engine();
    const called: Called[] = [];
    const queue = engine.queue<unknown, unknown>({
      name: 'q',
      retries: { strategy: 'fixed', baseDelay: '1s' },
      hooks: hooks(called),
      handler: async (ctx) => {
        await world.clock.sleep('100ms');
        if (ctx.attempt < 3) throw new RangeError(`attempt ${ctx.attempt}`);
        return 'done';
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('1m');
    const retried = (n: number): unknown => ({
      outcome: 'retried',
      error: expect.objectContaining({ name: 'RangeError', message: `attempt ${n}` }) as unknown,
      delayMs: 1_000,
      durationMs: 100,
    });
    expect(called).toEqual([
      ['beforeRun', 'active', 1],
      ['onError', 'delayed', 'attempt 1'],
      ['afterRun', 'delayed', retried(1)],
      ['beforeRun', 'active', 2],
      ['onError', 'delayed', 'attempt 2'],
      ['afterRun', 'delayed', retried(2)],
      ['beforeRun', 'active', 3],
      ['onSuccess', 'completed', 'done'],
      ['afterRun', 'completed', { outcome: 'completed', result: 'done', durationMs: 100 }],
    ]);
  });

  it('tell a failure for good once, with the error that was thrown', async () => {
    class Odd extends Error {}
    const engine = world.engine();
    const seen: unknown[] = [];
    const thrown = new Odd('broken');
    const queue = engine.queue({
      name: 'q',
      retries: { max: 0 },
      hooks: {
        onError: (_job, error) => seen.push(error),
        onFail: (_job, error) => seen.push(error),
        afterRun: (_job, ending) => seen.push(ending.outcome === 'failed' && ending.error),
      },
      handler: () => {
        throw thrown;
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(seen).toEqual([thrown, thrown, thrown]);
  });

  it('afterRun is called for every attempt that had begun, however it ended, and for no other', async () => {
    const engine = world.engine();
    const endings: [unknown, AttemptEnding['outcome']][] = [];
    const queue = engine.queue<string>({
      name: 'q',
      concurrency: 10,
      timeout: '1s',
      retries: { max: 0 },
      rateLimiter: { check: (ctx) => ctx.data !== 'limited' },
      condition: (ctx) => ctx.data !== 'not now',
      codec: {
        encode: (value) => JSON.stringify(value),
        decode: (text) => {
          if (text === '"unreadable"') throw new Error('unreadable');
          return JSON.parse(text) as unknown;
        },
      },
      hooks: { afterRun: (job, ending) => endings.push([job.data, ending.outcome]) },
      handler: async (ctx) => {
        if (ctx.data === 'slow') await world.clock.sleep('10s');
        if (ctx.data === 'throws') throw new Error('x');
      },
    });
    await engine.start();
    await queue.addBulk(['fine', 'throws', 'slow', 'limited', 'not now', 'unreadable'].map((data) => ({ data })));
    await world.clock.advance('1500ms');
    expect(endings).toEqual([
      ['fine', 'completed'],
      ['throws', 'failed'],
      ['slow', 'failed'],
    ]);
  });

  it('afterRun follows a beforeRun whose job was then not to run', async () => {
    const engine = world.engine();
    const called: Called[] = [];
    const queue = engine.queue({ name: 'q', hooks: hooks(called), condition: () => false, handler: () => 1 });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(called).toEqual([
      ['beforeRun', 'active', 1],
      ['afterRun', 'delayed', { outcome: 'released', reason: 'condition', delayMs: 2_000, durationMs: 0 }],
    ]);
  });

  it('come after the store confirmed the outcome, and not at all when it did not', async () => {
    const held: (() => void)[] = [];
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      const reply = await run();
      if (operation === 'settle') await new Promise<void>((go) => held.push(go));
      return reply;
    });
    const engine = world.engine({}, { backend });
    const called: Called[] = [];
    const queue = engine.queue({ name: 'q', hooks: hooks(called), handler: () => 'done' });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(called.map(([hook]) => hook)).toEqual(['beforeRun']);
    for (const go of held.splice(0)) go();
    await world.clock.settle();
    expect(called.map(([hook]) => hook)).toEqual(['beforeRun', 'onSuccess', 'afterRun']);
  });

  it('that throw, reject or hang are logged and change nothing', async () => {
    const engine = world.engine();
    const bad = (how: unknown): unknown => {
      if (how === 'throws') throw new Error('hook');
      return how === 'rejects' ? Promise.reject(new Error('hook')) : world.never();
    };
    const queue = engine.queue<string>({
      name: 'q',
      concurrency: 1,
      hooks: {
        onSuccess: (job) => bad(job.data),
        afterRun: (job) => bad(job.data),
      },
      handler: () => 'ok',
    });
    await engine.start();
    await queue.addBulk(['throws', 'rejects', 'hangs', 'throws'].map((data) => ({ data })));
    await world.clock.advance('1s');
    expect(await queue.counts()).toMatchObject({ completed: 4, failed: 0, waiting: 0, active: 0 });
    expect(world.log.matching('error', /hook onSuccess \(queue "q"\): hook/)).toHaveLength(3);
    expect(world.log.matching('error', /hook afterRun \(queue "q"\): hook/)).toHaveLength(3);
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('are told of a job that a payload which cannot be read has failed', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const codec = {
      encode: (value: unknown) => JSON.stringify(value),
      decode: (): never => {
        throw new Error('unreadable');
      },
    };
    const queue = engine.queue({
      name: 'q',
      codec,
      hooks: { onFail: (job: Job, error) => seen.push([job.id, job.data, Reflect.get(error, 'code')]) },
      handler: () => 1,
    });
    await engine.start();
    const { id } = await queue.add({ some: 'thing' });
    await world.clock.settle();
    expect(seen).toEqual([[id, undefined, 'INVALID_PAYLOAD']]);
  });

  it('of an attempt that was cancelled are not called', async () => {
    const engine = world.engine();
    const called: Called[] = [];
    const queue = engine.queue({
      name: 'q',
      lockTtlMs: '10s',
      heartbeatMs: '3s',
      hooks: hooks(called),
      handler: () => world.clock.sleep('5s'),
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    await (await queue.getJob(id))?.cancel();
    await world.clock.advance('10s');
    expect(called.map(([hook]) => hook)).toEqual(['beforeRun']);
  });
});

describe('memory figures', () => {
  const told: Pick<EngineEvents['job:success'], 'memory'>[] = [];
  const run = async (trackMemory: boolean | undefined) => {
    told.length = 0;
    const engine = world.engine(trackMemory === undefined ? {} : { observability: { trackMemory } });
    const queue = engine.queue<boolean>({
      name: 'q',
      retries: { max: 0 },
      handler: ({ data }) => {
        if (!data) throw new Error('x');
      },
    });
    engine.on('job:success', (event) => told.push(event));
    engine.on('job:fail', (event) => told.push(event));
    await engine.start();
    await queue.addBulk([{ data: true }, { data: false }]);
    await world.clock.settle();
    return told.map(({ memory }) => memory);
  };

  it('stand on job:success and job:fail when observability.trackMemory is on', async () => {
    const figures = await run(true);
    expect(figures).toHaveLength(2);
    for (const memory of figures) {
      expect(memory?.rss).toBeGreaterThan(1_000_000);
      expect(memory?.heapUsed).toBeGreaterThan(1_000_000);
      expect(Number.isFinite(memory?.heapDelta)).toBe(true);
      expect(Math.abs(memory?.heapDelta ?? Infinity)).toBeLessThan(memory?.heapUsed ?? 0);
    }
  });

  it('do not by default', async () => {
    expect(await run(undefined)).toEqual([undefined, undefined]);
  });
});

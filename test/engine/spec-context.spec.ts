import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  TransactionsNotSupportedError,
  type JobContext,
  type OqronEngine,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A started engine with one queue; a failed attempt waits a second. */
async function running(
  handler: (ctx: JobContext) => unknown,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue }> {
  const engine = world.engine({ project: 'shop', environment: 'live' });
  const retries = { max: 2, strategy: 'fixed', baseDelay: '1s' } as const;
  const queue = engine.queue<unknown, unknown>({ name: 'q', retries, handler, ...options });
  await engine.start();
  return { engine, queue };
}

/** What `look` answers for the only attempt of a job, two seconds after it began. */
async function seen<A>(
  look: (ctx: JobContext) => A,
): Promise<{ answer: A; id: string; createdAt: number; queue: Queue }> {
  const answers: Awaited<A>[] = [];
  const { queue } = await running(async (ctx) => {
    await world.clock.sleep('2s');
    answers.push(await look(ctx));
  });
  const { id, createdAt } = await queue.add('report', { n: 1 }, { correlationId: 'c-1', timeout: '10s' });
  await world.clock.advance('3s');
  expect(answers).toHaveLength(1);
  return { answer: answers[0] as A, id, createdAt, queue };
}

describe('Context', () => {
  it('`id`, `name`, `queueName`, `data`, `createdAt`, `correlationId`: of the job', async () => {
    const { answer, id, createdAt } = await seen((ctx) => [
      ctx.id,
      ctx.name,
      ctx.queueName,
      ctx.data,
      ctx.createdAt,
      ctx.correlationId,
    ]);
    expect(answer).toEqual([id, 'report', 'q', { n: 1 }, createdAt, 'c-1']);
  });

  it('`attempt`, `maxAttempts`, `fence`: of the attempt', async () => {
    const attempts: [number, number, number][] = [];
    const { queue } = await running((ctx) => {
      attempts.push([ctx.attempt, ctx.maxAttempts, ctx.fence]);
      throw new Error('again');
    });
    const { id } = await queue.add(1);
    await world.clock.advance('10s');
    expect(attempts.map(([attempt, max]) => [attempt, max])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    const fences = attempts.map(([, , fence]) => fence);
    expect([...fences].sort((a, b) => a - b)).toEqual(fences);
    expect(new Set(fences).size).toBe(3);
    expect((await queue.getJob(id))?.fence).toBe(fences[2]);
  });

  it('`duration`, `deadline`: of its time', async () => {
    const { answer, createdAt } = await seen((ctx) => [ctx.duration, ctx.deadline]);
    expect(answer).toEqual([2_000, createdAt + 10_000]);
  });

  it('`environment`, `project`: of the engine', async () => {
    const { answer } = await seen((ctx) => [ctx.environment, ctx.project]);
    expect(answer).toEqual(['live', 'shop']);
  });

  it('`signal`, `aborted`: whether to stop', async () => {
    const course: [boolean, boolean][] = [];
    const { queue } = await running(async (ctx) => {
      const note = () => course.push([ctx.aborted, ctx.signal.aborted]);
      note();
      ctx.signal.addEventListener('abort', note);
      await world.clock.sleep('10s');
    });
    const job = await queue.add(1);
    await world.clock.advance('1s');
    await job.cancel();
    await world.clock.advance('10s');
    expect(course).toEqual([
      [false, false],
      [true, true],
    ]);
  });

  it('`ctx.signal` is made on first read', async () => {
    const made: number[] = [];
    const Real = globalThis.AbortController;
    let n = 0;
    globalThis.AbortController = class extends Real {
      constructor() {
        super();
        n += 1;
      }
    };
    try {
      const { queue } = await running((ctx) => {
        const before = n;
        if (ctx.data === 'reads') expect(ctx.signal).toBe(ctx.signal);
        made.push(n - before);
      });
      await queue.add('default', 'does not');
      await world.clock.advance('1s');
      expect(n).toBe(0);
      await queue.add('default', 'reads');
      await world.clock.advance('1s');
    } finally {
      globalThis.AbortController = Real;
    }
    expect(made).toEqual([0, 1]);
    expect(n).toBe(1);
  });

  it('`progress(pct, label? | object)`, `getProgress()`', async () => {
    const { answer, id, queue } = await seen((ctx) => {
      const course: unknown[] = [ctx.getProgress()];
      ctx.progress(10);
      course.push(ctx.getProgress());
      ctx.progress(20, 'half');
      course.push(ctx.getProgress());
      ctx.progress(30, { files: 3 });
      course.push(ctx.getProgress());
      return course;
    });
    expect(answer).toEqual([
      undefined,
      { percent: 10 },
      { percent: 20, label: 'half' },
      { percent: 30, detail: { files: 3 } },
    ]);
    expect(await queue.getJob(id)).toMatchObject({ progressPercent: 30, progress: { files: 3 } });
  });

  it.each([
    [-1, 0],
    [0, 0],
    [55.5, 55.5],
    [100, 100],
    [100.1, 100],
    [Infinity, 100],
    [-Infinity, 0],
    [Number.NaN, 0],
  ])('`progress` clamps to 0..100: %d', async (given, kept) => {
    const { id, queue } = await seen((ctx) => ctx.progress(given));
    expect((await queue.getJob(id))?.progressPercent).toBe(kept);
  });

  it('`log(level, msg, meta?)` and `log.info/warn/error`', async () => {
    const { id, createdAt, queue } = await seen((ctx) => {
      ctx.log('debug', 'one', { n: 1 });
      ctx.log.info('two');
      ctx.log.warn('three', [3]);
      ctx.log.error('four');
    });
    const at = createdAt + 2_000;
    expect((await queue.getJob(id))?.logs).toEqual([
      { at, level: 'debug', message: 'one', meta: { n: 1 } },
      { at, level: 'info', message: 'two' },
      { at, level: 'warn', message: 'three', meta: [3] },
      { at, level: 'error', message: 'four' },
    ]);
  });

  it.each<[string, (job: { id: string; cancel: () => Promise<unknown> }) => unknown, string, Partial<QueueOptions>]>([
    ['cancelled', (job) => job.cancel(), 'cancelled', {}],
    ['failed by its timeout', () => undefined, 'failed', { timeout: '2s', retries: { max: 0 } }],
  ])('Progress and logs never overwrite a final state: %s', async (_how, end, status, options) => {
    const { engine, queue } = await running(
      async (ctx) => {
        ctx.progress(10, 'early');
        ctx.log.info('early');
        await world.clock.sleep('5s');
        ctx.progress(99, 'late');
        ctx.log.error('late');
        await world.clock.sleep('5s');
      },
      { abortGraceMs: '1m', ...options },
    );
    const told: number[] = [];
    engine.on('job:progress', ({ progress }) => told.push(progress.percent));
    const job = await queue.add(1);
    await world.clock.advance('1s');
    await end(job);
    await world.clock.advance('2s');
    const final = await queue.getJob(job.id);
    expect(final).toMatchObject({ status, progressPercent: 10, progressLabel: 'early' });
    expect(final?.logs.map(({ message }) => message)).toEqual(['early']);
    await world.clock.advance('1m');
    expect(await queue.getJob(job.id)).toEqual(final);
    expect(told).toEqual([10]);
  });

  it('Progress and logs never overwrite a final state: said by a promise that goes on after the handler', async () => {
    const { queue } = await running((ctx) => {
      ctx.progress(10);
      void world.clock.sleep('1s').then(() => {
        ctx.progress(99);
        ctx.log.info('late');
      });
      return 'done';
    });
    const { id } = await queue.add(1);
    await world.clock.advance('5s');
    expect(await queue.getJob(id)).toMatchObject({
      status: 'completed',
      returnValue: 'done',
      progressPercent: 10,
      logs: [],
    });
  });

  it('`discard(reason?)`', async () => {
    const { queue } = await running((ctx) => ctx.discard(ctx.data === 'why' ? 'no such order' : undefined));
    const why = await queue.add('default', 'why');
    const other = await queue.add('default', 'other');
    await world.clock.advance('1m');
    expect((await queue.getJob(why.id))?.error?.message).toContain('no such order');
    expect(await queue.getJob(other.id)).toMatchObject({ status: 'failed', error: { code: 'DISCARDED' } });
  });

  it('`spawnChild(queueName | contract, data, opts?)`', async () => {
    const { answer, id, queue } = await seen(async (ctx) => {
      const child = await ctx.spawnChild('children', { page: 1 }, { jobId: 'one', priority: 3 });
      return [child.id, child.created];
    });
    expect(await answer).toEqual(['one', true]);
    expect((await queue.getJob(id))?.childrenIds).toEqual(['one']);
    const child = await world.engine({ project: 'shop', environment: 'live' }).producer('children').getJob('one');
    expect(child).toMatchObject({ data: { page: 1 }, priority: 3, parentId: id, correlationId: 'c-1' });
  });

  it('`parents()` gives their results', async () => {
    const engine = world.engine();
    const given: unknown[] = [];
    const a = engine.queue<number, number>({ name: 'a', handler: ({ data }) => data * 10 });
    const b = engine.queue<number>({
      name: 'b',
      handler: async (ctx) => void given.push(...(await ctx.parents())),
    });
    await engine.start();
    const parents = [await a.add(1, { delay: '1s' }), await a.add(2)];
    await b.add(0, { dependsOn: parents });
    await world.clock.advance('5s');
    expect(given).toMatchObject([
      { id: parents[0]?.id, queueName: 'a', status: 'completed', result: 10 },
      { id: parents[1]?.id, queueName: 'a', status: 'completed', result: 20 },
    ]);
  });

  it('`tx(fn, { using? })` (PostgreSQL only, elsewhere a typed error that says so)', async () => {
    let called = false;
    const { answer } = await seen((ctx) => failureOf(ctx.tx(async () => void (called = true), { using: {} })));
    const error = await answer;
    expect(error).toBeInstanceOf(TransactionsNotSupportedError);
    expect(error).toMatchObject({ code: 'TX_NOT_SUPPORTED', message: expect.stringMatching(/PostgreSQL/) as unknown });
    expect(called).toBe(false);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  InvalidOptionsError,
  JobAbortedError,
  TransactionsNotSupportedError,
  type JobContext,
} from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('ctx.spawnChild', () => {
  const Thumbnail = defineQueue<{ page: number }, string>('thumbnails', { priority: 5 });

  it('adds a job at once, with this one as its parent and its correlationId', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    engine.worker(Thumbnail, { handler: (ctx) => `page ${ctx.data.page} of ${ctx.correlationId}` });
    const queue = engine.queue({
      name: 'documents',
      handler: async (ctx) => {
        const child = await ctx.spawnChild(Thumbnail, { page: 1 });
        seen.push(child.created, child.status, child.queueName, child.data.page);
        await world.clock.sleep('1s');
        return child.id;
      },
    });
    await engine.start();
    const parent = await queue.add(1, { correlationId: 'order-7' });
    await world.clock.advance('500ms');
    const thumbnails = engine.producer(Thumbnail);
    const { jobs } = await thumbnails.getJobs({ status: 'completed' });
    expect(jobs).toMatchObject([
      { parentId: parent.id, correlationId: 'order-7', priority: 5, returnValue: 'page 1 of order-7' },
    ]);
    await world.clock.advance('1s');
    expect(seen).toEqual([true, 'waiting', 'thumbnails', 1]);
    const done = await queue.getJob(parent.id);
    expect(done).toMatchObject({ status: 'completed', childrenIds: [done?.returnValue] });
  });

  it('takes the options of add: what they say comes first', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        const opts = { jobId: 'only', name: 'big', delay: '1h', correlationId: 'own', tags: ['x'] } as const;
        await ctx.spawnChild('other', { n: 1 }, opts);
        const again = await ctx.spawnChild('other', { n: 2 }, opts);
        return [again.created, again.id];
      },
    });
    await engine.start();
    const { id } = await queue.add(1, { correlationId: 'order-7' });
    await world.clock.settle();
    const parent = await queue.getJob(id);
    expect(parent?.returnValue).toEqual([false, 'only']);
    expect(new Set(parent?.childrenIds)).toEqual(new Set(['only']));
    expect(await engine.producer('other').getJob('only')).toMatchObject({
      status: 'delayed',
      name: 'big',
      correlationId: 'own',
      tags: ['x'],
      data: { n: 1 },
      parentId: id,
    });
  });

  it('records children while the handler runs, together with progress, and the rest with the outcome', async () => {
    const calls: [string, number][] = [];
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation === 'annotate')
        calls.push([operation, (args[0] as { children?: unknown[] }[])[0]?.children?.length ?? 0]);
      return run();
    });
    const engine = world.engine({}, { backend });
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        for (let n = 0; n < 50; n += 1) await ctx.spawnChild('other', n);
        ctx.progress(50);
        await world.clock.sleep('1s');
        await ctx.spawnChild('other', 50);
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('500ms');
    const running = await queue.getJob(id);
    expect(running).toMatchObject({ status: 'active', progressPercent: 50 });
    expect(running?.childrenIds).toHaveLength(50);
    await world.clock.advance('1s');
    expect((await queue.getJob(id))?.childrenIds).toHaveLength(51);
    expect(calls).toEqual([['annotate', 50]]);
  });

  it('throws what add throws, before anything is sent', async () => {
    const engine = world.engine();
    const problems: unknown[] = [];
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        problems.push(await failureOf(ctx.spawnChild('no name', 1)));
        problems.push(await failureOf(ctx.spawnChild('other', 1, { delay: 'soon' as never })));
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(problems).toEqual([expect.any(InvalidOptionsError), expect.any(InvalidOptionsError)]);
    expect(await engine.producer('other').count()).toBe(0);
  });

  it('throws when the attempt is over: it was cancelled, has timed out, or has returned', async () => {
    const engine = world.engine();
    const thrown: unknown[] = [];
    const contexts: JobContext[] = [];
    const queue = engine.queue<string>({
      name: 'q',
      retries: { max: 0 },
      handler: async (ctx) => {
        contexts.push(ctx);
        if (ctx.data === 'returns') return;
        await world.clock.sleep('10s');
        thrown.push(await failureOf(ctx.spawnChild('other', 1)));
      },
    });
    await engine.start();
    await queue.addBulk([{ data: 'cancelled' }, { data: 'late', opts: { timeout: '2s' } }, { data: 'returns' }]);
    await world.clock.advance('1s');
    const cancelled = await queue.getJob(contexts.find(({ data }) => data === 'cancelled')?.id ?? '');
    await cancelled?.cancel();
    await world.clock.advance('1m');
    expect(thrown).toEqual([expect.any(JobAbortedError), expect.any(JobAbortedError)]);
    const returned = contexts.find(({ data }) => data === 'returns') as JobContext;
    await expect(returned.spawnChild('other', 1)).rejects.toMatchObject({ code: 'JOB_ENDED' });
    expect(await engine.producer('other').count()).toBe(0);
  });

  it('records what a contract says of its queue once, however many children there are', async () => {
    let declared = 0;
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation === 'admin.declare' && args[1] === 'ordered') declared += 1;
      return run();
    });
    const engine = world.engine({}, { backend });
    const Ordered = defineQueue<number>('ordered', { strategy: 'priority' });
    const queue = engine.queue({
      name: 'q',
      handler: async (ctx) => {
        for (let n = 0; n < 20; n += 1) await ctx.spawnChild(Ordered, n);
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(declared).toBe(1);
    expect(await engine.producer('ordered').count()).toBe(20);
  });
});

describe('ctx.parents', () => {
  it('gives what became of the jobs that this one depends on, in the order of dependsOn, from any queue', async () => {
    const engine = world.engine();
    engine.worker<number, unknown>({
      topic: 'numbers',
      retries: { max: 0 },
      handler: (ctx) => {
        if (ctx.data < 0) throw new RangeError(`${ctx.data} is below zero`);
        return { square: ctx.data ** 2 };
      },
    });
    engine.worker<string, string>({ topic: 'texts', handler: (ctx) => ctx.data.toUpperCase() });
    const seen: unknown[] = [];
    engine.worker({ topic: 'sum', handler: async (ctx) => seen.push(await ctx.parents()) });
    await engine.start();
    const numbers = engine.producer<number, unknown>('numbers');
    const three = await numbers.add(3);
    const below = await numbers.add(-1);
    const text = await engine.producer<string, string>('texts').add('abc');
    await engine.producer('sum').add({}, { dependsOn: [text, below, three], parentFailurePolicy: 'ignore' });
    await world.clock.advance('1s');
    expect(seen).toEqual([
      [
        { queueName: 'texts', id: text.id, status: 'completed', result: 'ABC' },
        {
          queueName: 'numbers',
          id: below.id,
          status: 'failed',
          error: expect.objectContaining({ name: 'RangeError', message: '-1 is below zero' }) as unknown,
        },
        { queueName: 'numbers', id: three.id, status: 'completed', result: { square: 9 } },
      ],
    ]);
  });

  it('says of a parent whose record is gone that it was removed', async () => {
    const engine = world.engine();
    engine.worker({ topic: 'first', handler: () => 'result' });
    const seen: unknown[] = [];
    engine.worker({
      topic: 'then',
      handler: async (ctx) => {
        await world.clock.sleep('1s');
        seen.push((await ctx.parents()).map(({ status, result }) => [status, result]));
      },
    });
    await engine.start();
    const parent = await engine.producer('first').add(1);
    await engine.producer('then').add(2, { dependsOn: [parent] });
    await world.clock.advance('500ms');
    const { store } = world.backend;
    await store.admin.remove({ client: 'test', n: 1, acked: 0 }, 'first', parent.id);
    await world.clock.advance('1s');
    expect(seen).toEqual([[['removed', undefined]]]);
  });

  it('is empty for a job that depends on nothing', async () => {
    const engine = world.engine();
    const seen: unknown[] = [];
    const queue = engine.queue({ name: 'q', handler: async (ctx) => seen.push(await ctx.parents()) });
    await engine.start();
    await queue.add(1);
    await world.clock.settle();
    expect(seen).toEqual([[]]);
  });

  it('reads few records at once, however many parents there are', async () => {
    let reading = 0;
    let peak = 0;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation !== 'admin.get') return run();
      reading += 1;
      peak = Math.max(peak, reading);
      await new Promise<void>((next) => world.clock.immediate(next));
      reading -= 1;
      return run();
    });
    const engine = world.engine({}, { backend });
    engine.worker<number, number>({ topic: 'parts', concurrency: 100, handler: (ctx) => ctx.data });
    const sums: number[] = [];
    engine.worker({
      topic: 'sum',
      handler: async (ctx) => {
        const parents = await ctx.parents<number>();
        sums.push(parents.reduce((sum, { result = 0 }) => sum + result, 0));
      },
    });
    await engine.start();
    const parts = engine.producer<number, number>('parts');
    const dependsOn = await parts.addBulk(Array.from({ length: 100 }, (_, data) => ({ data })));
    await engine.producer('sum').add({}, { dependsOn });
    await world.clock.advance('1s');
    expect(sums).toEqual([4_950]);
    expect(peak).toBe(16);
  });
});

describe('ctx.tx', () => {
  it('is a typed error that says so where the store is not PostgreSQL', async () => {
    const engine = world.engine();
    const queue = engine.queue({
      name: 'q',
      retries: { max: 0 },
      handler: (ctx) => ctx.tx(async () => Promise.resolve('never')),
      hooks: { onFail: (_job, error) => thrown.push(error) },
    });
    const thrown: unknown[] = [];
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(thrown).toEqual([expect.any(TransactionsNotSupportedError)]);
    const { error } = (await queue.getJob(id)) ?? {};
    expect(error).toMatchObject({
      code: 'TX_NOT_SUPPORTED',
      message: expect.stringContaining('PostgreSQL') as unknown,
    });
  });
});

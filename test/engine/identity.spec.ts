import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

describe('a job id', () => {
  it('50 concurrent adds of one id from two processes create one job; the first payload stays', async () => {
    const engines = [world.engine(), world.engine()];
    const ran: unknown[] = [];
    const queues = engines.map((engine) =>
      engine.queue<{ n: number }>({ name: 'orders', concurrency: 10, handler: ({ data }) => ran.push(data) }),
    );
    for (const engine of engines) await engine.start();
    const added = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => queues[n % 2]?.add({ n }, { jobId: 'order-7' })),
    );
    await world.clock.advance('1m');
    expect(added.filter((job) => job?.created)).toHaveLength(1);
    expect(new Set(added.map((job) => job?.id))).toEqual(new Set(['order-7']));
    const first = added.find((job) => job?.created)?.data;
    expect(added.every((job) => job?.data.n === first?.n)).toBe(true);
    expect(ran).toEqual([first]);
    expect((await queues[0]?.getJob('order-7'))?.data).toEqual(first);
  });

  it('is unique while the record exists, finished included: adding it again returns the existing job with `created: false`', async () => {
    const engine = world.engine();
    const queue = engine.queue<{ n: number }, number>({
      name: 'orders',
      handler: async ({ data }) => {
        await world.clock.sleep('10s');
        return data.n * 2;
      },
    });
    await queue.add({ n: 1 }, { jobId: 'x', correlationId: 'first' });
    expect(await queue.add({ n: 2 }, { jobId: 'x' })).toMatchObject({
      created: false,
      status: 'waiting',
      data: { n: 1 },
      correlationId: 'first',
    });
    await engine.start();
    await world.clock.advance('1s');
    expect(await queue.add({ n: 3 }, { jobId: 'x' })).toMatchObject({
      created: false,
      status: 'active',
      attemptMade: 1,
    });
    await world.clock.advance('10s');
    expect(await queue.add({ n: 4 }, { jobId: 'x' })).toMatchObject({
      created: false,
      status: 'completed',
      data: { n: 1 },
      returnValue: 2,
    });
    expect(await queue.count()).toBe(1);
  });

  it('is free again when the record is gone', async () => {
    const engine = world.engine();
    const runs: number[] = [];
    const queue = engine.queue<number>({ name: 'q', removeOnComplete: true, handler: ({ data }) => runs.push(data) });
    await engine.start();
    for (const n of [1, 2, 3]) {
      expect((await queue.add(n, { jobId: 'x' })).created).toBe(true);
      await world.clock.settle();
    }
    expect(runs).toEqual([1, 2, 3]);
  });

  it('is unique within its queue: the same id in another queue is another job', async () => {
    const engine = world.engine();
    const a = engine.queue({ name: 'a' });
    const b = engine.queue({ name: 'b' });
    expect((await a.add(1, { jobId: 'x' })).created).toBe(true);
    expect((await b.add(2, { jobId: 'x' })).created).toBe(true);
  });

  it('finds a job that was cancelled, too', async () => {
    const queue = world.engine().queue({ name: 'q' });
    await (await queue.add(1, { jobId: 'x' })).cancel('no');
    expect(await queue.add(2, { jobId: 'x' })).toMatchObject({ created: false, status: 'cancelled', reason: 'no' });
  });

  it('tells job:added once, for the add that made the job', async () => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q' });
    const told: unknown[] = [];
    engine.on('job:added', (event) => told.push(event));
    await queue.add(1, { jobId: 'x', delay: '1h' });
    await queue.add(2, { jobId: 'x' });
    expect(told).toEqual([{ queue: 'q', id: 'x', name: 'default', status: 'delayed' }]);
  });
});

describe('two engines', () => {
  it('do not see each other unless they are given one backend', async () => {
    const own = { backend: undefined };
    const one = world.engine({}, own);
    const two = world.engine({}, own);
    const ran: string[] = [];
    const first = one.queue({ name: 'q', handler: () => ran.push('one') });
    const second = two.queue({ name: 'q', handler: () => ran.push('two') });
    await one.start();
    await two.start();
    const { id } = await first.add(1, { jobId: 'x' });
    await world.clock.advance('1m');
    expect(ran).toEqual(['one']);
    expect(await second.getJob(id)).toBeUndefined();
    expect(await second.count()).toBe(0);
    expect((await second.add(2, { jobId: 'x' })).created).toBe(true);
    await world.clock.settle();
    expect(ran).toEqual(['one', 'two']);
  });

  it('tell events only of what they did themselves', async () => {
    const one = world.engine();
    const two = world.engine();
    const told: string[] = [];
    one.on('job:success', () => told.push('one'));
    two.on('job:success', () => told.push('two'));
    one.queue({ name: 'q', handler: () => 1 });
    await one.start();
    await two.start();
    await two.producer('q').add(1);
    await world.clock.settle();
    expect(told).toEqual(['one']);
  });

  it('pass definitions to no other', () => {
    const one = world.engine();
    const two = world.engine();
    one.queue({ name: 'q', handler: () => 1 });
    expect(one.definitions()).toHaveLength(1);
    expect(two.definitions()).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { JobNotFoundError, QueueDisabledError, TooManyHeldJobsError, type Queue, type QueueOptions } from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

let world: World;
let ran: number[];
let n = 0;
beforeEach(() => {
  world = new World();
  ran = [];
});
afterEach(() => world.end());

const call = () => ({ client: 'test', n: (n += 1), acked: n - 1 });
const disable = (queue: string) => world.backend.store.admin.disable(call(), queue);
const enable = (queue: string) => world.backend.store.admin.enable(call(), queue, 1_000);

/** A queue that two engines know: one adds, the other runs. */
async function queueOf(options: Partial<QueueOptions<number>> = {}): Promise<Queue<number>> {
  const consumer = world.engine();
  consumer.worker<number>({ topic: 'q', handler: ({ data }) => ran.push(data) });
  await consumer.start();
  const queue = world.engine().queue<number>({ name: 'q', ...options });
  // What a definition says is recorded with its first call.
  await queue.count();
  return queue;
}

describe('a queue that is switched off at run time', () => {
  it('hands out nothing until it is enabled, and says so', async () => {
    const queue = await queueOf();
    await queue.add(1, { delay: '5s' });
    await disable('q');
    expect(await queue.isDisabled()).toBe(true);
    await world.clock.advance('1m');
    expect(ran).toEqual([]);
    await enable('q');
    expect(await queue.isDisabled()).toBe(false);
    await world.clock.advance('1m');
    expect(ran).toEqual([1]);
  });

  it('hold stores jobs as paused; on enabling they keep delay, priority and dependencies', async () => {
    const queue = await queueOf({ strategy: 'priority' });
    const parent = await queue.add(1, { delay: '30s' });
    await disable('q');
    const held = await queue.add(2, { priority: 5 });
    expect(held).toMatchObject({ created: true, skipped: false, status: 'paused' });
    expect(await queue.getJob(held.id)).toMatchObject({ status: 'paused', pausedReason: 'the queue is disabled' });
    const first = await queue.add(3, { priority: 1 });
    const late = await queue.add(4, { delay: '10s' });
    const child = await queue.add(5, { dependsOn: [parent] });
    expect(await queue.count('paused')).toBe(4);
    await enable('q');
    const status = async ({ id }: { id: string }) => (await queue.getJob(id))?.status;
    expect(await Promise.all([late, child].map(status))).toEqual(['delayed', 'waiting-children']);
    await world.clock.advance('5s');
    expect(ran).toEqual([3, 2]);
    expect(await status(first)).toBe('completed');
    await world.clock.advance('1m');
    expect(ran).toEqual([3, 2, 4, 1, 5]);
    expect((await queue.getJob(held.id))?.pausedReason).toBeUndefined();
    expect((await queue.getJob(held.id))?.timeline.map(({ event }) => event)).toContain('held');
  });

  it('holds at most maxHeldJobs; the next add beyond it throws, and nothing is silently dropped', async () => {
    const queue = await queueOf({ maxHeldJobs: 3 });
    await disable('q');
    await queue.addBulk([1, 2].map((data) => ({ data })));
    const bulk = await failureOf(queue.addBulk([3, 4].map((data) => ({ data }))));
    expect(bulk).toBeInstanceOf(TooManyHeldJobsError);
    await queue.add(3);
    const error = await failureOf<TooManyHeldJobsError>(queue.add(4));
    expect(error).toBeInstanceOf(TooManyHeldJobsError);
    expect(error).toMatchObject({ code: 'TOO_MANY_HELD_JOBS', limit: 3, queue: 'q' });
    expect(error.message).toMatch(/3 jobs.*maxHeldJobs/);
    await enable('q');
    await world.clock.advance('1m');
    expect(ran).toEqual([1, 2, 3]);
  });

  it('skip drops and returns a handle with skipped: true', async () => {
    const queue = await queueOf({ disabledBehavior: 'skip' });
    await disable('q');
    const told: unknown[] = [];
    const job = await queue.add(1, { jobId: 'x' });
    expect(job).toMatchObject({ skipped: true, created: false, id: 'x', data: 1 });
    expect(await queue.getJob('x')).toBeUndefined();
    expect(await queue.count()).toBe(0);
    expect(told).toEqual([]);
    expect(await failureOf(job.waitUntilFinished())).toBeInstanceOf(JobNotFoundError);
    expect(await job.cancel()).toBe('unknown');
    const bulk = await queue.addBulk([1, 2].map((data) => ({ data })));
    expect(bulk.map(({ skipped }) => skipped)).toEqual([true, true]);
  });

  it('skip tells no job:added', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'skipping', disabledBehavior: 'skip' });
    await queue.count();
    await disable('skipping');
    const told: unknown[] = [];
    engine.on('job:added', (event) => told.push(event));
    await queue.add(1);
    expect(told).toEqual([]);
  });

  it('reject throws QueueDisabledError', async () => {
    const queue = await queueOf({ disabledBehavior: 'reject' });
    await queue.add(0, { jobId: 'before', delay: '1h' });
    await disable('q');
    for (const adding of [queue.add(1), queue.addBulk([{ data: 1 }])]) {
      const error = await failureOf<QueueDisabledError>(adding);
      expect(error).toBeInstanceOf(QueueDisabledError);
      expect(error).toMatchObject({ code: 'QUEUE_DISABLED', queue: 'q' });
    }
    // The job that stands is answered all the same.
    expect(await queue.add(2, { jobId: 'before' })).toMatchObject({ created: false, data: 0 });
    expect(await queue.count()).toBe(1);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AlreadyRetriedError,
  AmbiguousJobError,
  EngineStateError,
  InvalidOptionsError,
  JobAbortedError,
  JobNotFoundError,
  JobStateError,
  OqronEngine,
  OqronManager,
  QueueNotFoundError,
  type Codec,
  type EngineEvents,
  type OqronConfig,
} from 'oqronkit';
import { failureOf, thrownBy } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** An engine whose queue `q` fails each job as often as its payload says so. */
async function failing(retries = 0) {
  const engine = world.engine();
  const queue = engine.queue<{ bad: boolean }, string>({
    name: 'q',
    retries: { max: retries },
    handler: ({ data }) => {
      if (data.bad) throw new Error('bad');
      return 'good';
    },
  });
  await engine.start();
  return { engine, queue, manager: engine.manager };
}

describe('OqronManager.from', () => {
  it('finds the engine by the configuration that it was made of, or takes the engine', () => {
    const config: OqronConfig = { logger: false };
    const engine = new OqronEngine(config);
    expect(OqronManager.from(config)).toBe(engine.manager);
    expect(OqronManager.from(engine)).toBe(engine.manager);
    expect(OqronManager.from(engine.config)).toBe(engine.manager);
  });

  it('takes the last engine where several were made of one object', () => {
    const config: OqronConfig = { logger: false };
    const engines = [new OqronEngine(config), new OqronEngine(config)];
    expect(OqronManager.from(config)).toBe(engines[1]?.manager);
  });

  it('says so where no engine was made of it', () => {
    for (const config of [{}, { manager: 5 } as OqronConfig, undefined as unknown as OqronConfig]) {
      const error = thrownBy(() => OqronManager.from(config));
      expect(error).toBeInstanceOf(EngineStateError);
      expect(error.message).toContain('no engine was made of this configuration object');
    }
  });

  it('works before the start, and not after the stop', async () => {
    const engine = world.engine();
    expect(await engine.manager.getJob('x')).toBeUndefined();
    await engine.stop();
    const { manager } = engine;
    const calls = [
      manager.getJob('x'),
      manager.queryJobs(),
      manager.listQueues(),
      manager.getSystemStats(),
      manager.pauseQueue('q'),
      manager.verify(),
      manager.disableModule('queue'),
    ];
    for (const call of calls) expect(await failureOf(call)).toBeInstanceOf(EngineStateError);
  });
});

describe('getJob', () => {
  it('finds a job by its id alone, whoever added it', async () => {
    const { id } = await world.engine().producer('mails').add({ to: 'ada' });
    const job = await world.engine().manager.getJob(id);
    expect(job).toMatchObject({ id, queueName: 'mails', status: 'waiting', data: { to: 'ada' } });
    expect(await job?.cancel('enough')).toBe('cancelled');
  });

  it('ambiguous ids are an error that lists the queues, unless the queue is named', async () => {
    const { manager } = world.engine();
    const producer = world.engine();
    await producer.producer<object>('c').add({}, { jobId: 'another' });
    for (const name of ['b', 'a']) await producer.producer<object>(name).add({ name }, { jobId: 'same' });
    const error = await failureOf<AmbiguousJobError>(manager.getJob('same'));
    expect(error).toBeInstanceOf(AmbiguousJobError);
    expect(error.queues).toEqual(['a', 'b']);
    expect(error.message).toContain('a, b');
    expect(await manager.getJob('same', { queue: 'b' })).toMatchObject({ queueName: 'b', data: { name: 'b' } });
    for (const run of [manager.cancelJob('same'), manager.retryJob('same'), manager.removeJob('same')]) {
      expect(await failureOf(run)).toBeInstanceOf(AmbiguousJobError);
    }
  });

  it('answers undefined for an unknown id, and refuses a queue that nobody knows and an id that is none', async () => {
    const { manager } = world.engine();
    expect(await manager.getJob('nobody')).toBeUndefined();
    const error = await failureOf<QueueNotFoundError>(manager.getJob('nobody', { queue: 'no-queue' }));
    expect(error).toBeInstanceOf(QueueNotFoundError);
    expect(error).toMatchObject({ code: 'QUEUE_NOT_FOUND', queue: 'no-queue' });
    expect(await failureOf(manager.getJob('nobody', { queue: 'no queue' }))).toBeInstanceOf(InvalidOptionsError);
    expect(await failureOf(manager.getJob(''))).toBeInstanceOf(InvalidOptionsError);
    expect(await failureOf(manager.getJob(5 as unknown as string))).toBeInstanceOf(InvalidOptionsError);
  });

  it('decodes with the codec of a definition here, and gives the text where it cannot be decoded', async () => {
    const codec: Codec = {
      encode: (value) => `#${JSON.stringify(value)}`,
      decode: (text) => JSON.parse(text.slice(1)),
    };
    const engine = world.engine();
    const { id } = await engine.queue<object>({ name: 'coded', codec }).add({ n: 1 });
    expect((await engine.manager.getJob(id))?.data).toEqual({ n: 1 });
    expect((await world.engine().manager.getJob(id))?.data).toBe('#{"n":1}');
    const { jobs } = await world.engine().manager.queryJobs({ queue: 'coded' });
    expect(jobs.map(({ data }) => data)).toEqual(['#{"n":1}']);
  });
});

describe('cancelJob', () => {
  it('reaches the handler on any node at once by its control channel', async () => {
    const worker = world.engine();
    let reason: unknown;
    worker.worker({
      topic: 'q',
      handler: async ({ signal }) => {
        await world.hold(new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true })));
        ({ reason } = signal);
      },
    });
    await worker.start();
    const other = world.engine();
    const cancelled: EngineEvents['job:cancelled'][] = [];
    other.on('job:cancelled', (event) => cancelled.push(event));
    const { id } = await other.producer('q').add(1);
    await world.clock.settle();
    expect(await other.manager.cancelJob(id, 'the customer called')).toBe('cancelled');
    await world.clock.settle();
    expect(reason).toBeInstanceOf(JobAbortedError);
    expect(reason).toMatchObject({ kind: 'cancelled' });
    expect(cancelled).toEqual([{ queue: 'q', id, reason: 'the customer called' }]);
    expect(await other.manager.getJob(id)).toMatchObject({ status: 'cancelled', reason: 'the customer called' });
  });

  it('of an unknown id is a no-op that says so; of a finished one leaves it unchanged', async () => {
    const { queue, manager } = await failing();
    expect(await manager.cancelJob('nobody')).toBe('unknown');
    expect(await manager.cancelJob('nobody', 'why', { queue: 'q' })).toBe('unknown');
    const { id } = await queue.add({ bad: false });
    await world.clock.settle();
    const before = await manager.getJob(id);
    expect(await manager.cancelJob(id)).toBe('finished');
    expect(await manager.getJob(id)).toEqual(before);
  });
});

describe('retryJob and rerunJob', () => {
  it('make a new job of a failed one: retriedFromId on it, retriedById on the old one', async () => {
    const { engine, queue, manager } = await failing();
    const added: EngineEvents['job:added'][] = [];
    const old = await queue.add({ bad: true }, { tags: ['eu'], correlationId: 'c-1' });
    await world.clock.settle();
    engine.on('job:added', (event) => added.push(event));
    const fresh = await manager.retryJob(old.id);
    expect(fresh).toMatchObject({ retriedFromId: old.id, created: true, data: { bad: true }, tags: ['eu'] });
    expect(fresh.id).not.toBe(old.id);
    expect(added).toEqual([{ queue: 'q', id: fresh.id, name: 'default', status: 'waiting' }]);
    expect(await manager.getJob(old.id)).toMatchObject({ status: 'failed', retriedById: fresh.id });
    await world.clock.settle();
    expect(await manager.getJob(fresh.id)).toMatchObject({ status: 'failed', correlationId: 'c-1' });
  });

  it('retryJob refuses what has not failed, rerunJob only what has not ended', async () => {
    const { queue, manager } = await failing();
    const done = await queue.add({ bad: false });
    const delayed = await queue.add({ bad: false }, { delay: '1h' });
    await world.clock.settle();
    const error = await failureOf<JobStateError>(manager.retryJob(done.id));
    expect(error).toBeInstanceOf(JobStateError);
    expect(error).toMatchObject({ queue: 'q', jobId: done.id, status: 'completed', allowed: ['failed'] });
    expect(await failureOf(manager.rerunJob(delayed.id))).toMatchObject({
      code: 'JOB_STATE',
      status: 'delayed',
      allowed: ['completed', 'failed', 'cancelled'],
    });
    const again = await manager.rerunJob(done.id);
    await world.clock.settle();
    expect(await manager.getJob(again.id)).toMatchObject({ status: 'completed', retriedFromId: done.id });
    await manager.cancelJob(delayed.id);
    expect(await manager.rerunJob(delayed.id)).toMatchObject({ retriedFromId: delayed.id });
  });

  it('run a job again only once, and name the job that took its place', async () => {
    const { queue, manager } = await failing();
    const old = await queue.add({ bad: true });
    await world.clock.settle();
    const [first, second] = await Promise.allSettled([manager.retryJob(old.id), manager.retryJob(old.id)]);
    expect([first.status, second.status].toSorted()).toEqual(['fulfilled', 'rejected']);
    const fresh = await manager.getJob(old.id);
    const error = await failureOf<AlreadyRetriedError>(manager.rerunJob(old.id));
    expect(error).toBeInstanceOf(AlreadyRetriedError);
    expect(error.retriedById).toBe(fresh?.retriedById);
  });

  it('answer the job as it was added when it has run and been removed meanwhile', async () => {
    const { queue } = await failing();
    const old = await queue.add({ bad: true }, { tags: ['eu'] });
    await world.clock.settle();
    const backend = wrapBackend(world.backend, (operation, args, run) =>
      operation === 'admin.get' && args[1] !== old.id ? undefined : run(),
    );
    const fresh = await world.engine({}, { backend }).manager.retryJob(old.id);
    expect(fresh).toMatchObject({ retriedFromId: old.id, status: 'waiting', data: { bad: true }, tags: ['eu'] });
    expect(fresh.error).toBeUndefined();
  });

  it('refuse an unknown id, with or without a queue', async () => {
    const { manager } = await failing();
    const error = await failureOf<JobNotFoundError>(manager.retryJob('nobody'));
    expect(error).toBeInstanceOf(JobNotFoundError);
    expect(error.message).toContain('there is no job "nobody" in any recorded queue');
    expect((await failureOf(manager.rerunJob('nobody', { queue: 'q' }))).message).toContain('in queue "q"');
  });
});

describe('retryAllFailed', () => {
  it('skips jobs that have retriedById, and says how many it ran again', async () => {
    const { queue, manager } = await failing();
    await queue.addBulk(Array.from({ length: 12 }, () => ({ data: { bad: true } })));
    await queue.add({ bad: false });
    await world.clock.settle();
    await queue.pause();
    const { jobs } = await queue.getJobs({ status: 'failed', limit: 2 });
    for (const { id } of jobs) await manager.retryJob(id);
    expect(await manager.retryAllFailed('q')).toEqual({ retried: 10, skipped: 2, more: false });
    expect(await manager.retryAllFailed('q')).toEqual({ retried: 0, skipped: 12, more: false });
    expect(await queue.counts()).toMatchObject({ waiting: 12, failed: 12, completed: 1 });
  });

  it('is bounded and paged: with the cursor all are run again once', async () => {
    const { queue, manager } = await failing();
    await queue.addBulk(Array.from({ length: 25 }, () => ({ data: { bad: true } })));
    await world.clock.settle();
    await queue.pause();
    const retried: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await manager.retryAllFailed('q', { limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.more).toBe(page.cursor !== undefined);
      retried.push(page.retried);
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(retried.reduce((sum, n) => sum + n, 0)).toBe(25);
    expect(retried.slice(0, 2)).toEqual([10, 10]);
    expect(await queue.counts()).toMatchObject({ waiting: 25, failed: 25 });
  });

  it('reads no more than 100 pages in one call, however many it has to skip', async () => {
    const { queue, manager } = await failing();
    await queue.addBulk(Array.from({ length: 150 }, () => ({ data: { bad: true } })));
    await world.clock.settle();
    await queue.pause();
    expect(await manager.retryAllFailed('q')).toMatchObject({ retried: 150 });
    const page = await manager.retryAllFailed('q', { limit: 1 });
    expect(page).toMatchObject({ retried: 0, skipped: 100, more: true });
    const rest = await manager.retryAllFailed('q', { limit: 1, cursor: page.cursor });
    expect(rest).toEqual({ retried: 0, skipped: 50, more: false });
  });

  it('refuses an unknown queue, a limit out of range and a cursor that is none', async () => {
    const { manager } = await failing();
    expect(await failureOf(manager.retryAllFailed('nobody'))).toBeInstanceOf(QueueNotFoundError);
    for (const options of [{ limit: 0 }, { limit: 1_001 }, { limit: 1.5 }, { cursor: 'nonsense' }]) {
      expect(await failureOf(manager.retryAllFailed('q', options))).toBeInstanceOf(InvalidOptionsError);
    }
  });
});

describe('getRetryChain', () => {
  it('answers the job with all before and after it, oldest first, from wherever it is asked', async () => {
    const { queue, manager } = await failing();
    const ids = [(await queue.add({ bad: true })).id];
    for (let n = 0; n < 3; n += 1) {
      await world.clock.settle();
      ids.push((await manager.retryJob(ids.at(-1) as string)).id);
    }
    for (const id of ids) expect((await manager.getRetryChain(id)).map((job) => job.id)).toEqual(ids);
    expect(await failureOf(manager.getRetryChain('nobody'))).toBeInstanceOf(JobNotFoundError);
  });

  it('follows at most 100 links each way, and ends where a record was removed', async () => {
    const { queue, manager } = await failing();
    const ids = [(await queue.add({ bad: true })).id];
    for (let n = 0; n < 104; n += 1) {
      await world.clock.settle();
      ids.push((await manager.retryJob(ids.at(-1) as string)).id);
    }
    await world.clock.settle();
    expect((await manager.getRetryChain(ids[0] as string)).map(({ id }) => id)).toEqual(ids.slice(0, 101));
    expect((await manager.getRetryChain(ids[104] as string)).map(({ id }) => id)).toEqual(ids.slice(4));
    await manager.removeJob(ids[2] as string);
    expect((await manager.getRetryChain(ids[1] as string)).map(({ id }) => id)).toEqual(ids.slice(0, 2));
  });
});

describe('promoteJob, changePriority, removeJob', () => {
  it('promoteJob makes a delayed job ready now; anything else is refused', async () => {
    const { queue, manager } = await failing();
    const { id } = await queue.add({ bad: false }, { delay: '1h' });
    await manager.promoteJob(id);
    await world.clock.settle();
    expect(await manager.getJob(id)).toMatchObject({ status: 'completed' });
    expect(await failureOf(manager.promoteJob(id))).toMatchObject({ code: 'JOB_STATE', allowed: ['delayed'] });
    expect(await failureOf(manager.promoteJob('nobody'))).toBeInstanceOf(JobNotFoundError);
  });

  it('changePriority counts on a priority queue, for jobs that have not started', async () => {
    const engine = world.engine();
    const ran: string[] = [];
    const queue = engine.queue<string>({
      name: 'q',
      strategy: 'priority',
      concurrency: 1,
      handler: ({ data }) => ran.push(data),
    });
    await queue.add('default', 'a', { priority: 5 });
    await queue.add('default', 'b', { priority: 6, jobId: 'b' });
    await engine.manager.changePriority('b', 1);
    expect(await engine.manager.getJob('b')).toMatchObject({ priority: 1 });
    await engine.start();
    await world.clock.settle();
    expect(ran).toEqual(['b', 'a']);
    expect(await failureOf(engine.manager.changePriority('b', 2))).toMatchObject({ code: 'JOB_STATE' });
    for (const priority of [-1, 2_097_153, 1.5, '1' as unknown as number]) {
      expect(await failureOf(engine.manager.changePriority('b', priority))).toBeInstanceOf(InvalidOptionsError);
    }
  });

  it('removeJob (never a running one) deletes the record', async () => {
    const engine = world.engine();
    const queue = engine.queue<string>({ name: 'q', handler: () => world.never() });
    await engine.start();
    const running = await queue.add('default', 'a', { jobId: 'running' });
    const waiting = await queue.add('default', 'b', { delay: '1h' });
    await world.clock.settle();
    const error = await failureOf<JobStateError>(engine.manager.removeJob(running.id));
    expect(error).toBeInstanceOf(JobStateError);
    expect(error).toMatchObject({ status: 'active' });
    expect(error.allowed).not.toContain('active');
    await engine.manager.removeJob(waiting.id);
    expect(await engine.manager.getJob(waiting.id)).toBeUndefined();
    expect(await failureOf(engine.manager.removeJob(waiting.id))).toBeInstanceOf(JobNotFoundError);
    expect(await engine.manager.getJob(running.id)).toMatchObject({ status: 'active' });
  });

  it('removeJob counts as a failure for what depends on the job, and says so', async () => {
    const engine = world.engine();
    const queue = engine.queue<string>({ name: 'q' });
    const failed: EngineEvents['job:fail'][] = [];
    engine.on('job:fail', (event) => failed.push(event));
    const parent = await queue.add('default', 'parent');
    const child = await queue.add('default', 'child', { dependsOn: [parent], parentFailurePolicy: 'cascade-fail' });
    await engine.manager.removeJob(parent.id);
    expect(await engine.manager.getJob(child.id)).toMatchObject({ status: 'failed' });
    expect(failed).toMatchObject([{ queue: 'q', id: child.id }]);
  });
});

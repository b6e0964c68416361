import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidOptionsError,
  TransactionsNotSupportedError,
  type Job,
  type JobHandle,
  type JobOptions,
} from 'oqronkit';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const steps = (job: Job | undefined) =>
  job?.timeline.map(({ event, attempt, detail }) => [event, attempt, detail].filter((part) => part !== undefined));

describe('the fields of a job', () => {
  const OPTIONS: JobOptions = {
    jobId: 'x',
    priority: 7,
    delay: '5s',
    attempts: 3,
    backoff: { type: 'fixed', delay: '1s' },
    timeout: '1m',
    removeOnComplete: { age: 60 },
    removeOnFail: 5,
    correlationId: 'c-1',
    tags: ['own'],
    parentFailurePolicy: 'ignore',
    deduplication: { key: 'k', mode: 'debounce', ttl: '1h' },
  };

  it('are what the job itself asked for, and the same on the handle of add and on the record', async () => {
    const engine = world.engine({ project: 'shop', environment: 'test', tags: ['all'] });
    const queue = engine.queue<number>({ name: 'q', retries: { max: 9 }, timeout: '9m', priority: 9 });
    const parent = await queue.add(0, { jobId: 'p' });
    const job = await queue.add(1, { ...OPTIONS, name: 'report', dependsOn: [parent] });
    expect(job.opts).toEqual({
      priority: 7,
      delay: 5_000,
      attempts: 3,
      backoff: { type: 'fixed', delay: 1_000 },
      timeout: 60_000,
      removeOnComplete: { age: 60 },
      removeOnFail: 5,
      parentFailurePolicy: 'ignore',
      deduplication: { key: 'k', mode: 'debounce', ttl: 3_600_000 },
    });
    expect(job).toMatchObject({
      id: 'x',
      type: 'queue',
      queueName: 'q',
      name: 'report',
      project: 'shop',
      environment: 'test',
      status: 'waiting-children',
      priority: 7,
      maxAttempts: 3,
      tags: ['all', 'own'],
      correlationId: 'c-1',
      deduplicationKey: 'k',
      dependsOn: [{ queueName: 'q', id: 'p' }],
      childrenIds: [],
      dead: false,
      skipped: false,
    });
    const record = await queue.getJob('x');
    const { timeline, created, ...same } = record as JobHandle<number>;
    expect(timeline).toEqual([{ at: job.createdAt, event: 'added' }]);
    expect(created).toBe(false);
    expect(job).toMatchObject(Object.fromEntries(Object.entries(same).filter(([, value]) => value !== undefined)));
    expect((await queue.getJob('p'))?.childrenIds).toEqual(['x']);
  });

  it('of a job that asked for nothing stay unset', async () => {
    const queue = world.engine().queue<number>({ name: 'q', retries: { max: 9 }, timeout: '9m', priority: 9 });
    const job = await queue.add(1);
    for (const one of [job, await queue.getJob(job.id)]) {
      expect(one?.opts).toEqual({});
      expect(one?.maxAttempts).toBeUndefined();
      expect(one?.priority).toBe(9);
      expect(one?.scheduleId).toBeUndefined();
    }
  });

  it('tell whose child it is, and its lineage: what its own options say comes first', async () => {
    const queue = world.engine({ defaultJobOptions: { correlationId: 'default' } }).queue<number>({ name: 'q' });
    const lineage = { parentId: 'parent', correlationId: 'from parent', triggeredBy: 'job q/parent' };
    const child = await queue.addFrom(lineage, undefined, 1, undefined);
    expect(child).toMatchObject({ parentId: 'parent', correlationId: 'from parent', triggeredBy: 'job q/parent' });
    expect(await queue.getJob(child.id)).toMatchObject(lineage);
    const own = await queue.addFrom(lineage, 'named', 2, { correlationId: 'own' });
    expect(own).toMatchObject({ name: 'named', correlationId: 'own', parentId: 'parent' });
    expect((await queue.add(3)).correlationId).toBe('default');
    const { jobs } = await queue.getJobs({ status: 'waiting', filter: { parentId: 'parent' } });
    expect(jobs.map(({ data }) => data)).toEqual([1, 2]);
  });

  it('include the job that a dead letter is the copy of', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({
      name: 'q',
      retries: { max: 0 },
      deadLetter: { queue: 'graveyard' },
      handler: () => {
        throw new Error('no hope');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('1s');
    const { jobs } = await engine.producer('graveyard').getJobs({ status: 'waiting' });
    expect(jobs).toHaveLength(1);
    expect(jobs[0]).toMatchObject({ data: 1, origin: { queueName: 'q', id }, error: { message: 'no hope' } });
    expect(await queue.getJob(id)).toMatchObject({ dead: true, status: 'failed' });
  });
});

describe('a name', () => {
  it('may stand in the options, in bulk too', async () => {
    const queue = world.engine().queue<number>({ name: 'q' });
    expect((await queue.add(1, { name: 'report' })).name).toBe('report');
    const [job] = await queue.addBulk([{ data: 1, opts: { name: 'report' } }]);
    expect(job?.name).toBe('report');
  });

  it('given twice, and differently, is refused', async () => {
    const queue = world.engine().queue<number>({ name: 'q' });
    const error = await failureOf(queue.add('one', 1, { name: 'two' }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toMatch(/"one".*"two"/);
    expect((await queue.add('same', 1, { name: 'same' })).name).toBe('same');
  });
});

describe('the timeline', () => {
  it('is derived from the timestamps, with what was written down in its place', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({
      name: 'q',
      retries: { max: 2, strategy: 'fixed', baseDelay: '10s' },
      handler: async ({ attempt }) => {
        await world.clock.sleep('1s');
        if (attempt < 3) throw new Error(`no ${attempt}`);
      },
    });
    const job = await queue.add(1, { delay: '1m' });
    await queue.changeDelay(job.id, '30s');
    await queue.updateData(job.id, 2);
    const began = world.clock.now();
    await engine.start();
    await world.clock.advance('35s');
    expect(steps(await queue.getJob(job.id))).toEqual([
      ['added'],
      ['rescheduled', '30000 ms'],
      ['updated'],
      ['started', 1],
      ['attempt-failed', 1, 'Error: no 1'],
    ]);
    await world.clock.advance('1m');
    const record = await queue.getJob(job.id);
    expect(steps(record)).toEqual([
      ['added'],
      ['rescheduled', '30000 ms'],
      ['updated'],
      ['attempt-failed', 1, 'Error: no 1'],
      ['attempt-failed', 2, 'Error: no 2'],
      ['started', 3],
      ['completed'],
    ]);
    expect(record?.timeline.map(({ at }) => at - began)).toEqual([0, 0, 0, 31_000, 42_000, 52_000, 53_000]);
  });

  it('keeps its order when everything happens in one instant', async () => {
    const engine = world.engine();
    const queue = engine.queue<number>({
      name: 'q',
      retries: { max: 1, strategy: 'fixed', baseDelay: 0 },
      handler: () => {
        throw new Error('never');
      },
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect(steps(await queue.getJob(id))).toEqual([
      ['added'],
      ['attempt-failed', 1, 'Error: never'],
      ['started', 2],
      ['attempt-failed', 2, 'Error: never'],
      ['failed'],
    ]);
  });

  it('ends with the reason of a cancel', async () => {
    const queue = world.engine().queue<number>({ name: 'q' });
    const job = await queue.add(1);
    await job.cancel('she left');
    expect(steps(await queue.getJob(job.id))).toEqual([['added'], ['cancelled', 'she left']]);
  });

  it('of a job that was handed back shows the start before it', async () => {
    const engine = world.engine({ shutdown: { timeout: 0 } });
    const queue = engine.queue<number>({
      name: 'q',
      abortGraceMs: '1s',
      handler: () => world.never(),
    });
    await engine.start();
    const { id } = await queue.add(1);
    await world.clock.advance('5s');
    await world.passUntil(engine.stop());
    const record = await world.engine().producer('q').getJob(id);
    expect(record).toMatchObject({ status: 'waiting', attemptMade: 0 });
    expect(steps(record)).toEqual([['added'], ['started', 1], ['released', 'shutdown']]);
  });
});

describe('tx', () => {
  const tx = { query: () => Promise.resolve([]) };

  it('is refused with a typed error by a store without transactions, and nothing is sent', async () => {
    const calls: string[] = [];
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const queue = world.engine({}, { backend }).queue<number>({ name: 'q' });
    const error = await failureOf(queue.add(1, { tx }));
    expect(error).toBeInstanceOf(TransactionsNotSupportedError);
    expect(error).toMatchObject({ code: 'TX_NOT_SUPPORTED' });
    expect(error.message).toMatch(/"memory".*PostgreSQL/);
    expect(await failureOf(queue.addBulk([{ data: 1 }, { data: 2 }], { tx }))).toMatchObject({
      code: 'TX_NOT_SUPPORTED',
    });
    expect(await failureOf(queue.addBulk([{ data: 1 }, { data: 2, opts: { tx } }]))).toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('item 1') as unknown,
    });
    expect(calls).toEqual([]);
  });

  it('that is no client is refused as an option', async () => {
    const queue = world.engine().queue<number>({ name: 'q' });
    expect(await failureOf(queue.add(1, { tx: {} as never }))).toBeInstanceOf(InvalidOptionsError);
  });
});

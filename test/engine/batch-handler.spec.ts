import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  NonRetryableError,
  ReleaseError,
  type BatchHandler,
  type EngineEvents,
  type JobContext,
  type OqronEngine,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { FakeOwner } from '../support/fake-owner.js';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** A started engine whose queue hands its jobs to `processBatch`, with three attempts a second apart. */
async function running(
  processBatch: BatchHandler<unknown, unknown>,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue; failures: EngineEvents['job:fail'][] }> {
  const engine = world.engine();
  const failures: EngineEvents['job:fail'][] = [];
  engine.on('job:fail', (event) => failures.push(event));
  const retries = { max: 2, strategy: 'fixed', baseDelay: '1s' } as const;
  const queue = engine.queue({ name: 'q', retries, processBatch, ...options });
  await engine.start();
  return { engine, queue, failures };
}

const items = (n: number) => Array.from({ length: n }, (_, data) => ({ data }));
const datas = (ctxs: readonly JobContext[]): unknown[] => ctxs.map(({ data }) => data);
const ok = (value: unknown): PromiseSettledResult<unknown> => ({ status: 'fulfilled', value });
const bad = (reason: unknown): PromiseSettledResult<unknown> => ({ status: 'rejected', reason });

describe('processBatch', () => {
  it('gets the jobs of a claim in batches of up to batchSize, which is 10', async () => {
    const sizes: number[] = [];
    const { queue } = await running((ctxs) => void sizes.push(ctxs.length));
    await queue.addBulk(items(34));
    await world.clock.settle();
    expect(sizes).toEqual([10, 10, 10, 4]);
    expect(await queue.counts()).toMatchObject({ completed: 34 });
  });

  it('does not wait for a batch to be full', async () => {
    const seen: unknown[] = [];
    const { queue } = await running((ctxs) => void seen.push(datas(ctxs)), { batchSize: 100 });
    await queue.add(1);
    await world.clock.settle();
    expect(seen).toEqual([[1]]);
  });

  it('has its concurrency counted in batches', async () => {
    let active = 0;
    let peak = 0;
    const sizes: number[] = [];
    const { queue, engine } = await running(
      async (ctxs) => {
        sizes.push(ctxs.length);
        active += 1;
        peak = Math.max(peak, active);
        await world.clock.sleep('1s');
        active -= 1;
      },
      { concurrency: 2, batchSize: 5 },
    );
    await queue.addBulk(items(30));
    await world.clock.settle();
    expect(engine.health().running).toBe(10);
    await world.clock.advance('1m');
    expect(peak).toBe(2);
    expect(sizes).toEqual([5, 5, 5, 5, 5, 5]);
    expect(await queue.counts()).toMatchObject({ completed: 30, active: 0 });
  });

  it('completes all with void', async () => {
    const { queue } = await running(async () => Promise.resolve());
    await queue.addBulk(items(3));
    await world.clock.settle();
    const { jobs } = await queue.getJobs({ status: 'completed' });
    expect(jobs.map(({ returnValue }) => returnValue)).toEqual([undefined, undefined, undefined]);
  });

  it('may return PromiseSettledResult[] per item; missing ones are retried', async () => {
    const attempts: unknown[] = [];
    const { queue, failures } = await running((ctxs) => {
      attempts.push(datas(ctxs));
      return ctxs.length > 1 ? [ok('a'), bad(new Error('b')), bad(new NonRetryableError('c'))] : [ok('again')];
    });
    const jobs = await queue.addBulk(items(4));
    await world.clock.advance('10s');
    const now = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(now.map((job) => [job?.status, job?.attemptMade, job?.returnValue])).toEqual([
      ['completed', 1, 'a'],
      // Both come back in one batch, are answered in order, and the second is missing once more.
      expect.arrayContaining(['completed', 2]),
      ['failed', 1, undefined],
      expect.arrayContaining(['completed']),
    ]);
    expect(attempts[0]).toEqual([0, 1, 2, 3]);
    expect(failures.map(({ error }) => error.message)).toEqual(['c']);
  });

  it('says of a missing one that it was missing, and fails it when its attempts are used up', async () => {
    const { queue } = await running(() => []);
    const [job] = await queue.addBulk(items(1));
    await world.clock.settle();
    expect(await queue.getJob(job?.id ?? '')).toMatchObject({ status: 'delayed', error: { code: 'MISSING_IN_BATCH' } });
    await world.clock.advance('10s');
    expect(await queue.getJob(job?.id ?? '')).toMatchObject({ status: 'failed', attemptMade: 3 });
  });

  it('fails an item without another attempt when nobody can tell what was answered for it', async () => {
    const { queue } = await running(
      (ctxs) => Promise.all(ctxs.map(({ data }) => data)) as unknown as PromiseSettledResult<unknown>[],
    );
    const jobs = await queue.addBulk(items(2));
    await world.clock.advance('10s');
    for (const { id } of jobs) {
      expect(await queue.getJob(id)).toMatchObject({
        status: 'failed',
        attemptMade: 1,
        error: { code: 'INVALID_BATCH_ANSWER', message: expect.stringContaining('Promise.allSettled') as unknown },
      });
    }
  });

  it.each<[string, () => never]>([
    [
      'a throw',
      () => {
        throw new Error('down');
      },
    ],
    ['a rejection', (() => Promise.reject(new Error('down'))) as unknown as () => never],
  ])('%s retries all', async (_title, handler) => {
    let calls = 0;
    const { queue, failures } = await running(() => {
      calls += 1;
      return handler();
    });
    await queue.addBulk(items(3));
    await world.clock.settle();
    expect(await queue.counts()).toMatchObject({ delayed: 3 });
    await world.clock.advance('10s');
    expect(calls).toBe(3);
    expect(failures).toHaveLength(3);
    expect(await queue.counts()).toMatchObject({ failed: 3 });
  });

  it('a throw may say what to do, for all of them', async () => {
    let calls = 0;
    const { queue } = await running(() => {
      calls += 1;
      if (calls === 1) throw new ReleaseError('5s');
    });
    await queue.addBulk(items(3));
    await world.clock.advance('4s');
    expect(calls).toBe(1);
    await world.clock.advance('2s');
    const { jobs } = await queue.getJobs({ status: 'completed' });
    expect(jobs.map(({ attemptMade }) => attemptMade)).toEqual([1, 1, 1]);
  });

  it('a context is of its own for each item: discard, progress, logs', async () => {
    const { queue } = await running((ctxs) => {
      for (const ctx of ctxs) {
        ctx.progress(Number(ctx.data) * 10);
        ctx.log.info(`item ${String(ctx.data)}`);
        if (ctx.data === 1) ctx.discard('not wanted');
      }
    });
    const jobs = await queue.addBulk(items(3));
    await world.clock.settle();
    const now = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(now.map((job) => [job?.status, job?.progressPercent, job?.logs[0]?.message])).toEqual([
      ['completed', 0, 'item 0'],
      ['failed', 10, 'item 1'],
      ['completed', 20, 'item 2'],
    ]);
  });

  it('together with handler, or handlers, is an error', () => {
    const engine = world.engine();
    const processBatch = (): void => undefined;
    expect(() => engine.queue({ name: 'q', handler: () => 1, processBatch })).toThrow(
      /processBatch: it takes every job/,
    );
    expect(() => engine.worker({ topic: 'q', handlers: { a: () => 1 }, processBatch })).toThrow(/processBatch/);
    expect(() => engine.worker({ topic: 'q', processBatch, batchSize: 0 })).toThrow(/batchSize: expected a whole/);
  });
});

describe('the items of a batch', () => {
  it('time out one by one; the others go on', async () => {
    const aborted: unknown[] = [];
    const { queue, engine } = await running(
      async (ctxs) => {
        for (const ctx of ctxs)
          ctx.signal.addEventListener('abort', () => aborted.push([ctx.data, ctx.abortReason?.kind]));
        await world.clock.sleep('5s');
        return ctxs.map(() => ok('done'));
      },
      { retries: { max: 0 } },
    );
    const jobs = await queue.addBulk([
      { data: 0, opts: { timeout: '1s' } },
      { data: 1 },
      { data: 2, opts: { timeout: '3s' } },
    ]);
    await world.clock.advance('2s');
    expect(await queue.getJob(jobs[0]?.id ?? '')).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } });
    await world.clock.advance('1m');
    const now = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(now.map((job) => job?.status)).toEqual(['failed', 'completed', 'failed']);
    expect(aborted).toEqual([
      [0, 'timeout'],
      [2, 'timeout'],
    ]);
    expect(engine.health()).toMatchObject({ running: 0, zombies: 0 });
  });

  it('hold the slot until the call returns, or until all are over and the grace has ended', async () => {
    const calls: unknown[] = [];
    const { queue, engine } = await running(
      async (ctxs) => {
        calls.push([world.clock.monotonic(), ...datas(ctxs)]);
        if (calls.length === 1) await world.hold(new Promise(() => undefined));
      },
      { concurrency: 1, batchSize: 2, timeout: '10s', abortGraceMs: '5s', retries: { max: 0 } },
    );
    await queue.addBulk(items(3));
    await world.clock.advance('14s');
    expect(calls).toEqual([[0, 0, 1]]);
    await world.clock.advance('2s');
    expect(calls).toEqual([
      [0, 0, 1],
      [15_000, 2],
    ]);
    expect(engine.health()).toMatchObject({ running: 0, zombies: 1 });
    expect(world.log.matching('error', /processBatch ignores the abort signals/)).toHaveLength(1);
  });

  it('are cancelled one by one', async () => {
    const { queue } = await running(async (ctxs) => {
      await world.clock.sleep('5s');
      return ctxs.map(({ aborted }) => ok(aborted));
    });
    const jobs = await queue.addBulk(items(3));
    await world.clock.advance('1s');
    await jobs[1]?.cancel();
    await world.clock.advance('10s');
    const now = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(now.map((job) => [job?.status, job?.returnValue])).toEqual([
      ['completed', false],
      ['cancelled', undefined],
      ['completed', false],
    ]);
  });

  it('pass their gates one by one before', async () => {
    const batches: unknown[] = [];
    const { queue } = await running((ctxs) => void batches.push(datas(ctxs)), {
      rateLimiter: { check: (ctx) => ctx.data !== 1 || world.clock.monotonic() > 0 },
      hooks: {
        beforeRun: (ctx) => {
          if (ctx.data === 2) throw new NonRetryableError('not this one');
        },
      },
    });
    const jobs = await queue.addBulk(items(4));
    await world.clock.settle();
    expect(batches).toEqual([[0, 3]]);
    await world.clock.advance('10s');
    expect(batches).toEqual([[0, 3], [1]]);
    expect(await queue.getJob(jobs[2]?.id ?? '')).toMatchObject({
      status: 'failed',
      error: { message: 'not this one' },
    });
  });

  it('free the slot when no gate lets any of them pass', async () => {
    let denied = 0;
    const { queue, engine } = await running(() => undefined, {
      concurrency: 1,
      condition: () => {
        denied += 1;
        return denied > 4;
      },
    });
    await queue.addBulk(items(4));
    await world.clock.settle();
    expect(engine.health().running).toBe(0);
    await world.clock.advance('10s');
    expect(await queue.counts()).toMatchObject({ completed: 4 });
  });

  it('whose payload cannot be read fail alone', async () => {
    const batches: unknown[] = [];
    const { queue } = await running((ctxs) => void batches.push(datas(ctxs)), {
      codec: {
        encode: (value) => JSON.stringify(value),
        decode: (text) => {
          if (text === '1') throw new Error('unreadable');
          return JSON.parse(text) as unknown;
        },
      },
    });
    await queue.addBulk(items(3));
    await world.clock.settle();
    expect(batches).toEqual([[0, 2]]);
    expect(await queue.counts()).toMatchObject({ completed: 2, failed: 1 });
  });

  it('keep their leases while the batch runs, and are handed back when the process ends', async () => {
    const { queue, engine } = await running(() => world.never(), { lockTtlMs: '10s', heartbeatMs: '2s' });
    await queue.addBulk(items(3));
    await world.clock.advance('1m');
    expect(await queue.counts()).toMatchObject({ active: 3 });
    await world.passUntil(engine.stop(), '10s');
    expect(await world.engine().producer('q').counts()).toMatchObject({ waiting: 3, active: 0 });
  });

  it('that may be what kills processes run alone, in a batch of one', async () => {
    const frozen = new FakeOwner('frozen', world.backend.store);
    const producer = world.engine().producer('q');
    await producer.add('suspect');
    for (let crash = 1; crash <= 3; crash += 1) {
      expect((await frozen.claim('q', { leaseMs: 1_000 })).jobs).toHaveLength(1);
      await world.clock.advance('2s');
      await world.backend.store.sweep({ limit: 10 });
      await world.clock.advance('1m');
    }
    await producer.addBulk(items(4));
    const batches: unknown[][] = [];
    await running(async (ctxs) => {
      batches.push(datas(ctxs));
      await world.clock.sleep('1s');
    });
    await world.clock.advance('2m');
    expect(await producer.counts()).toMatchObject({ completed: 5 });
    expect(batches.find((batch) => batch.includes('suspect'))).toEqual(['suspect']);
  });
});

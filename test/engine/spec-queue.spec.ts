import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  InvalidPayloadError,
  JobHandle,
  JobTimeoutError,
  NonRetryableError,
  ReleaseError,
  RetryLaterError,
  type BulkItem,
  type JobContext,
  type JobStore,
  type OqronEngine,
  type Queue,
  type QueueOptions,
} from 'oqronkit';
import { gate, failureOf } from '../support/until.js';
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
const items = (n: number): BulkItem[] => Array.from({ length: n }, (_, data) => ({ data }));
const fixed = { max: 1, strategy: 'fixed', baseDelay: '1s' } as const;

/** A started engine with one queue. */
async function running(
  handler: (ctx: JobContext) => unknown,
  options: Partial<QueueOptions> = {},
): Promise<{ engine: OqronEngine; queue: Queue }> {
  const engine = world.engine();
  const queue = engine.queue<unknown, unknown>({ name: 'q', retries: fixed, handler, ...options });
  await engine.start();
  return { engine, queue };
}

describe('Handle', () => {
  it('`add(data, opts?)` -> `{ id, created, status, waitUntilFinished({ timeout }), cancel(reason?) , ...job }`', async () => {
    const { queue } = await running(({ data }) => world.clock.sleep('5s').then(() => ({ got: data })));
    const job = await queue.add({ n: 1 }, { priority: 3, tags: ['t'] });
    expect(job).toBeInstanceOf(JobHandle);
    expect(job).toMatchObject({
      id: expect.any(String) as unknown,
      created: true,
      status: 'waiting',
      queueName: 'q',
      name: 'default',
      data: { n: 1 },
      priority: 3,
      tags: ['t'],
      attemptMade: 0,
      createdAt: world.clock.now(),
      runAt: world.clock.now(),
    });
    expect(await world.passUntil(job.waitUntilFinished({ timeout: '10s' }))).toEqual({ got: { n: 1 } });
    const other = await queue.add(2, { delay: '1h' });
    const began = world.clock.now();
    const timeout = await failureOf(world.passUntil(other.waitUntilFinished({ timeout: '3s' }), '100ms'));
    expect(timeout).toMatchObject({ code: 'WAIT_TIMEOUT' });
    expect(world.clock.now() - began).toBe(3_000);
    expect(await other.cancel('not needed')).toBe('cancelled');
    expect(await queue.getJob(other.id)).toMatchObject({ status: 'cancelled', reason: 'not needed' });
  });

  it('`add(name, data, opts?)` for named jobs', async () => {
    interface Mails {
      welcome: { to: string };
      reset: { token: string };
    }
    const engine = world.engine();
    const seen: string[] = [];
    const mail = engine.queue(defineQueue<Mails>('mail'), {
      handlers: {
        welcome: ({ data, name }) => seen.push(`${name} ${data.to}`),
        reset: ({ data, name }) => seen.push(`${name} ${data.token}`),
      },
    });
    await engine.start();
    const job = await mail.add('welcome', { to: 'ada' }, { priority: 4 });
    expect(job).toMatchObject({ name: 'welcome', priority: 4 });
    await mail.add('reset', { token: 't' });
    await world.clock.settle();
    expect(seen.sort()).toEqual(['reset t', 'welcome ada']);
  });

  it('`addBulk(items)` (all or nothing per chunk of at most 1 000 items and 1 MiB, order kept)', async () => {
    const chunks: number[] = [];
    let refuse = Infinity;
    const backend = wrapBackend(world.backend, (operation, args, run) => {
      if (operation !== 'enqueue') return run();
      const [, , groups] = args as Parameters<JobStore['enqueue']>;
      for (const group of groups) chunks.push(group.length);
      if (chunks.length > refuse) throw new Error('the store is down');
      return run();
    });
    const queue = world.engine({}, { backend }).queue<unknown>({ name: 'q' });
    const jobs = await queue.addBulk(items(2_300));
    expect(jobs.map(({ data }) => data)).toEqual(items(2_300).map(({ data }) => data));
    const order: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await queue.getJobs({
        status: 'waiting',
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      order.push(...page.jobs.map(({ data }) => data));
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(order).toEqual(items(2_300).map(({ data }) => data));
    expect(Math.max(...chunks)).toBeLessThanOrEqual(1_000);
    expect(chunks.reduce((sum, n) => sum + n, 0)).toBe(2_300);
    // 10 items of 200 KiB: at most 5 of them fit into one MiB.
    chunks.length = 0;
    const large = world.engine({}, { backend }).queue<unknown>({ name: 'large' });
    await large.addBulk(Array.from({ length: 10 }, () => ({ data: 'x'.repeat(200 * 1024) })));
    expect(chunks).toEqual([5, 5]);
    // A chunk that is refused leaves nothing of itself.
    refuse = 1;
    chunks.length = 0;
    const half = world.engine({}, { backend }).queue<unknown>({ name: 'half' });
    expect((await failureOf(half.addBulk(items(2_000)))).message).toContain('down');
    expect(await half.count()).toBe(1_000);
    // Nothing at all where an item is bad.
    expect(await failureOf(half.addBulk([...items(5), { data: 1n }]))).toBeInstanceOf(InvalidPayloadError);
    expect(await half.count()).toBe(1_000);
  });

  it('`getJob`, `getJobs({ status, limit, cursor })`, `count(status?)`, `counts()`', async () => {
    const queue = world.engine().queue({ name: 'q' });
    const jobs = await queue.addBulk(items(7));
    const later = await queue.add(8, { delay: '1h' });
    expect(await queue.getJob(later.id)).toMatchObject({ id: later.id, status: 'delayed', data: 8 });
    expect(await queue.getJob('nobody')).toBeUndefined();
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await queue.getJobs({ status: 'waiting', limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      pages.push(page.jobs.map(({ id }) => id));
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(jobs.map(({ id }) => id));
    expect([await queue.count('waiting'), await queue.count('delayed'), await queue.count()]).toEqual([7, 1, 8]);
    expect(await queue.counts()).toEqual({
      waiting: 7,
      delayed: 1,
      'waiting-children': 0,
      paused: 0,
      active: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    });
  });

  it('`drain` (finish what runs, then pause)', async () => {
    const { queue } = await running(() => world.clock.sleep('10s'), { concurrency: 2 });
    await queue.addBulk(items(3));
    await world.clock.advance('1s');
    await world.passUntil(queue.drain());
    expect(await queue.counts()).toMatchObject({ completed: 2, waiting: 1, active: 0 });
    expect(await queue.isPaused()).toBe(true);
    await world.clock.advance('1m');
    expect(await queue.count('waiting')).toBe(1);
  });

  it('`obliterate({ force? })` -> count', async () => {
    const { queue } = await running(() => world.never(), { concurrency: 1 });
    await queue.addBulk(items(4));
    await queue.add(9, { delay: '1h' });
    await world.clock.settle();
    expect(await queue.obliterate()).toBe(4);
    expect(await queue.counts()).toMatchObject({ active: 1, waiting: 0, delayed: 0 });
    expect(await queue.obliterate({ force: true })).toBe(1);
    expect(await queue.count()).toBe(0);
  });

  it('`deadLetters({ limit, cursor })`, `redrive({ limit, filter })`', async () => {
    const { queue } = await running(fail, { retries: { max: 0 }, concurrency: 1 });
    for (const n of [1, 2, 3, 4, 5]) {
      await queue.add(n, { tags: [n % 2 ? 'odd' : 'even'] });
      await world.clock.advance('1s');
    }
    const first = await queue.deadLetters({ limit: 3 });
    const second = await queue.deadLetters({ limit: 3, cursor: first.cursor as string });
    expect([...first.jobs, ...second.jobs].map(({ data }) => data)).toEqual([5, 4, 3, 2, 1]);
    expect(second.cursor).toBeUndefined();
    await queue.pause();
    const ids = await queue.redrive({ limit: 1, filter: { tag: 'even' } });
    expect(ids).toHaveLength(1);
    expect(await queue.getJob(ids[0] as string)).toMatchObject({ status: 'waiting', data: 4 });
    expect(await queue.redrive({ filter: { tag: 'odd' } })).toHaveLength(3);
    expect((await queue.deadLetters()).jobs.map(({ data }) => data)).toEqual([2]);
  });

  it('`updateData(id, data)` and `changeDelay(id, ms)` for jobs that have not started', async () => {
    const seen: unknown[] = [];
    const { queue } = await running(async ({ data }) => {
      seen.push(data);
      await world.clock.sleep('10s');
    });
    const late = await queue.add({ n: 1 }, { delay: '1h' });
    await queue.updateData(late.id, { n: 2 });
    await queue.changeDelay(late.id, 2_000);
    await world.clock.advance('1s');
    expect(seen).toEqual([]);
    await world.clock.advance('1s');
    expect(seen).toEqual([{ n: 2 }]);
    // It runs now, and then it has ended.
    for (const passes of ['1s', '1m'] as const) {
      await world.clock.advance(passes);
      expect(await failureOf(queue.updateData(late.id, { n: 3 }))).toMatchObject({ code: 'JOB_STATE' });
      expect(await failureOf(queue.changeDelay(late.id, 1))).toMatchObject({ code: 'JOB_STATE' });
    }
    expect((await queue.getJob(late.id))?.data).toEqual({ n: 2 });
  });

  it('Pause lives in the store: it survives restarts and reaches every process within 1 s. Running jobs finish.', async () => {
    const started: [string, number][] = [];
    const finished: string[] = [];
    const spawn = async (name: string): Promise<OqronEngine> => {
      const engine = world.engine();
      const handler = async (): Promise<void> => {
        started.push([name, world.clock.monotonic()]);
        await world.clock.sleep('400ms');
        finished.push(name);
      };
      engine.worker({ topic: 'q', concurrency: 2, handler });
      await engine.start();
      return engine;
    };
    const fleet = [await spawn('a'), await spawn('b'), await spawn('c')];
    const admin = world.engine().queue({ name: 'q' });
    await admin.addBulk(items(200));
    await world.clock.advance(900);
    const at = world.clock.monotonic();
    const before = started.length;
    await admin.pause();
    await world.clock.advance('1s');
    const after = started.length;
    expect(new Set(started.map(([name]) => name)).size).toBe(3);
    await world.clock.advance('1m');
    expect(started).toHaveLength(after);
    expect(finished).toHaveLength(after);
    expect(after - before).toBe(0);
    expect(Math.max(...started.map(([, time]) => time))).toBeLessThanOrEqual(at);
    // Everybody restarts.
    for (const engine of fleet) await engine.stop();
    await spawn('again');
    await world.clock.advance('5m');
    expect(started).toHaveLength(after);
    expect(await admin.isPaused()).toBe(true);
    await admin.resume();
    await world.clock.advance('1m');
    expect(await admin.count('completed')).toBe(200);
  });
});

describe('Execution order', () => {
  it('Timeout aborts the signal, fails the attempt with `JobTimeoutError` and **is retried** like any failure', async () => {
    const told: string[] = [];
    const errors: unknown[] = [];
    const { queue } = await running(
      async (ctx) => {
        if (ctx.attempt === 2) return 'second';
        await world.hold(new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)));
        told.push(String(ctx.abortReason?.kind));
        return 'late';
      },
      { timeout: '2s', hooks: { onError: (_job, error) => errors.push(error) } },
    );
    const { id } = await queue.add(1);
    await world.clock.advance('2s');
    expect(told).toEqual(['timeout']);
    expect(await queue.getJob(id)).toMatchObject({ status: 'delayed', error: { name: 'JobTimeoutError' } });
    expect(errors[0]).toBeInstanceOf(JobTimeoutError);
    await world.clock.advance('1s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'second', attemptMade: 2 });
  });

  it.each<[string, () => unknown, string]>([
    ['return', () => 'ignored', 'enough'],
    ['throw', fail, 'broken'],
  ])('`discard()` then %s: failed, no retry, dead letter', async (_how, then, message) => {
    let runs = 0;
    const { queue } = await running((ctx) => {
      runs += 1;
      ctx.discard('enough');
      return then();
    });
    const { id } = await queue.add(1, { attempts: 5 });
    await world.clock.advance('10m');
    expect(runs).toBe(1);
    expect(await queue.getJob(id)).toMatchObject({ status: 'failed', attemptMade: 1, returnValue: undefined });
    const { jobs } = await queue.deadLetters();
    expect(jobs.map((job) => [job.id, job.error?.message])).toEqual([[id, expect.stringContaining(message)]]);
  });

  it('`NonRetryableError` fails at once; `RetryLaterError(delay)` sets the delay and consumes an attempt; `ReleaseError(delay)` does not', async () => {
    const at: [unknown, number, number][] = [];
    const { queue } = await running((ctx) => {
      at.push([ctx.data, world.clock.monotonic(), ctx.attempt]);
      if (ctx.data === 'never') throw new NonRetryableError('no');
      if (ctx.data === 'later') throw new RetryLaterError('7s');
      if (at.filter(([data]) => data === 'release').length < 4) throw new ReleaseError('9s');
      return 'done';
    });
    const jobs: Record<string, string> = {};
    for (const data of ['never', 'later', 'release']) jobs[data] = (await queue.add('default', data)).id;
    await world.clock.advance('10m');
    const of = (data: string) => at.filter(([which]) => which === data).map(([, time, attempt]) => [time, attempt]);
    expect(of('never')).toEqual([[0, 1]]);
    expect(of('later')).toEqual([
      [0, 1],
      [7_000, 2],
    ]);
    expect(of('release')).toEqual([0, 9_000, 18_000, 27_000].map((time) => [time, 1]));
    const status = async (data: string) => (await queue.getJob(jobs[data] as string))?.status;
    expect([await status('never'), await status('later'), await status('release')]).toEqual([
      'failed',
      'failed',
      'completed',
    ]);
  });

  it.each<[string, (ctxs: readonly JobContext[]) => unknown, [string, number][]]>([
    [
      'may return `PromiseSettledResult[]` per item; missing ones are retried',
      (ctxs) =>
        ctxs
          .slice(0, 2)
          .map(({ data }) =>
            data === 0 ? { status: 'fulfilled', value: 'ok' } : { status: 'rejected', reason: new Error('bad') },
          ),
      [
        ['completed', 1],
        ['delayed', 1],
        ['delayed', 1],
      ],
    ],
    [
      'a throw retries all',
      fail,
      [
        ['delayed', 1],
        ['delayed', 1],
        ['delayed', 1],
      ],
    ],
    [
      'void completes all',
      () => undefined,
      [
        ['completed', 1],
        ['completed', 1],
        ['completed', 1],
      ],
    ],
  ])('`processBatch(ctxs)` %s', async (_what, processBatch, expected) => {
    const engine = world.engine();
    const queue = engine.queue({ name: 'q', retries: fixed, processBatch: processBatch as never });
    await engine.start();
    const jobs = await queue.addBulk(items(3));
    await world.clock.settle();
    const now = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    expect(now.map((job) => [job?.status, job?.attemptMade])).toEqual(expected);
  });
});

describe('disabledBehavior (queue or module switched off at run time)', () => {
  it('is decided in the enqueue transition: an add that is under way as the queue is switched off is held', async () => {
    const open = gate();
    let sent = false;
    const backend = wrapBackend(world.backend, async (operation, _args, run) => {
      if (operation === 'enqueue') {
        sent = true;
        await open.opened;
      }
      return run();
    });
    const queue = world.engine({}, { backend }).queue({ name: 'q' });
    const adding = queue.add(1);
    await world.clock.settle();
    expect(sent).toBe(true);
    const admin = world.engine();
    await admin.queue({ name: 'q' }).add(0, { delay: '1h' });
    await admin.manager.disableInstance('queue', 'q');
    open.open();
    expect((await adding).status).toBe('paused');
  });

  it.each([
    ['hold', { paused: 2 }],
    ['skip', { paused: 0 }],
    ['reject', { paused: 0 }],
  ] as const)('a module switched off: %s', async (disabledBehavior, counts) => {
    const engine = world.engine();
    const queue = engine.queue<number>({ name: 'q', disabledBehavior, handler: () => 1 });
    await engine.start();
    await engine.manager.disableModule('queue');
    const outcomes = await Promise.allSettled([queue.add(1), queue.add(2)]);
    if (disabledBehavior === 'reject') expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    else {
      expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }]);
      const skipped = outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value.skipped);
      expect(skipped).toEqual([disabledBehavior === 'skip', disabledBehavior === 'skip']);
    }
    expect(await queue.counts()).toMatchObject({ ...counts, waiting: 0, completed: 0 });
    await engine.manager.enableModule('queue');
    await world.clock.advance('10s');
    expect(await queue.counts()).toMatchObject({ paused: 0, completed: counts.paused });
  });
});

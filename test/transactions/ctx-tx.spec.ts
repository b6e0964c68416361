import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobContext, JobTransactionClient, OqronEngine, Queue, QueueOptions } from 'oqronkit';
import { withTransactions, type CommitFate, type FakeTransactions } from '../support/fake-transactions.js';
import { failureOf } from '../support/until.js';
import { World } from '../support/world.js';

// What the runtime makes of transactions, on a virtual clock and a store that only pretends to have them.

let world: World;
let transactions: FakeTransactions;
let engine: OqronEngine;
let seen: string[];

beforeEach(() => {
  world = new World();
  seen = [];
});
afterEach(() => world.end());

const write = (ctx: JobContext, text: string) => (client: JobTransactionClient) =>
  client.query(text).then(() => `${ctx.attempt}:${text}`);

async function running(
  handler: ((ctx: JobContext<string>) => unknown) | undefined,
  options: Partial<QueueOptions<string>> = {},
  commits: readonly CommitFate[] = [],
): Promise<Queue<string, unknown>> {
  const made = withTransactions(world.backend);
  transactions = made.transactions;
  transactions.commits.push(...commits);
  engine = world.engine({}, { backend: made.backend });
  const events = ['job:success', 'job:fail', 'job:retry', 'job:released', 'worker:lost-lease'] as const;
  for (const event of events) engine.on(event, ({ id }) => seen.push(`${event} ${id}`));
  const queue = engine.queue<string, unknown>({
    name: 'q',
    concurrency: 1,
    retries: { max: 2, strategy: 'fixed', baseDelay: '1s' },
    ...(handler ? { handler } : {}),
    ...options,
  } as never);
  await engine.start();
  return queue;
}

const add = (queue: Queue<string, unknown>, id = 'a') => queue.add('default', 'x', { jobId: id });

describe('ctx.tx', () => {
  it('completes the job with what its work answers; nothing settles it again', async () => {
    const queue = await running((ctx) => ctx.tx(write(ctx, 'paid')));
    await add(queue);
    await add(queue, 'b');
    await world.clock.advance('1s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', returnValue: '1:paid' });
    expect(await queue.getJob('b')).toMatchObject({ status: 'completed' });
    expect(transactions.effects).toEqual(['paid', 'paid']);
    expect(seen).toEqual(['job:success a', 'job:success b']);
    expect(engine.health().running).toBe(0);
  });

  it('takes the next job without waiting for a poll', async () => {
    const queue = await running((ctx) => ctx.tx(write(ctx, ctx.data)));
    await queue.addBulk(Array.from({ length: 50 }, (_, i) => ({ data: String(i) })));
    await world.clock.settle();
    expect(transactions.effects).toHaveLength(50);
  });

  it('a throw in it rolls back, and the attempt fails as usual', async () => {
    const queue = await running((ctx) =>
      ctx.tx(async (client) => {
        await client.query('paid');
        if (ctx.attempt === 1) throw new Error('no');
      }),
    );
    await add(queue);
    await world.clock.advance('2s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 2 });
    expect(transactions).toMatchObject({ effects: ['paid'], rolledBack: 1 });
    expect(seen).toEqual(['job:retry a', 'job:success a']);
  });

  it('progress and logs go with it; after a rollback they are not lost', async () => {
    const queue = await running((ctx) =>
      ctx.tx(async () => {
        ctx.log.info(`attempt ${ctx.attempt}`);
        ctx.progress(50);
        await Promise.resolve();
        if (ctx.attempt === 1) throw new Error('no');
      }),
    );
    await add(queue);
    await world.clock.advance('2s');
    const job = await queue.getJob('a');
    expect(job?.logs?.map(({ message }) => message)).toEqual(['attempt 1', 'attempt 2']);
    expect(job).toMatchObject({ status: 'completed', progressPercent: 50 });
  });

  it('a throw after it is logged and changes nothing', async () => {
    const queue = await running(async (ctx) => {
      await ctx.tx(write(ctx, 'paid'));
      throw new Error('too late');
    });
    await add(queue);
    await world.clock.advance('5s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(seen).toEqual(['job:success a']);
    expect(world.log.matching('error', /threw after ctx\.tx/)).toMatchObject([{ context: { error: /too late/ } }]);
  });

  it('a second one is refused, also beside the first; after a rollback it is not', async () => {
    const errors: unknown[] = [];
    const queue = await running(async (ctx) => {
      await failureOf(ctx.tx(() => Promise.reject(new Error('once more'))));
      const first = ctx.tx(write(ctx, 'paid'));
      errors.push(await failureOf(ctx.tx(write(ctx, 'beside'))));
      await first;
      errors.push(await failureOf(ctx.tx(write(ctx, 'after'))));
    });
    await add(queue);
    await world.clock.advance('1s');
    expect(errors).toMatchObject([{ code: 'SECOND_TX' }, { code: 'SECOND_TX' }]);
    expect(transactions).toMatchObject({ effects: ['paid'], rolledBack: 1 });
  });

  it('one that was not awaited decides all the same', async () => {
    const queue = await running((ctx) => {
      void ctx.tx(async (client) => {
        await world.clock.sleep('1s');
        await client.query('paid');
        if (ctx.attempt === 1) throw new Error('no');
      });
      return 'forgotten';
    });
    await add(queue);
    await world.clock.advance('5s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 2, returnValue: undefined });
    expect(transactions.effects).toEqual(['paid']);
    expect(seen).toEqual(['job:retry a', 'job:success a']);
  });

  it('an unknown `using` is refused before anything is opened', async () => {
    const errors: unknown[] = [];
    const queue = await running(async (ctx) => {
      for (const using of [{}, 'postgresql://localhost', null, { query: () => undefined }]) {
        errors.push(await failureOf(ctx.tx(() => Promise.resolve(), { using })));
      }
    });
    await add(queue);
    await world.clock.advance('1s');
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(Array(4).fill('INVALID_OPTIONS'));
    expect(String(errors[0])).toMatch(/pg\.Pool.*Drizzle.*Knex.*Kysely.*TypeORM.*Prisma.*MikroORM/);
    expect(transactions.opened).toBe(0);
  });

  it('a result that cannot be kept rolls back and fails for good', async () => {
    const queue = await running((ctx) => ctx.tx(() => Promise.resolve('x'.repeat(70_000))));
    await add(queue);
    await world.clock.advance('5s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'failed', attemptMade: 1 });
    expect(transactions).toMatchObject({ effects: [], rolledBack: 1 });
  });

  it('`discard` in it rolls back and fails for good', async () => {
    const queue = await running((ctx) =>
      ctx.tx(async (client) => {
        await client.query('paid');
        ctx.discard('not wanted');
      }),
    );
    await add(queue);
    await world.clock.advance('5s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'failed', attemptMade: 1 });
    expect(transactions.effects).toEqual([]);
  });

  it('in `processBatch` completes its own job only', async () => {
    const queue = await running(undefined, {
      processBatch: (ctxs: readonly JobContext<string>[]) =>
        Promise.allSettled(
          ctxs.map((ctx) => (ctx.data === 'none' ? Promise.reject(new Error('no')) : ctx.tx(write(ctx, ctx.data)))),
        ),
      retries: { max: 0 },
    } as never);
    await queue.addBulk(['one', 'none', 'two'].map((data) => ({ data, opts: { jobId: data } })));
    await world.clock.advance('1s');
    expect(await queue.counts()).toMatchObject({ completed: 2, failed: 1 });
    expect(await queue.getJob('two')).toMatchObject({ returnValue: '1:two' });
    await add(queue, 'later');
    await world.clock.advance('1s');
    expect(await queue.getJob('later')).toMatchObject({ status: 'completed' });
  });

  it('in `beforeRun` completes the job, and the handler is not called', async () => {
    const calls: string[] = [];
    const queue = await running((ctx) => calls.push(ctx.id), {
      hooks: { beforeRun: (ctx: JobContext) => ctx.tx(write(ctx, 'paid')) },
    } as never);
    await add(queue);
    await add(queue, 'b');
    await world.clock.advance('1s');
    expect(calls).toEqual([]);
    expect(await queue.counts()).toMatchObject({ completed: 2 });
    expect(engine.health().running).toBe(0);
  });
});

describe('a COMMIT without an answer', () => {
  const once = (ctx: JobContext) => ctx.tx(write(ctx, 'paid'));

  it.each(['broken-after', 'hangs-after'] as const)('that arrived (%s) completes the job', async (fate) => {
    const queue = await running(once, {}, [fate]);
    await add(queue);
    await world.clock.advance('40s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(transactions.effects).toEqual(['paid']);
    expect(seen).toEqual(['job:success a']);
  });

  it.each(['refused', 'broken-before'] as const)('that did not arrive (%s) fails the attempt', async (fate) => {
    const queue = await running(once, {}, [fate]);
    await add(queue);
    await world.clock.advance('2s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 2 });
    expect(transactions.effects).toEqual(['paid']);
    expect(seen).toEqual(['job:retry a', 'job:success a']);
  });

  it('is looked up again while the row is locked, and while the store is away', async () => {
    const queue = await running(once, {}, ['broken-after']);
    transactions.looks.push('busy', 'unreachable', 'busy');
    await add(queue);
    await world.clock.advance('2s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(seen).toEqual(['job:success a']);
  });

  it('and of which nobody knows in time is given up with its lease', async () => {
    const errors: unknown[] = [];
    const queue = await running(
      (ctx) =>
        once(ctx).catch((error: unknown) => {
          errors.push(error);
          throw error;
        }),
      {},
      ['broken-after'],
    );
    transactions.looks.push(...Array<'busy'>(1_000).fill('busy'));
    await add(queue);
    await world.clock.advance('1m');
    expect(errors).toMatchObject([{ code: 'UNKNOWN_OUTCOME' }]);
    expect(seen).toEqual(['worker:lost-lease a']);
    expect(transactions.effects).toEqual(['paid']);
    expect(engine.health().running).toBe(0);
  });

  it('is not overtaken by the timeout of the attempt', async () => {
    const queue = await running(once, { timeout: '1s' } as never, ['broken-after']);
    transactions.looks.push(...Array<'busy'>(8).fill('busy'));
    await add(queue);
    await world.clock.advance('5s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(seen).toEqual(['job:success a']);
  });
});

describe('a handler that is told to stop', () => {
  const slow = (ctx: JobContext) =>
    ctx.tx(async (client) => {
      await client.query('paid');
      if (ctx.attempt === 1) await world.clock.sleep('3s');
    });

  it('before the commit by its timeout: rolled back, and tried again', async () => {
    const queue = await running(slow, { timeout: '2s' } as never);
    await add(queue);
    await world.clock.advance('10s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 2 });
    expect(transactions).toMatchObject({ effects: ['paid'], rolledBack: 1 });
  });

  it('before the commit by a cancel: rolled back', async () => {
    const queue = await running(slow);
    await add(queue);
    await world.clock.advance('1s');
    await (await queue.getJob('a'))?.cancel('changed my mind');
    await world.clock.advance('10s');
    expect(await queue.getJob('a')).toMatchObject({ status: 'cancelled' });
    expect(transactions).toMatchObject({ effects: [], rolledBack: 1 });
    expect(engine.health().running).toBe(0);
  });

  it('by a shutdown: one that commits is completed, with an empty answer too', async () => {
    const queue = await running(slow);
    await add(queue);
    await world.clock.advance('1s');
    await world.passUntil(engine.stop());
    expect((await world.backend.store.admin.get('q', 'a'))?.status).toBe('completed');
    expect(transactions.effects).toEqual(['paid']);
  });

  it('after the commit: a shutdown waits for what it still does, a timeout frees its slot', async () => {
    const done: string[] = [];
    const queue = await running(
      async (ctx) => {
        await ctx.tx(write(ctx, 'paid'));
        await world.clock.sleep(ctx.id === 'a' ? '20s' : '2s');
        done.push(ctx.id);
      },
      { timeout: '5s', abortGraceMs: 1_000 } as never,
    );
    await add(queue);
    await add(queue, 'b');
    await world.clock.advance('7s');
    expect(await queue.counts()).toMatchObject({ completed: 2 });
    await world.passUntil(engine.stop(), '100ms');
    expect(done).toEqual(['b']);
    expect(seen).toEqual(['job:success a', 'job:success b']);
  });

  it('its lease gone before the last statement: rolled back with LeaseLostError', async () => {
    const errors: unknown[] = [];
    const queue = await running((ctx) =>
      ctx
        .tx(async (client) => {
          await client.query('paid');
          await world.backend.store.admin.obliterate({ client: 'somebody', n: 1, acked: 0 }, 'q', {
            limit: 10,
            force: true,
          });
        })
        .catch((error: unknown) => {
          errors.push(error);
          throw error;
        }),
    );
    await add(queue);
    await world.clock.advance('1s');
    expect(errors).toMatchObject([{ code: expect.stringMatching(/LEASE_LOST|JOB_ABORTED/) as unknown }]);
    expect(transactions).toMatchObject({ effects: [], rolledBack: 1 });
    expect(engine.health().running).toBe(0);
  });
});

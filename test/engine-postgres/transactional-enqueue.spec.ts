import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Pool, type PoolClient } from 'pg';
import { OqronEngine, queueModule, type EngineEvents, type JobContext, type QueueOptions } from 'oqronkit';
import { createPostgresBackend } from '../../lib/backends/postgres/index.js';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { failureOf, gate, until } from '../support/until.js';

let space: PostgresSpace;
let pool: Pool;
let engines: OqronEngine[];
let environments = 0;
let environment: string;

beforeAll(async () => {
  space = await postgresSpace();
  pool = new Pool({ connectionString: space.url, max: 20 });
  pool.on('error', () => undefined);
});
afterAll(() => pool.end());
beforeEach(() => {
  engines = [];
  environment = `enqueue-${(environments += 1)}`;
});
afterEach(async () => {
  for (const engine of engines) await engine.stop();
});

function engineOf(config: object = {}): OqronEngine {
  const postgres = { connectionString: space.url, schema: space.schema, poolSize: 4 };
  const engine = new OqronEngine({ mode: 'db', postgres, environment, logger: new RecordingLogger(), ...config });
  engines.push(engine);
  return engine;
}

/** A producer, and a consumer of the same queue in another engine that notes what it ran. */
async function running(options: Partial<QueueOptions<string>> = {}) {
  const ran: string[] = [];
  const worker = engineOf();
  worker.queue<string>({
    name: 'q',
    pollIntervalMs: 500,
    handler: (ctx: JobContext<string>) => void ran.push(ctx.data),
    ...options,
  } as never);
  await worker.start();
  await untilIdle();
  const producer = engineOf({ modules: [queueModule({ consume: false })] });
  const queue = producer.queue<string>({ name: 'q' });
  await queue.counts();
  return { queue, ran, worker, producer };
}

/** Its first claim is over: from now on it hears of jobs. */
async function untilIdle(): Promise<void> {
  const idle = space.names.sql('select from oqron.idle where queue_id = (select max(id) from oqron.queue)');
  await until('a worker that waits', async () => (await pool.query(idle)).rowCount);
}

async function transaction<T>(
  work: (client: PoolClient) => Promise<T>,
  end: 'commit' | 'rollback' = 'commit',
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const answer = await work(client);
    await client.query(end);
    return answer;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

describe('add in a transaction', () => {
  it('is not seen before the commit; then it is, and wakes a worker at once', async () => {
    const { queue, ran } = await running({ pollIntervalMs: 60_000 });
    const committedAt = await transaction(async (tx) => {
      const job = await queue.add('default', 'mine', { tx });
      expect(job).toMatchObject({ created: true, status: 'waiting', data: 'mine' });
      expect(await queue.getJob(job.id)).toBeUndefined();
      expect(await queue.counts()).toMatchObject({ waiting: 0 });
      return performance.now();
    });
    await until('the job', () => ran.length > 0);
    expect(performance.now() - committedAt).toBeLessThan(3_000);
    expect(ran).toEqual(['mine']);
  });

  it('is gone after a rollback, also its id', async () => {
    const { queue, ran } = await running();
    await transaction((tx) => queue.add('default', 'never', { tx, jobId: 'one' }), 'rollback');
    expect(await queue.getJob('one')).toBeUndefined();
    expect(await queue.add('default', 'later', { jobId: 'one' })).toMatchObject({ created: true });
    await until('the later job', () => ran.includes('later'));
    expect(ran).toEqual(['later']);
  });

  it('goes with what else the transaction writes', async () => {
    await pool.query(`create table "${space.schema}".orders (id int primary key)`);
    const { queue, ran } = await running();
    const order = (id: number) =>
      transaction(async (tx) => {
        await queue.add('default', `order ${id}`, { tx });
        await tx.query(`insert into "${space.schema}".orders values ($1)`, [id]);
      }).catch((error: unknown) => error);
    await order(1);
    expect(await order(1)).toMatchObject({ code: '23505' });
    await order(2);
    await until('the second order', () => ran.includes('order 2'));
    expect(ran).toEqual(['order 1', 'order 2']);
  });

  it('keeps the order of one transaction, over `add` and `addBulk`, awaited or not', async () => {
    const { queue, ran } = await running({ concurrency: 1 });
    await transaction(async (tx) => {
      await Promise.all([
        queue.add('default', '1', { tx }),
        queue.addBulk([{ data: '2' }, { data: '3' }], { tx }),
        queue.add('default', '4', { tx }),
        queue.addBulk(['5', '6'].map((data) => ({ data, opts: { tx } }))),
      ]);
    });
    await until('six jobs', () => ran.length === 6);
    expect(ran).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('a large bulk is all or nothing', async () => {
    const { queue, ran } = await running({ concurrency: 100 });
    const items = Array.from({ length: 2_500 }, (_, i) => ({ data: String(i) }));
    await transaction((tx) => queue.addBulk(items, { tx }), 'rollback');
    expect(await queue.count()).toBe(0);
    const handles = await transaction((tx) => queue.addBulk(items, { tx }));
    expect(handles).toHaveLength(2_500);
    await until('all jobs', () => ran.length === 2_500, 15_000);
  });

  it('an id that is there already answers the job that stands', async () => {
    const { queue } = await running();
    await queue.pause();
    await queue.add('default', 'standing', { jobId: 'one' });
    await transaction(async (tx) => {
      expect(await queue.add('default', 'another', { tx, jobId: 'one' })).toMatchObject({
        created: false,
        data: 'standing',
      });
      expect(await queue.add('default', 'mine', { tx, jobId: 'two' })).toMatchObject({ created: true });
      expect(await queue.add('default', 'again', { tx, jobId: 'two' })).toMatchObject({ created: false });
    });
    expect(await queue.count('waiting')).toBe(2);
  });

  it('emits no `job:added`: nobody here learns of the commit', async () => {
    const { queue, producer } = await running();
    const added: EngineEvents['job:added'][] = [];
    producer.on('job:added', (event) => added.push(event));
    await transaction((tx) => queue.add('default', 'in it', { tx }));
    const { id } = await queue.add('default', 'beside it', {});
    expect(added.map((event) => event.id)).toEqual([id]);
  });

  it('delays, keys and priorities are kept', async () => {
    const { queue, ran } = await running();
    await transaction(async (tx) => {
      expect(await queue.add('default', 'late', { tx, delay: 600 })).toMatchObject({ status: 'delayed' });
      const deduplication = { key: 'k', mode: 'while-unfinished' } as const;
      expect(await queue.add('default', 'first', { tx, delay: 600, deduplication })).toMatchObject({ created: true });
      expect(await queue.add('default', 'second', { tx, deduplication })).toMatchObject({ created: false });
    });
    expect(ran).toEqual([]);
    await until('the delayed jobs', () => ran.length === 2);
    expect(ran.toSorted()).toEqual(['first', 'late']);
  });

  it('a queue that is switched off refuses, and the transaction can go on', async () => {
    const engine = engineOf({ modules: [queueModule({ consume: false })] });
    const closed = engine.queue<string>({ name: 'closed', disabledBehavior: 'reject' });
    const open = engine.queue<string>({ name: 'open' });
    await closed.counts();
    await engine.start();
    await (await closedBackend()).admin.disable({ client: 'test', n: 1, acked: 0 }, 'closed');
    await transaction(async (tx) => {
      expect(await failureOf(closed.add('default', 'no', { tx }))).toMatchObject({ code: 'QUEUE_DISABLED' });
      await open.add('default', 'yes', { tx });
    });
    expect(await open.count()).toBe(1);
    expect(await closed.count()).toBe(0);
  });

  async function closedBackend() {
    const postgres = { connectionString: space.url, schema: space.schema };
    const backend = createPostgresBackend({ postgres, environment });
    await backend.open();
    engines.push({ stop: () => backend.close() } as OqronEngine);
    return backend.store;
  }
});

describe('parents', () => {
  it('that are added in the same transaction run first', async () => {
    const { queue, ran } = await running({ concurrency: 5 });
    await transaction(async (tx) => {
      const parent = await queue.add('default', 'parent', { tx, delay: 300 });
      const child = await queue.add('default', 'child', { tx, dependsOn: [parent] });
      expect(child.status).toBe('waiting-children');
    });
    await until('the child', () => ran.includes('child'));
    expect(ran).toEqual(['parent', 'child']);
  });

  it('that end before the commit do not leave the child waiting', async () => {
    const { queue, ran } = await running({ concurrency: 5 });
    const parent = await queue.add('default', 'parent', { delay: 200 });
    await transaction(async (tx) => {
      await queue.add('default', 'child', { tx, dependsOn: [parent] });
      await until('the parent', () => ran.includes('parent'));
      await parent.waitUntilFinished({ timeout: 5_000 });
    });
    await queue.add('default', 'anything', {});
    await until('the child', () => ran.includes('child'), 10_000);
    expect(ran.filter((data) => data === 'child')).toHaveLength(1);
  });

  it('that had failed fail the child by its policy, after the commit', async () => {
    const { queue, ran } = await running({
      handler: (ctx: JobContext<string>) => {
        if (ctx.data === 'bad') throw new Error('no');
        ran.push(ctx.data);
      },
      retries: { max: 0 },
    });
    const bad = await queue.add('default', 'bad', {});
    await failureOf(bad.waitUntilFinished({ timeout: 5_000 }));
    const child = await transaction((tx) =>
      queue.add('default', 'child', { tx, dependsOn: [bad], parentFailurePolicy: 'cascade-fail' }),
    );
    await queue.add('default', 'anything', {});
    await until('the child to fail', async () => (await queue.getJob(child.id))?.status === 'failed', 10_000);
    expect(await queue.getJob(child.id)).toMatchObject({ attemptMade: 0, error: { code: 'PARENT_FAILED' } });
    expect(ran).not.toContain('child');
  });

  it('unknown ones are refused, and the transaction can go on', async () => {
    const { queue, ran } = await running();
    await transaction(async (tx) => {
      const dependsOn = [{ id: 'nobody', queueName: 'q' } as never];
      expect(await failureOf(queue.add('default', 'no', { tx, dependsOn }))).toMatchObject({ code: 'UNKNOWN_PARENT' });
      await queue.add('default', 'yes', { tx });
    });
    await until('the job', () => ran.includes('yes'));
  });
});

describe('an open transaction', () => {
  it('does not hold up the adds, claims and settles of others, of the same queue, keys and ids beside its own', async () => {
    const { queue, ran } = await running({ concurrency: 10 });
    const end = gate();
    const parent = await queue.add('default', 'parent', { delay: '1h' });
    const open = transaction(async (tx) => {
      await queue.addBulk(
        Array.from({ length: 100 }, (_, i) => ({ data: `open ${i}`, opts: { tx, jobId: `open-${i}` } })),
      );
      await queue.add('default', 'open child', { tx, dependsOn: [parent] });
      await queue.add('default', 'open key', { tx, deduplication: { key: 'mine', mode: 'while-unfinished' } });
      await end.opened;
    });
    await until(
      'the adds',
      async () => (await pool.query(`select 1 from pg_locks where locktype = 'transactionid'`)).rows,
    );
    const began = performance.now();
    const other = Array.from({ length: 1_000 }, (_, i) =>
      queue.add('default', `other ${i}`, {
        ...(i % 10 === 0 ? { jobId: `other-${i}` } : {}),
        ...(i % 50 === 1 ? { deduplication: { key: `other-${i}`, mode: 'while-unfinished' as const } } : {}),
        ...(i % 100 === 2 ? { dependsOn: [parent], parentFailurePolicy: 'ignore' as const } : {}),
      }),
    );
    await Promise.all(other);
    await until('the others', () => ran.length === 990, 15_000);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(ran.every((data) => data.startsWith('other'))).toBe(true);
    end.open();
    await open;
    await until('its own', () => ran.length === 990 + 101, 15_000);
  });
});

describe('spawnChild', () => {
  it('in the transaction of its handler: there when it commits, not when it is rolled back', async () => {
    const children: string[] = [];
    const { queue, worker } = await running({
      retries: { max: 1, strategy: 'fixed', baseDelay: 50 },
      handler: async (ctx: JobContext<string>) => {
        const client = await pool.connect();
        try {
          await client.query('begin');
          await ctx.spawnChild('children', `of ${ctx.data}, attempt ${ctx.attempt}`, { tx: client });
          await client.query(ctx.attempt === 1 ? 'rollback' : 'commit');
        } finally {
          client.release();
        }
        if (ctx.attempt === 1) throw new Error('again');
      },
    });
    worker.queue<string>({
      name: 'children',
      handler: (ctx: JobContext<string>) => void children.push(ctx.data),
    } as never);
    const parent = await queue.add('default', 'parent', {});
    await until('the child', () => children.length > 0, 10_000);
    await parent.waitUntilFinished({ timeout: 5_000 });
    expect(children).toEqual(['of parent, attempt 2']);
  });
});

describe('what is no open transaction', () => {
  it('is refused before anything is opened', async () => {
    const engine = new OqronEngine({
      mode: 'db',
      // Nobody listens there.
      postgres: { connectionString: 'postgresql://postgres@127.0.0.1:1/none' },
      logger: new RecordingLogger(),
    });
    const queue = engine.queue<string>({ name: 'q' });
    for (const tx of [pool, {}, 'tx', 7, await pool.connect().then((client) => (client.release(), client))]) {
      const error = await failureOf(queue.add('default', 'x', { tx: tx as never }));
      expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    }
    const mixed = queue.addBulk([{ data: 'a' }, { data: 'b', opts: { tx: { query: () => Promise.resolve([]) } } }]);
    expect(await failureOf(mixed)).toMatchObject({ code: 'INVALID_OPTIONS' });
  });
});

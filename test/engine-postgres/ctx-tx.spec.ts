import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, Pool, type PoolClient } from 'pg';
import { OqronEngine, type JobContext, type Queue, type QueueOptions } from 'oqronkit';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { failureOf, gate, until } from '../support/until.js';

let space: PostgresSpace;
let pool: Pool;
let engines: OqronEngine[];
let environments = 0;
let environment: string;
let seen: string[];
let log: RecordingLogger;

beforeAll(async () => {
  space = await postgresSpace();
  pool = new Pool({ connectionString: space.url, max: 8 });
  pool.on('error', () => undefined);
  await pool.query(`create table "${space.schema}".effect (job text not null, attempt int not null)`);
});
afterAll(() => pool.end());
beforeEach(() => {
  engines = [];
  seen = [];
  log = new RecordingLogger();
  environment = `tx-${(environments += 1)}`;
});
afterEach(async () => {
  for (const engine of engines) await engine.stop();
  await pool.query(`truncate "${space.schema}".effect`);
});

type Handler = (ctx: JobContext<string>) => unknown;

async function running(handler: Handler, options: Partial<QueueOptions<string>> = {}) {
  const postgres = { connectionString: space.url, schema: space.schema, poolSize: 4 };
  const engine = new OqronEngine({ mode: 'db', postgres, environment, logger: log });
  engines.push(engine);
  for (const event of ['job:success', 'job:fail', 'job:retry', 'worker:lost-lease'] as const) {
    engine.on(event, ({ id }) => seen.push(`${event} ${id}`));
  }
  const queue = engine.queue<string, unknown>({
    name: 'q',
    pollIntervalMs: 300,
    retries: { max: 2, strategy: 'fixed', baseDelay: 50 },
    handler,
    ...options,
  } as never);
  await engine.start();
  await untilIdle();
  return { engine, queue };
}

/** Its first claim is over: from now on it hears of jobs. */
async function untilIdle(): Promise<void> {
  const idle = space.names.sql('select from oqron.idle where queue_id = (select max(id) from oqron.queue)');
  await until('a worker that waits', async () => (await pool.query(idle)).rowCount);
}

/** Writes what should happen once per job. */
const effect = (ctx: JobContext<string>) => (client: { query(text: string, values?: unknown[]): Promise<unknown> }) =>
  client
    .query(`insert into "${space.schema}".effect values ($1, $2)`, [ctx.id, ctx.attempt])
    .then(() => `attempt ${ctx.attempt}`);

async function effects(): Promise<string[]> {
  const { rows } = await pool.query<{ text: string }>(
    `select job || ' ' || attempt as text from "${space.schema}".effect order by 1`,
  );
  return rows.map(({ text }) => text);
}

const ended = (queue: Queue<string, unknown>, id: string, status: string) =>
  until(`job ${id} to be ${status}`, async () => (await queue.getJob(id))?.status === status, 15_000);

describe('ctx.tx', () => {
  it('commits what its work writes and the completion together', async () => {
    const { queue } = await running((ctx) =>
      ctx.tx(async (client) => {
        const answer = await effect(ctx)(client);
        ctx.progress(70, 'written');
        ctx.log.info('paid');
        expect(await effects()).toEqual([]);
        expect((await queue.getJob(ctx.id))?.status).toBe('active');
        return answer;
      }),
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    expect(await queue.getJob('a')).toMatchObject({
      returnValue: 'attempt 1',
      attemptMade: 1,
      progressPercent: 70,
      logs: [{ message: 'paid' }],
    });
    expect(await effects()).toEqual(['a 1']);
    expect(seen).toEqual(['job:success a']);
    expect(await queue.counts()).toMatchObject({ active: 0, completed: 1, waiting: 0 });
  });

  it('rolls both back when its work throws, or a statement fails', async () => {
    const { queue } = await running((ctx) =>
      ctx.tx(async (client) => {
        await effect(ctx)(client);
        if (ctx.attempt === 1) throw new Error('no');
        if (ctx.attempt === 2) await client.query('select 1 / 0');
      }),
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    expect(await effects()).toEqual(['a 3']);
  });

  it('a failed statement that its work swallows rolls back as well', async () => {
    const { queue } = await running((ctx) =>
      ctx.tx(async (client) => {
        await effect(ctx)(client);
        if (ctx.attempt === 1) await client.query('select 1 / 0').catch(() => undefined);
      }),
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    expect(await effects()).toEqual(['a 2']);
  });

  it('a COMMIT that the database refuses (a deferred constraint) fails the attempt', async () => {
    const table = `"${space.schema}".late`;
    await pool.query(`create table ${table} (id int unique deferrable initially deferred)`);
    const { queue } = await running((ctx) =>
      ctx.tx(async (client) => {
        await effect(ctx)(client);
        await client.query(`insert into ${table} values (1)`);
        if (ctx.attempt === 1) await client.query(`insert into ${table} values (1)`);
      }),
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    expect(await effects()).toEqual(['a 2']);
    expect(seen).toEqual(['job:retry a', 'job:success a']);
  });

  it('a throw after the commit changes nothing', async () => {
    const { queue } = await running(async (ctx) => {
      await ctx.tx(effect(ctx));
      throw new Error('too late');
    });
    await queue.add('default', 'x', { jobId: 'a' });
    await until('the log', () => log.matching('error', /threw after ctx\.tx/).length > 0);
    expect(await queue.getJob('a')).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(await effects()).toEqual(['a 1']);
  });

  it('cancelled before the commit: rolled back, and stays cancelled', async () => {
    const inside = gate();
    const go = gate();
    const errors: unknown[] = [];
    const { queue } = await running((ctx) =>
      ctx
        .tx(async (client) => {
          await effect(ctx)(client);
          inside.open();
          await go.opened;
        })
        .catch((error: unknown) => {
          errors.push(error);
          throw error;
        }),
    );
    const job = await queue.add('default', 'x', { jobId: 'a' });
    await inside.opened;
    expect(await job.cancel('changed my mind')).toBe('cancelled');
    go.open();
    await until('the error', () => errors.length > 0);
    expect((errors[0] as { code: string }).code).toMatch(/^(JOB_ABORTED|LEASE_LOST)$/);
    await queue.add('default', 'x', { jobId: 'b' });
    await ended(queue, 'b', 'completed');
    expect((await queue.getJob('a'))?.status).toBe('cancelled');
    expect(await effects()).toEqual(['b 1']);
  });

  it('taken back by somebody else before the commit: LeaseLostError, rolled back, run again by another', async () => {
    const errors: unknown[] = [];
    const { queue } = await running((ctx) =>
      ctx
        .tx(async (client) => {
          await effect(ctx)(client);
          if (ctx.attempt > 1 || errors.length > 0) return;
          // As if this process had stood still for too long.
          const { main } = space.pools;
          await main.query(space.names.sql('update oqron.lease set until = 0 where id = $1'), [ctx.id]);
          await main.query(space.names.sql('update oqron.lease set fence = nextval($1) where id = $2'), [
            space.names.sql('oqron.fence'),
            ctx.id,
          ]);
        })
        .catch((error: unknown) => {
          errors.push(error);
          throw error;
        }),
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await until('the error', () => errors.length > 0);
    expect(errors).toMatchObject([{ code: 'LEASE_LOST' }]);
    expect(seen).toEqual(['worker:lost-lease a']);
    // Whoever claims finds the lease that has expired.
    await until('another claim', async () => {
      await queue.add('default', 'x', { delay: 1 });
      return (await queue.getJob('a'))?.status === 'completed';
    });
    expect((await effects()).filter((text) => text.startsWith('a '))).toEqual(['a 1']);
  });

  it('tells dependants, keeps what its options say, and frees its key', async () => {
    const { queue } = await running((ctx) => ctx.tx(effect(ctx)));
    await queue.pause();
    const first = await queue.add('default', 'x', { jobId: 'a', removeOnComplete: true });
    await queue.add('default', 'x', { jobId: 'b', dependsOn: [first] });
    const deduplication = { key: 'k', mode: 'while-unfinished' } as const;
    await queue.add('default', 'x', { jobId: 'c', deduplication });
    await queue.resume();
    await ended(queue, 'b', 'completed');
    await ended(queue, 'c', 'completed');
    await until('a to be removed', async () => (await queue.getJob('a')) === undefined);
    expect(await queue.add('default', 'x', { jobId: 'd', deduplication })).toMatchObject({ id: 'd', created: true });
    await ended(queue, 'd', 'completed');
    expect(await effects()).toEqual(['a 1', 'b 1', 'c 1', 'd 1']);
    expect(await queue.counts()).toMatchObject({ active: 0, completed: 3, 'waiting-children': 0 });
  });

  it('jobs that it adds in its transaction are there when it commits, and only then', async () => {
    const { engine, queue } = await running((ctx) =>
      ctx.tx(async (client) => {
        await effect(ctx)(client);
        await ctx.spawnChild('after', `${ctx.attempt}`, { tx: client as PoolClient });
        if (ctx.attempt === 1) throw new Error('no');
      }),
    );
    const ran: string[] = [];
    engine.queue<string>({
      name: 'after',
      pollIntervalMs: 300,
      handler: (ctx: JobContext<string>) => void ran.push(ctx.data),
    } as never);
    await queue.add('default', 'x', { jobId: 'a' });
    await until('the child', () => ran.length > 0);
    await ended(queue, 'a', 'completed');
    expect(ran).toEqual(['2']);
    expect((await queue.getJob('a'))?.childrenIds).toHaveLength(1);
  });

  it('limits are let go: the next job of a queue with `maxActive` begins at once', async () => {
    const { queue } = await running((ctx) => ctx.tx(effect(ctx)), {
      concurrency: 5,
      maxActive: 1,
      pollIntervalMs: 60_000,
    } as never);
    const began = performance.now();
    await queue.addBulk(Array.from({ length: 20 }, (_, i) => ({ data: 'x', opts: { jobId: `m${i}` } })));
    await until('all of them', async () => (await effects()).length === 20, 15_000);
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

describe('a connection that is lost around the COMMIT', () => {
  /** A pool whose next COMMIT breaks its connection: before it is sent, or after it was carried out. */
  function breaking(how: ('before' | 'after')[]): Pool {
    const fragile = new Pool({ connectionString: space.url, max: 2 });
    fragile.on('error', () => undefined);
    fragile.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      const { connection } = client as unknown as { connection: { stream: { destroy(): void } } };
      Object.assign(client, {
        query: async (...args: unknown[]) => {
          const breaks = args[0] === 'COMMIT' ? how.shift() : undefined;
          if (!breaks) return query(...args);
          if (breaks === 'after') await query(...args);
          connection.stream.destroy();
          throw new Error('Connection terminated unexpectedly');
        },
      });
    });
    return fragile;
  }

  it.each([
    ['after', 'a 1', ['job:success a']],
    ['before', 'a 2', ['job:retry a', 'job:success a']],
  ] as const)('%s it was carried out', async (when, left, events) => {
    const fragile = breaking([when]);
    const { queue } = await running((ctx) => ctx.tx(effect(ctx), { using: fragile }));
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    await until('the events', () => seen.length === events.length);
    expect(seen).toEqual(events);
    expect(await effects()).toEqual([left]);
    await fragile.end();
  });

  it('by the server, at any moment of the transaction: each effect once', async () => {
    const { queue } = await running(
      (ctx) =>
        ctx.tx(async (client) => {
          await effect(ctx)(client);
          await client.query('select pg_sleep(0.02)');
          await effect({ ...ctx, id: `${ctx.id}+`, attempt: ctx.attempt } as never)(client);
        }),
      { concurrency: 4, retries: { max: 50, strategy: 'fixed', baseDelay: 20 } } as never,
    );
    await queue.addBulk(Array.from({ length: 60 }, (_, i) => ({ data: 'x', opts: { jobId: `k${i}` } })));
    const killer = new Client({ connectionString: space.url });
    await killer.connect();
    await until(
      'all jobs',
      async () => {
        await killer.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where state <> 'idle' and query like '%effect%' and pid <> pg_backend_pid() and random() < 0.3`,
        );
        return (await queue.counts()).completed === 60;
      },
      18_000,
    );
    await killer.end();
    const rows = (await effects()).map((text) => text.split(' ')[0]);
    expect(rows).toHaveLength(120);
    expect(new Set(rows).size).toBe(120);
  });
});

describe('where it opens its transaction', () => {
  it('a pool that the engine was given', async () => {
    const database = `test_${randomUUID().replaceAll('-', '')}`;
    const admin = new Client({ connectionString: space.url });
    await admin.connect();
    await admin.query(`create database "${database}"`);
    const url = new URL(space.url);
    url.pathname = `/${database}`;
    const own = new Pool({ connectionString: url.href, max: 3, application_name: 'the application' });
    own.on('error', () => undefined);
    await own.query('create table effect (job text)');
    const names: unknown[] = [];
    const engine = new OqronEngine({ mode: 'db', postgres: own, environment, logger: log } as never);
    const queue = engine.queue<string>({
      name: 'q',
      handler: (ctx: JobContext<string>) =>
        ctx.tx(async (client) => {
          await client.query('insert into effect values ($1)', [ctx.id]);
          const { rows } = await client.query('select pg_backend_pid() as pid');
          names.push(rows[0]?.['pid']);
          expect(own.totalCount - own.idleCount).toBe(1);
        }),
    } as never);
    await engine.start();
    await queue.add('default', 'x', { jobId: 'a' });
    await until('the job', async () => (await queue.getJob('a'))?.status === 'completed', 10_000);
    expect((await own.query('select job from effect')).rows).toEqual([{ job: 'a' }]);
    await engine.stop();
    // It is the user's to close.
    expect((await own.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await own.end();
    await admin.query(`drop database "${database}" with (force)`);
    await admin.end();
  });

  it('on another database: nothing is found to complete, and all is rolled back', async () => {
    const database = `test_${randomUUID().replaceAll('-', '')}`;
    await pool.query(`create database "${database}"`);
    const url = new URL(space.url);
    url.pathname = `/${database}`;
    const other = new Pool({ connectionString: url.href, max: 1 });
    other.on('error', () => undefined);
    const errors: unknown[] = [];
    const { queue } = await running(
      async (ctx) => {
        errors.push(await failureOf(ctx.tx(async (client) => void (await client.query('select 1')), { using: other })));
      },
      { retries: { max: 0 } } as never,
    );
    await queue.add('default', 'x', { jobId: 'a' });
    await ended(queue, 'a', 'completed');
    expect(String(errors[0])).toMatch(/does not exist/);
    await other.end();
    await pool.query(`drop database "${database}" with (force)`);
  });
});

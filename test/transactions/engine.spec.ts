import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OqronEngine, type JobContext, type Queue, type TransactionHandle } from 'oqronkit';
import { postgresSpace, type PostgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { until } from '../support/until.js';
import { ORMS, type Orm } from './orms.js';

// The whole way, with each package: a job is added in its transaction, and runs in another one.

let space: PostgresSpace;
beforeAll(async () => {
  space = await postgresSpace();
  await space.pools.main.query(`create table "${space.schema}".effect (text text not null)`);
});

async function effects(): Promise<string[]> {
  const rows = await space.pools.main.query<{ text: string }>(`select text from "${space.schema}".effect order by 1`);
  return rows.map(({ text }) => text);
}

describe.each(Object.entries(ORMS))('%s', (name, make) => {
  let orm: Orm;
  let engine: OqronEngine;
  let queue: Queue<string>;

  beforeAll(async () => {
    orm = await make(space.url, space.schema);
    const postgres = { connectionString: space.url, schema: space.schema, poolSize: 3 };
    engine = new OqronEngine({ mode: 'db', postgres, environment: name, logger: new RecordingLogger() });
    queue = engine.queue<string>({
      name: 'q',
      pollIntervalMs: 300,
      retries: { max: 2, strategy: 'fixed', baseDelay: 30 },
      handler: (ctx: JobContext<string>) =>
        ctx.tx(
          async (tx) => {
            await orm.write(tx, `${ctx.data} ran`);
            if (ctx.data === 'parent') {
              await ctx.spawnChild('q', 'child', { tx: tx as TransactionHandle, jobId: `${ctx.id}-child` });
            }
            if (ctx.attempt === 1) throw new Error('the first attempt is rolled back');
            return `attempt ${ctx.attempt}`;
          },
          { using: orm.db },
        ),
    } as never);
    await engine.start();
  });
  afterEach(() => space.pools.main.query(`truncate "${space.schema}".effect`));
  afterAll(async () => {
    await engine.stop();
    await orm.close();
  });

  const completed = (id: string) =>
    until(`job ${id}`, async () => (await queue.getJob(id))?.status === 'completed', 15_000);

  it('`tx` of add and addBulk: there after the commit, not before', async () => {
    await orm.transaction(async (tx) => {
      await orm.write(tx, 'theirs');
      expect(await queue.add('default', 'it is "1" ? \\ ü', { tx, jobId: 'one' })).toMatchObject({ created: true });
      await queue.addBulk(
        ['two', 'three'].map((jobId) => ({ data: jobId, opts: { jobId, priority: 1, delay: 1 } })),
        { tx },
      );
      expect(await queue.getJob('one')).toBeUndefined();
      expect(await effects()).toEqual([]);
    });
    for (const id of ['one', 'two', 'three']) await completed(id);
    expect(await effects()).toEqual(['it is "1" ? \\ ü ran', 'theirs', 'three ran', 'two ran']);
    expect(await queue.getJob('one')).toMatchObject({ returnValue: 'attempt 2', data: 'it is "1" ? \\ ü' });
  });

  it('`tx` of add: gone after a rollback', async () => {
    const failed = orm.transaction(async (tx) => {
      await queue.add('default', 'never', { tx, jobId: 'never' });
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(await queue.add('default', 'after all', { jobId: 'never' })).toMatchObject({ created: true });
    await completed('never');
    expect(await effects()).toEqual(['after all ran']);
  });

  it('ctx.tx: its effects and a child that it adds come with the completion, each once', async () => {
    await queue.add('default', 'parent', { jobId: 'p' });
    await completed('p');
    await completed('p-child');
    expect(await effects()).toEqual(['child ran', 'parent ran']);
    expect((await queue.getJob('p'))?.childrenIds).toEqual(['p-child']);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { openerOf } from '../../lib/kernel/transactions/openers.js';
import { transactionClient, transactionProblem } from '../../lib/kernel/transactions/transaction-client.js';
import { databaseUrl } from '../support/postgres-server.js';
import { ORMS, type Orm } from './orms.js';

const schema = `test_${randomUUID().replaceAll('-', '')}`;
let watcher: Client;

beforeAll(async () => {
  watcher = new Client({ connectionString: databaseUrl() });
  await watcher.connect();
  await watcher.query(`create schema "${schema}"`);
  await watcher.query(`create table "${schema}".effect (text text not null)`);
});
afterAll(async () => {
  await watcher.query(`set client_min_messages = warning; drop schema "${schema}" cascade`);
  await watcher.end();
});
afterEach(() => watcher.query(`truncate "${schema}".effect`));

/** What others see. */
async function committed(): Promise<string[]> {
  const { rows } = await watcher.query<{ text: string }>(`select text from "${schema}".effect order by text`);
  return rows.map(({ text }) => text);
}

const INSERT = `insert into "${schema}".effect values ($1::text) returning text as reply`;

describe.each(Object.entries(ORMS))('%s', (name, make) => {
  let orm: Orm;
  beforeAll(async () => {
    orm = await make(databaseUrl(), schema);
  });
  afterAll(() => orm.close());

  it('carries values of every kind, and answers rows', async () => {
    const values = ["it's ? $1 \\ ü", null, true, 9_007_199_254_740_991, ['a', 'b,"c"', ''], ['1', '2']];
    const rows = await orm.transaction((tx) =>
      transactionClient(tx).query(
        'select concat_ws($$|$$, $1::text, $2::text, $3::boolean::text, $4::bigint::text, ' +
          'array_to_json($5::text[])::text, array_to_json($6::bigint[])::text) as reply',
        values,
      ),
    );
    expect(rows.map(({ reply }) => reply)).toEqual([
      'it\'s ? $1 \\ ü|true|9007199254740991|["a","b,\\"c\\"",""]|[1,2]',
    ]);
  });

  it('nothing is seen before the commit, all of it after', async () => {
    await orm.transaction(async (tx) => {
      await orm.write(tx, 'theirs');
      expect(await transactionClient(tx).query(INSERT, ['ours'])).toEqual([{ reply: 'ours' }]);
      expect(await committed()).toEqual([]);
    });
    expect(await committed()).toEqual(['ours', 'theirs']);
  });

  it('all of it is gone after a rollback', async () => {
    const failed = orm.transaction(async (tx) => {
      await orm.write(tx, 'theirs');
      await transactionClient(tx).query(INSERT, ['ours']);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await committed()).toEqual([]);
  });

  it('a statement that fails rejects with what the database said', async () => {
    const failed = orm.transaction((tx) => transactionClient(tx).query('select 1 / $1::int as reply', [0]));
    const error: unknown = await failed.catch((problem: unknown) => problem);
    const texts = [error, (error as Error).cause].map((problem) => (problem instanceof Error ? problem.message : ''));
    expect(texts.join('\n')).toMatch(/division by zero/);
  });

  it('is no transaction itself: what opens them is refused as `tx`', () => {
    expect(transactionProblem(orm.db)).toMatch(/pool|outside|in no transaction|expected/);
  });

  it('a transaction is accepted as `tx`', async () => {
    expect(await orm.transaction((tx) => Promise.resolve(transactionProblem(tx)))).toBeUndefined();
  });

  it('opens transactions: commit', async () => {
    const answer = await openerOf('test', orm.db).run(async (handle, statements) => {
      expect(transactionProblem(handle)).toBeUndefined();
      await orm.write(handle, 'theirs');
      await statements.query(INSERT, ['ours']);
      expect(await committed()).toEqual([]);
      return 42;
    });
    expect(answer).toBe(42);
    expect(await committed()).toContain('ours');
  });

  it('opens transactions: rollback, and the connection can be used again', async () => {
    for (let i = 0; i < 6; i += 1) {
      const failed = openerOf('test', orm.db).run(async (handle, statements) => {
        await orm.write(handle, 'theirs');
        await statements.query(INSERT, ['ours']);
        throw new Error(`no ${i}`);
      });
      await expect(failed).rejects.toThrow(`no ${i}`);
    }
    expect(await committed()).toEqual([]);
    await openerOf('test', orm.db).run((handle) => orm.write(handle, 'again'));
    expect(await committed()).toEqual(['again']);
  });

  it('opens transactions: a COMMIT that the database refuses rejects', async () => {
    const table = `"${schema}".late_${name.length}`;
    await watcher.query(
      `create table if not exists ${table} (id int unique deferrable initially deferred); truncate ${table}`,
    );
    const failed = openerOf('test', orm.db).run(async (_handle, statements) => {
      await statements.query(`insert into ${table} values ($1::int), ($2::int) returning id::text as reply`, [1, 1]);
    });
    await expect(failed).rejects.toThrow();
    expect((await watcher.query(`select 1 from ${table}`)).rows).toEqual([]);
  });
});

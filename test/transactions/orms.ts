import { randomUUID } from 'node:crypto';
import { drizzle } from 'drizzle-orm/node-postgres';
import { sql as drizzleSql } from 'drizzle-orm';
import { knex } from 'knex';
import { Kysely, PostgresDialect, sql as kyselySql } from 'kysely';
import { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { TransactionHandle } from 'oqronkit';

/** What a test needs of a package that makes transactions. */
export interface Orm {
  /** What users open transactions with: the `using` of `ctx.tx`. */
  readonly db: object;
  /** Runs `work` in a transaction of the package's own making. */
  transaction<T>(work: (tx: TransactionHandle & object) => Promise<T>): Promise<T>;
  /** Writes a line with what the package offers, in an open transaction of its own. */
  write(tx: unknown, text: string): Promise<unknown>;
  close(): Promise<unknown>;
}

type Make = (url: string, schema: string) => Promise<Orm> | Orm;

const MAX_CONNECTIONS = 4;

function poolFor(url: string): Pool {
  const pool = new Pool({ connectionString: url, max: MAX_CONNECTIONS });
  pool.on('error', () => undefined);
  return pool;
}

/** One of each, by its name. */
export const ORMS: Readonly<Record<string, Make>> = {
  pg: (url, schema) => {
    const db = poolFor(url);
    return {
      db,
      transaction: async (work) => {
        const client = await db.connect();
        try {
          await client.query('begin');
          const answer = await work(client);
          await client.query('commit');
          return answer;
        } catch (error) {
          await client.query('rollback');
          throw error;
        } finally {
          client.release();
        }
      },
      write: (tx, text) => (tx as Pool).query(`insert into "${schema}".effect values ($1)`, [text]),
      close: () => db.end(),
    };
  },

  Drizzle: (url, schema) => {
    const pool = poolFor(url);
    const db = drizzle(pool);
    return {
      db,
      transaction: (work) => db.transaction((tx) => work(tx)),
      write: (tx, text) =>
        (tx as typeof db).execute(drizzleSql`insert into ${drizzleSql.identifier(schema)}.effect values (${text})`),
      close: () => pool.end(),
    };
  },

  Knex: (url, schema) => {
    const db = knex({ client: 'pg', connection: url, pool: { min: 0, max: MAX_CONNECTIONS } });
    return {
      db,
      transaction: (work) => db.transaction((trx) => work(trx)),
      write: (tx, text) => (tx as typeof db).withSchema(schema).table('effect').insert({ text }),
      close: () => db.destroy(),
    };
  },

  Kysely: (url, schema) => {
    const db = new Kysely<never>({ dialect: new PostgresDialect({ pool: poolFor(url) }) });
    return {
      db,
      transaction: (work) => db.transaction().execute((trx) => work(trx)),
      write: (tx, text) =>
        kyselySql`insert into ${kyselySql.id(schema)}.effect values (${text})`.execute(tx as typeof db),
      close: () => db.destroy(),
    };
  },

  'TypeORM (EntityManager)': async (url, schema) => {
    const db = await dataSource(url);
    return {
      db,
      transaction: (work) => db.transaction((manager) => work(manager)),
      write: (tx, text) => (tx as typeof db.manager).query(`insert into "${schema}".effect values ($1)`, [text]),
      close: () => db.destroy(),
    };
  },

  'TypeORM (QueryRunner)': async (url, schema) => {
    const db = await dataSource(url);
    return {
      db,
      transaction: async (work) => {
        const runner = db.createQueryRunner();
        await runner.startTransaction();
        try {
          const answer = await work(runner);
          await runner.commitTransaction();
          return answer;
        } catch (error) {
          await runner.rollbackTransaction();
          throw error;
        } finally {
          await runner.release();
        }
      },
      write: (tx, text) => (tx as typeof db.manager).query(`insert into "${schema}".effect values ($1)`, [text]),
      close: () => db.destroy(),
    };
  },
};

async function dataSource(url: string): Promise<DataSource> {
  const source = new DataSource({ type: 'postgres', url, poolSize: MAX_CONNECTIONS, name: randomUUID() } as never);
  return source.initialize();
}

// Compiled, never run: what `tx` takes and what `ctx.tx` hands out, with the types of the packages themselves.
import type { drizzle } from 'drizzle-orm/node-postgres';
import type { Knex } from 'knex';
import type { Kysely, Transaction } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import type { JobContext, JobTransactionClient, Queue, TransactionOf } from 'oqronkit';
import type { Equal, Expect } from '../types/expect.js';

declare const ctx: JobContext<{ id: string }>;
declare const queue: Queue<{ id: string }>;
declare const pool: Pool;
declare const dataSource: DataSource;
declare const knex: Knex;
declare const kysely: Kysely<{ person: { name: string } }>;
declare const db: ReturnType<typeof drizzle>;

/** As a generated Prisma client declares it. */
interface PrismaTransactionClient {
  $queryRawUnsafe<T = unknown>(query: string, ...values: unknown[]): Promise<T>;
  readonly user: { create(args: object): Promise<{ id: number }> };
}
interface PrismaClient extends PrismaTransactionClient {
  $transaction<P extends Promise<unknown>[]>(all: [...P]): Promise<unknown[]>;
  $transaction<R>(work: (tx: PrismaTransactionClient) => Promise<R>, options?: { timeout?: number }): Promise<R>;
}
declare const prisma: PrismaClient;

interface MikroManager {
  getConnection(): unknown;
  getTransactionContext(): unknown;
  persist(entity: object): void;
}
declare const mikro: { readonly em: MikroManager };

export async function results(): Promise<unknown[]> {
  const plain = await ctx.tx(async (client) => {
    const checked: Expect<Equal<typeof client, JobTransactionClient>> = true;
    const { rows } = await client.query<{ n: number }>('select 1 as n');
    return rows.map(({ n }) => (checked ? n : 0));
  });
  // A handler may name the client that it knows it gets.
  const named = await ctx.tx(async (client: PoolClient) => (await client.query('select 1')).rowCount);
  const using = await ctx.tx(async (client) => (await client.query('select 1')).rowCount, { using: pool });
  const types: [
    Expect<Equal<typeof plain, number[]>>,
    Expect<Equal<typeof named, number | null>>,
    Expect<Equal<typeof using, number | null>>,
  ] = [true, true, true];
  return [plain, named, using, types];
}

export type Handles = [
  Expect<Equal<TransactionOf<Pool>, JobTransactionClient>>,
  Expect<Equal<TransactionOf<undefined>, JobTransactionClient>>,
  Expect<Equal<TransactionOf<DataSource>, EntityManager>>,
  Expect<Equal<TransactionOf<typeof kysely>, Transaction<{ person: { name: string } }>>>,
  Expect<Equal<TransactionOf<PrismaClient>, PrismaTransactionClient>>,
  Expect<Equal<TransactionOf<{ em: MikroManager }>, MikroManager>>,
  Expect<Equal<TransactionOf<MikroManager>, MikroManager>>,
];

export async function orms(): Promise<void> {
  await ctx.tx((tx) => tx.execute('select 1'), { using: db });
  await ctx.tx((trx) => trx('person').insert({ name: 'Ada' }), { using: knex });
  await ctx.tx((trx) => trx.selectFrom('person').select('name').execute(), { using: kysely });
  await ctx.tx((manager) => manager.query('select 1'), { using: dataSource });
  await ctx.tx((tx) => tx.user.create({ data: {} }), { using: prisma });
  await ctx.tx(async (em) => em.persist({}), { using: mikro });
}

export async function adds(client: PoolClient, manager: EntityManager, trx: Knex.Transaction): Promise<void> {
  const data = { id: '1' };
  await queue.add(data, { tx: client });
  await queue.add(data, { tx: manager });
  await queue.add(data, { tx: trx });
  await queue.addBulk([{ data }], { tx: client });
  await db.transaction((tx) => queue.add(data, { tx }));
  await kysely.transaction().execute((tx) => queue.add(data, { tx }));
  await prisma.$transaction((tx) => queue.add(data, { tx }));
  await queue.add(data, { tx: { query: async (text: string, values?: unknown[]) => [text, values] } });
  // @ts-expect-error it can run no statement
  await queue.add(data, { tx: { id: 1 } });
  // @ts-expect-error a Kysely instance is no transaction
  await queue.add(data, { tx: kysely });
}

/** A client in a transaction, such as one of `pg`. @publicApi */
export interface TransactionClient {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** What a transaction of Drizzle ORM has. @publicApi */
export interface DrizzleTransaction {
  execute(query: string): unknown;
  rollback(): unknown;
}

/** What a transaction of Knex has. @publicApi */
export interface KnexTransaction {
  raw(sql: string, bindings: never): unknown;
  isCompleted(): boolean;
}

/** What a transaction of Kysely has. @publicApi */
export interface KyselyTransaction {
  readonly isTransaction: true;
  executeQuery(query: never): unknown;
}

/** What the client of an interactive transaction of Prisma has. @publicApi */
export interface PrismaTransaction {
  $queryRawUnsafe(sql: string, ...values: never): unknown;
}

/** What an entity manager of MikroORM has. @publicApi */
export interface MikroOrmTransaction {
  getConnection(): unknown;
  getTransactionContext(): unknown;
}

/**
 * An open transaction of the user's: a client of `pg` after its `BEGIN`, anything else with `query(text, values)`
 * (also a `QueryRunner` or `EntityManager` of TypeORM), or the transaction of an ORM. They are told apart by what they
 * have; none of these packages is needed.
 * @publicApi
 */
export type TransactionHandle =
  | TransactionClient
  | DrizzleTransaction
  | KnexTransaction
  | KyselyTransaction
  | PrismaTransaction
  | MikroOrmTransaction;

/** A row by the names of its columns. */
export type TransactionRow = Readonly<Record<string, unknown>>;

/**
 * What a store needs of an open transaction, whatever it was made by. Values travel as the client sends them: each
 * `$n` stands once, in order, with a cast. Texts come back as they are; how other types come back differs.
 */
export interface TransactionStatements {
  query(text: string, values: readonly unknown[]): Promise<readonly TransactionRow[]>;
  /** Writes what an ORM has collected and not sent yet. */
  flush?(): Promise<void>;
}

/** Opens transactions on one database. */
export interface TransactionOpener {
  /**
   * Opens a transaction, runs `work`, and commits; rolls back when `work` throws. `handle` is what its users work with.
   * After `work` has resolved, a rejection says nothing about the COMMIT: it may have happened.
   */
  run<T>(work: (handle: unknown, statements: TransactionStatements) => Promise<T>): Promise<T>;
}

import type { TransactionClient, TransactionStatements } from '../ports/transaction.js';
import { call, hasMethods, isObject, questionMarks, rowsOf } from './statements.js';

/** A way to tell and to use the transactions of one package. */
interface Kind {
  /** The object is of this package, in a transaction or not. */
  fits(tx: object): boolean;
  /** Why it cannot be used, or nothing. */
  problem(tx: object): string | undefined;
  statements(tx: object): TransactionStatements;
}

const ACCEPTED =
  'an open transaction: a pg client after its BEGIN, an object with query(text, values), or the transaction of ' +
  'Drizzle, Knex, Kysely, TypeORM, Prisma or MikroORM';

/** `answer` runs one statement as the package does it. */
function statementsBy(answer: (text: string, values: readonly unknown[]) => unknown): TransactionStatements {
  // An async function: some packages throw at once instead of rejecting.
  return { query: async (text, values) => rowsOf(await answer(text, values)) };
}

/** The client that Prisma hands to an interactive transaction lacks what opens and closes connections. */
const prisma: Kind = {
  fits: (tx) => hasMethods(tx, '$queryRawUnsafe'),
  problem: (tx) =>
    hasMethods(tx, '$connect')
      ? 'this is the Prisma client itself; give the client that prisma.$transaction(async (tx) => ...) hands out'
      : undefined,
  statements: (tx) => statementsBy((text, values) => call(tx, '$queryRawUnsafe', text, ...values)),
};

const kysely: Kind = {
  fits: (tx) => hasMethods(tx, 'executeQuery') && typeof Reflect.get(tx, 'isTransaction') === 'boolean',
  problem: (tx) =>
    Reflect.get(tx, 'isTransaction') === true
      ? undefined
      : 'this is a Kysely instance outside a transaction; give the one that db.transaction().execute(...) hands out',
  statements: (tx) => {
    let queries = 0;
    return statementsBy((text, values) => {
      const query = { kind: 'RawNode', sqlFragments: [text], parameters: [] };
      // Plugins know a query by this object.
      const queryId = { queryId: `oqron-${(queries += 1)}` };
      return call(tx, 'executeQuery', { sql: text, parameters: values, query, queryId });
    });
  },
};

const knex: Kind = {
  fits: (tx) => hasMethods(tx, 'raw', 'transaction') && !hasMethods(tx, 'execute'),
  problem: (tx) => {
    if (Reflect.get(tx, 'isTransaction') !== true) {
      return 'this is a Knex instance outside a transaction; give the one that knex.transaction(...) hands out';
    }
    return hasMethods(tx, 'isCompleted') && call(tx, 'isCompleted') === true
      ? 'this transaction of Knex has ended'
      : undefined;
  },
  statements: (tx) =>
    statementsBy((text, values) => {
      const marked = questionMarks(text, values, (mark) => `\\${mark}`);
      // Knex takes `undefined` for a mistake.
      return call(
        tx,
        'raw',
        marked.text,
        marked.values.map((value) => value ?? null),
      );
    }),
};

/** A database of Drizzle is a transaction when it can be rolled back. */
const drizzle: Kind = {
  fits: (tx) => hasMethods(tx, 'execute', 'transaction', 'select'),
  problem: (tx) =>
    hasMethods(tx, 'rollback')
      ? undefined
      : 'this is a Drizzle database outside a transaction; give the one that db.transaction(...) hands out',
  statements: (tx) =>
    statementsBy((text, values) => {
      // What `sql` of drizzle-orm makes, as far as `execute` looks at it: the statement is ready to be sent.
      const ready = { getSQL: () => ready, toQuery: () => ({ sql: text, params: [...values] }) };
      return call(tx, 'execute', ready);
    }),
};

const mikroOrm: Kind = {
  fits: (tx) => hasMethods(tx, 'getConnection', 'getTransactionContext'),
  problem: (tx) =>
    isObject(call(tx, 'getTransactionContext'))
      ? undefined
      : 'this is an EntityManager of MikroORM outside a transaction; give the one that em.transactional(...) hands out',
  statements: (tx) => ({
    ...statementsBy((text, values) => {
      const marked = questionMarks(text, values, (mark) => `\\${mark}`);
      const connection = call(tx, 'getConnection') as object;
      return call(connection, 'execute', marked.text, marked.values, 'all', call(tx, 'getTransactionContext'));
    }),
    flush: async () => {
      if (hasMethods(tx, 'flush')) await call(tx, 'flush');
    },
  }),
};

/** An `EntityManager` has a `queryRunner` while it is in a transaction; a `QueryRunner` says so itself. */
const typeOrm: Kind = {
  fits: (tx) =>
    hasMethods(tx, 'query') &&
    (typeof Reflect.get(tx, 'isTransactionActive') === 'boolean' || hasMethods(tx, 'createQueryBuilder')),
  problem: (tx) => {
    const runner: unknown = 'isTransactionActive' in tx ? tx : Reflect.get(tx, 'queryRunner');
    return isObject(runner) && Reflect.get(runner, 'isTransactionActive') === true
      ? undefined
      : 'this object of TypeORM is in no transaction; give the EntityManager that dataSource.transaction(...) hands ' +
          'out, or a QueryRunner after startTransaction()';
  },
  statements: (tx) => statementsBy((text, values) => call(tx, 'query', text, [...values])),
};

/** A pool runs each statement on whichever connection is free; newer versions of `pg` know a client's transaction. */
const client: Kind = {
  fits: (tx) => hasMethods(tx, 'query'),
  problem: (tx) => {
    if (isPool(tx)) return 'this is a pool, which is in no transaction; give the client of pool.connect() after BEGIN';
    if (!hasMethods(tx, 'getTransactionStatus')) return undefined;
    switch (call(tx, 'getTransactionStatus')) {
      case 'I':
        return 'this client is in no transaction: run BEGIN first';
      case 'E':
        return 'the transaction of this client has failed: it can only be rolled back';
      default:
        return undefined;
    }
  },
  statements: (tx) => statementsBy((text, values) => call(tx, 'query', text, [...values])),
};

/** The narrow ones first: any of them may also have a `query`. */
const KINDS: readonly Kind[] = [prisma, kysely, mikroOrm, drizzle, knex, typeOrm, client];

/** A client that a pool of `pg` has lent. */
interface PoolClient extends TransactionClient {
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
  /** With `true` its connection is closed. */
  release(destroy?: boolean): void;
}

/** A pool of `pg`, or something that works like one. */
export interface PoolLike {
  connect(): Promise<PoolClient>;
}

export function isPool(value: object): value is PoolLike {
  return hasMethods(value, 'connect', 'query') && typeof Reflect.get(value, 'totalCount') === 'number';
}

/** What is wrong with a `tx`, as a sentence, or nothing. Looks at the object only; sends nothing. */
export function transactionProblem(tx: unknown): string | undefined {
  const kind = kindOf(tx);
  if (!kind) return `expected ${ACCEPTED}`;
  return kind.problem(tx as object);
}

/**
 * Statements in a transaction of the user's, whatever package made it. Call {@link transactionProblem} before.
 *
 * @throws TypeError for an object that nobody knows
 */
export function transactionClient(tx: unknown): TransactionStatements {
  const kind = kindOf(tx);
  if (!kind) throw new TypeError(`expected ${ACCEPTED}`);
  return kind.statements(tx as object);
}

/** Statements on a client of `pg` that we have taken from a pool ourselves. */
export function clientStatements(tx: TransactionClient): TransactionStatements {
  return client.statements(tx);
}

function kindOf(tx: unknown): Kind | undefined {
  return isObject(tx) ? KINDS.find((kind) => kind.fits(tx)) : undefined;
}

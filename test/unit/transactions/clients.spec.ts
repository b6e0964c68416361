import { describe, expect, it } from '@jest/globals';
import { openerOf } from '../../../lib/kernel/transactions/openers.js';
import { transactionClient, transactionProblem } from '../../../lib/kernel/transactions/transaction-client.js';
import { failureOf, thrownBy } from '../../support/until.js';

// Objects that look like those of packages. Drizzle, Knex, Kysely and TypeORM are used for real in test/transactions;
// of Prisma, which needs a generated client, and MikroORM there are only these.

type Sent = { readonly by: string; readonly text: unknown; readonly values: unknown };

const TEXT = 'select f($1::text, $2::int) as reply';
const VALUES = ['a?', 2];
const ROWS = [{ reply: 'ok' }];

/** The client that an interactive transaction of Prisma hands out: a proxy that answers `undefined` for what it lacks. */
function prismaTransaction(sent: Sent[]): object {
  const methods: Record<string, unknown> = {
    $queryRawUnsafe: (text: string, ...values: unknown[]) => {
      sent.push({ by: '$queryRawUnsafe', text, values });
      return Promise.resolve(ROWS);
    },
    $executeRawUnsafe: () => Promise.resolve(0),
    // A model may be called anything.
    query: { findMany: () => Promise.resolve([]) },
  };
  return new Proxy({}, { get: (_target, key) => methods[String(key)], has: () => true });
}

function prismaClient(sent: Sent[], log: string[] = []): object {
  return {
    $queryRawUnsafe: () => Promise.resolve(ROWS),
    $connect: () => Promise.resolve(),
    $transaction: async (work: (tx: object) => Promise<unknown>) => {
      log.push('begin');
      try {
        const answer = await work(prismaTransaction(sent));
        log.push('commit');
        return answer;
      } catch (error) {
        log.push('rollback');
        throw error;
      }
    },
  };
}

function entityManager(sent: Sent[], context: object | undefined, log: string[] = []): object {
  return {
    getConnection: () => ({
      execute: (text: string, values: unknown[], method: string, ctx: unknown) => {
        sent.push({ by: `execute ${method} ${String(ctx === context)}`, text, values });
        return Promise.resolve(ROWS);
      },
    }),
    getTransactionContext: () => context,
    flush: () => {
      log.push('flush');
      return Promise.resolve();
    },
    fork: () => {
      log.push('fork');
      return entityManager(sent, undefined, log);
    },
    transactional: async (work: (em: object) => Promise<unknown>) => {
      log.push('begin');
      const answer = await work(entityManager(sent, { trx: 1 }, log));
      log.push('commit');
      return answer;
    },
  };
}

describe('a transaction that looks like one of', () => {
  it('Prisma', async () => {
    const sent: Sent[] = [];
    const tx = prismaTransaction(sent);
    expect(transactionProblem(tx)).toBeUndefined();
    expect(await transactionClient(tx).query(TEXT, VALUES)).toEqual(ROWS);
    expect(sent).toEqual([{ by: '$queryRawUnsafe', text: TEXT, values: VALUES }]);
  });

  it('MikroORM, whose statements take question marks', async () => {
    const sent: Sent[] = [];
    const tx = entityManager(sent, { trx: 1 });
    expect(transactionProblem(tx)).toBeUndefined();
    expect(await transactionClient(tx).query(TEXT, VALUES)).toEqual(ROWS);
    expect(sent).toEqual([{ by: 'execute all true', text: 'select f(?::text, ?::int) as reply', values: VALUES }]);
  });

  it('anything with query(text, values)', async () => {
    const query = (text: string, values: unknown[]) => ({ rows: [{ text, values }] });
    expect(transactionProblem({ query })).toBeUndefined();
    expect(await transactionClient({ query }).query(TEXT, VALUES)).toEqual([{ text: TEXT, values: VALUES }]);
  });

  it('question marks: values stand as often and in the order in which they are named; real ones are escaped', async () => {
    const sent: unknown[][] = [];
    const raw = (...args: unknown[]) => {
      sent.push(args);
      return { rows: [] };
    };
    const knex = Object.assign(() => undefined, { raw, transaction: () => undefined, isTransaction: true });
    await transactionClient(knex).query("select $2::text, $1::text, $2::text, '?'", ['a', undefined]);
    expect(sent).toEqual([["select ?::text, ?::text, ?::text, '\\?'", [null, 'a', null]]]);
  });

  it('a client that answers something else rejects', async () => {
    const error = await failureOf(transactionClient({ query: () => Promise.resolve(7) }).query(TEXT, VALUES));
    expect(error.message).toMatch(/neither rows nor/);
  });
});

describe('what is no open transaction is refused, and the reason says what to give instead', () => {
  const none = (): undefined => undefined;
  it.each([
    ['nothing', null, /pg client after its BEGIN.*Drizzle, Knex, Kysely, TypeORM, Prisma or MikroORM/],
    ['a text', 'postgresql://localhost', /^expected/],
    ['an object that nobody knows', { begin: none }, /^expected/],
    ['a function', none, /^expected/],
    ['a pg.Pool', { connect: none, query: none, totalCount: 0 }, /pool\.connect\(\) after BEGIN/],
    ['a client before BEGIN', { query: none, getTransactionStatus: () => 'I' }, /run BEGIN first/],
    ['a client after a failure', { query: none, getTransactionStatus: () => 'E' }, /only be rolled back/],
    ['a Prisma client', prismaClient([]), /prisma\.\$transaction/],
    ['a Drizzle database', { execute: none, select: none, transaction: none }, /db\.transaction/],
    ['Knex', Object.assign(none.bind(undefined), { raw: none, transaction: none }), /knex\.transaction/],
    [
      'a transaction of Knex that has ended',
      Object.assign(none.bind(undefined), {
        raw: none,
        transaction: none,
        isTransaction: true,
        isCompleted: () => true,
      }),
      /has ended/,
    ],
    ['Kysely', { executeQuery: none, transaction: none, isTransaction: false }, /db\.transaction\(\)\.execute/],
    ['a QueryRunner before startTransaction', { query: none, isTransactionActive: false }, /startTransaction/],
    ['an EntityManager of TypeORM', { query: none, createQueryBuilder: none }, /dataSource\.transaction/],
    ['an EntityManager of MikroORM', entityManager([], undefined), /em\.transactional/],
  ])('%s', (_what, tx, reason) => {
    expect(transactionProblem(tx)).toMatch(reason);
  });

  it.each([
    ['in a transaction', 'T'],
    ['of an older pg, which does not say', undefined],
  ])('a client %s is accepted', (_what, status) => {
    expect(transactionProblem({ query: none, ...(status && { getTransactionStatus: () => status }) })).toBeUndefined();
  });
});

describe('`using`', () => {
  it('Prisma: its interactive transaction', async () => {
    const sent: Sent[] = [];
    const log: string[] = [];
    const opener = openerOf('test', prismaClient(sent, log));
    expect(await opener.run((_handle, statements) => statements.query(TEXT, VALUES))).toEqual(ROWS);
    expect(sent).toHaveLength(1);
    await failureOf(opener.run(() => Promise.reject(new Error('no'))));
    expect(log).toEqual(['begin', 'commit', 'begin', 'rollback']);
  });

  it.each(['MikroORM', 'its EntityManager'])(
    '%s: a fork, whose changes are written before the last statement',
    async (what) => {
      const log: string[] = [];
      const em = entityManager([], undefined, log);
      const opener = openerOf('test', what === 'MikroORM' ? { em } : em);
      await opener.run(async (_handle, statements) => {
        await statements.flush?.();
        log.push('last');
      });
      expect(log).toEqual(['fork', 'begin', 'flush', 'last', 'commit']);
    },
  );

  it('a transaction that ends without running its work rejects', async () => {
    const opener = openerOf('test', { $transaction: () => Promise.resolve(), $queryRawUnsafe: () => undefined });
    expect(await failureOf(opener.run(() => Promise.resolve(1)))).toMatchObject({ code: 'TX_NOT_RUN' });
  });

  it('a single client, or a transaction, opens none', () => {
    for (const using of [{ query: () => undefined }, { execute: () => 0, select: () => 0, rollback: () => 0 }]) {
      expect(thrownBy(() => openerOf('ctx.tx', using))).toMatchObject({ code: 'INVALID_OPTIONS' });
    }
  });
});

describe('a pool of pg', () => {
  function pool(answers: Record<string, () => unknown> = {}) {
    const log: string[] = [];
    const listeners = new Set<() => void>();
    const client = {
      query: (text: string) => {
        log.push(text);
        return Promise.resolve().then(() => answers[text]?.() ?? { rows: [], command: text });
      },
      on: (_event: string, listener: () => void) => listeners.add(listener),
      removeListener: (_event: string, listener: () => void) => listeners.delete(listener),
      release: (destroy?: boolean) => log.push(destroy ? 'destroyed' : 'released'),
    };
    const breaks = (): void => listeners.forEach((listener) => listener());
    return { log, listeners, breaks, db: { connect: () => Promise.resolve(client), query: () => 0, totalCount: 0 } };
  }
  const fails = (text: string) => () => {
    throw new Error(text);
  };

  it('commits and gives its client back', async () => {
    const { db, log, listeners } = pool();
    expect(await openerOf('test', db).run(() => Promise.resolve(1))).toBe(1);
    expect(log).toEqual(['BEGIN', 'COMMIT', 'released']);
    expect(listeners.size).toBe(0);
  });

  it('rolls back', async () => {
    const { db, log } = pool();
    expect((await failureOf(openerOf('test', db).run(() => Promise.reject(new Error('no'))))).message).toBe('no');
    expect(log).toEqual(['BEGIN', 'ROLLBACK', 'released']);
  });

  it('a client that cannot roll back is not given to others', async () => {
    const { db, log } = pool({ COMMIT: fails('gone'), ROLLBACK: fails('gone too') });
    expect((await failureOf(openerOf('test', db).run(() => Promise.resolve(1)))).message).toBe('gone');
    expect(log).toEqual(['BEGIN', 'COMMIT', 'ROLLBACK', 'destroyed']);
  });

  it('a client whose connection broke meanwhile ends nothing but its transaction', async () => {
    const { db, log, breaks } = pool();
    await openerOf('test', db).run(() => Promise.resolve(breaks()));
    expect(log).toEqual(['BEGIN', 'COMMIT', 'destroyed']);
  });

  it('a COMMIT that PostgreSQL answered with ROLLBACK rejects', async () => {
    const { db, log } = pool({ COMMIT: () => ({ command: 'ROLLBACK' }) });
    expect(await failureOf(openerOf('test', db).run(() => Promise.resolve(1)))).toMatchObject({
      code: 'TX_ROLLED_BACK',
    });
    expect(log).toEqual(['BEGIN', 'COMMIT', 'released']);
  });
});

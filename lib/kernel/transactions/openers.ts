import { InvalidOptionsError, OqronError } from '../errors/index.js';
import type { TransactionClient, TransactionOpener, TransactionStatements } from '../ports/transaction.js';
import { call, hasMethods, isObject } from './statements.js';
import { clientStatements, isPool, transactionClient, type PoolLike } from './transaction-client.js';

type Work<T> = (handle: unknown, statements: TransactionStatements) => Promise<T>;

const ACCEPTED =
  'a pg.Pool, a Drizzle database, a Knex or Kysely instance, a DataSource of TypeORM, a Prisma client, or MikroORM ' +
  'or its EntityManager';

/**
 * Opens transactions with what the user works with.
 *
 * @throws InvalidOptionsError for an object that nobody knows; nothing was sent
 */
export function openerOf(where: string, using: unknown): TransactionOpener {
  const opener = isObject(using) ? openerFor(using) : undefined;
  if (!opener) throw new InvalidOptionsError(where, [`using: expected ${ACCEPTED}, on the database of the store`]);
  return opener;
}

function openerFor(using: object): TransactionOpener | undefined {
  // The narrow ones first, as with transactions.
  if (hasMethods(using, '$transaction', '$queryRawUnsafe')) {
    return openerBy((work) => call(using, '$transaction', work));
  }
  if (hasMethods(using, 'executeQuery', 'transaction') && Reflect.get(using, 'isTransaction') === false) {
    return openerBy((work) => call(call(using, 'transaction') as object, 'execute', work));
  }
  const manager: unknown = Reflect.get(using, 'em') ?? using;
  if (isObject(manager) && hasMethods(manager, 'transactional', 'fork', 'getTransactionContext')) {
    // A fork: what the handler reads must not come from, nor stay in, what all share.
    return openerBy((work) => call(call(manager, 'fork') as object, 'transactional', work));
  }
  const opens = hasMethods(using, 'transaction');
  if (opens && hasMethods(using, 'execute', 'select') && !hasMethods(using, 'rollback')) {
    return openerBy((work) => call(using, 'transaction', work));
  }
  if (opens && hasMethods(using, 'raw') && Reflect.get(using, 'isTransaction') !== true) {
    return openerBy((work) => call(using, 'transaction', work));
  }
  if (opens && hasMethods(using, 'createQueryRunner')) return openerBy((work) => call(using, 'transaction', work));
  return isPool(using) ? poolOpener(using) : undefined;
}

/** `open` runs a callback in a transaction, as the package does it, and commits when that has resolved. */
function openerBy(open: (work: (handle: unknown) => Promise<unknown>) => unknown): TransactionOpener {
  return {
    async run<T>(work: Work<T>): Promise<T> {
      const answers: T[] = [];
      await open(async (handle) => {
        answers.push(await work(handle, transactionClient(handle)));
        return undefined;
      });
      if (answers.length === 0) throw new OqronError('TX_NOT_RUN', 'The transaction ended without running its work.');
      return answers[0] as T;
    },
  };
}

/** Transactions on the connections of a pool of `pg`. */
export function poolOpener(pool: PoolLike): TransactionOpener {
  return {
    async run<T>(work: Work<T>): Promise<T> {
      const client = await pool.connect();
      let broken = false;
      const lost = (): void => {
        broken = true;
      };
      // The pool listens only to clients that rest; without a listener a lost connection would end the process.
      client.on('error', lost);
      let open = true;
      try {
        await client.query('BEGIN');
        const answer = await work(client, clientStatements(client));
        const ended = await client.query('COMMIT');
        open = false;
        // PostgreSQL answers the COMMIT of a transaction that had failed before with ROLLBACK, not with an error.
        if (isObject(ended) && Reflect.get(ended, 'command') === 'ROLLBACK') {
          throw new OqronError('TX_ROLLED_BACK', 'The transaction had failed before its COMMIT and was rolled back.');
        }
        return answer;
      } finally {
        // A connection whose transaction may still be open must not go back to others.
        const usable = !open || (await rolledBack(client));
        client.removeListener('error', lost);
        client.release(!usable || broken);
      }
    },
  };
}

async function rolledBack(client: TransactionClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}

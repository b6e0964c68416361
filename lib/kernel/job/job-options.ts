import type { DeduplicationMode, ParentFailurePolicy } from '../ports/new-job.js';
import type { TransactionHandle } from '../ports/transaction.js';
import type { BackoffType } from './backoff.js';
import type { Duration } from './duration.js';
import type { KeepOption } from './retention.js';

/**
 * Names a job that another one waits for: the job itself (whatever has its `id` and `queueName`, such as the handle
 * that `add` answers), or an id, which is looked up over all queues and must be unique there.
 * @publicApi
 */
export type ParentJob = string | { readonly id: string; readonly queueName: string };

/**
 * How adds of one `key` are taken for one job.
 *
 * @example
 * await reindex.add({ shop: 7 }, { deduplication: { key: 'shop-7', mode: 'debounce' }, delay: '30s' });
 * @publicApi
 */
export interface DeduplicationOptions {
  /** 1 to 256 bytes; unique within the queue. */
  key: string;
  /**
   * `while-unfinished`: the first stands until it has finished. `throttle`: the first stands for `ttl`. `debounce`: the
   * last wins, and its delay begins anew. `replace`: a job that has not started gets the new data. `keep-last`: the
   * same, and while one runs, the newest waits.
   */
  mode: DeduplicationMode;
  /**
   * `throttle` (required): how long the first stands. `debounce` without a `delay` of the job (required), and the
   * other modes: the key is forgotten this long after its job was added. @default until the job has finished
   */
  ttl?: Duration;
}

/** Options of one job. They come before those of every definition. @publicApi */
export interface JobOptions {
  /** Identity within the queue while its record exists: adding it again returns the job that stands. */
  jobId?: string;
  /** Which of the handlers by name runs it; `add(name, data)` types the payload as well. @default 'default' */
  name?: string;
  /** 0 (first) to 2 097 152 (last); counts on a `priority` queue. */
  priority?: number;
  /** Not before this long from now, by the store's clock. */
  delay?: Duration;
  /** Total runs; 0 and 1 = no retry. */
  attempts?: number;
  backoff?: { type: BackoffType; delay: Duration; maxDelay?: Duration };
  removeOnComplete?: KeepOption;
  removeOnFail?: KeepOption;
  /** Jobs that must have completed before this one runs: at most 1 000, in any queue. */
  dependsOn?: readonly ParentJob[];
  /**
   * When one of them does not complete: `block` = wait for a retry of it, `cascade-fail` = fail too, `ignore` = run
   * anyway. @default 'block'
   */
  parentFailurePolicy?: ParentFailurePolicy;
  deduplication?: DeduplicationOptions;
  correlationId?: string;
  timeout?: Duration;
  tags?: readonly string[];
  /**
   * Adds the job inside your own database transaction: it is there if and only if that commits. `add` resolves when the
   * statement has run in it. A client of `pg`, anything with `query(text, values)`, or a transaction of Drizzle, Knex,
   * Kysely, TypeORM, Prisma or MikroORM. On every other store than PostgreSQL `add` throws
   * `TransactionsNotSupportedError`.
   */
  tx?: TransactionHandle;
}

/** Options that may hold for every job: those that are not about one job. @publicApi */
export type DefaultJobOptions = Omit<
  JobOptions,
  'jobId' | 'name' | 'dependsOn' | 'parentFailurePolicy' | 'deduplication' | 'tx'
>;

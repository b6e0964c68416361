import type { TransactionStatements } from './transaction.js';

/** Last parameter of every operation. @publicApi */
export interface StoreOptions {
  /** Store time in ms for this call. Only tests set it. */
  readonly now?: number;
}

/** Last parameter of `enqueue`. @publicApi */
export interface EnqueueOptions extends StoreOptions {
  /**
   * The open transaction that the jobs are added in: they are there when it commits. Such a call has no number
   * (`n` is 0) and no stored reply; what the database answers comes through unchanged. It must not make other calls
   * wait. Only where `capabilities.transactions` is true.
   */
  readonly tx?: TransactionStatements;
}

/**
 * Names one call so that a resend is recognised. Numbers are counted per client and queue from 1; `n - acked` is at
 * most 16, so a store keeps at most 16 replies per client and queue. A resend carries the identical request.
 * @publicApi
 */
export interface CallId {
  /** The calling process incarnation; never used again after a restart. */
  readonly client: string;
  readonly n: number;
  /** Every call up to this number has been answered: its stored reply may be dropped. */
  readonly acked: number;
}

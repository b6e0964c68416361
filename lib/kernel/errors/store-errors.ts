import { OqronError } from './oqron-error.js';

/**
 * The store could not be reached, or the connection broke before the reply came. A backend throws it and never
 * resends by itself: the caller's lane does, with the same `CallId`.
 * @publicApi
 */
export class StoreUnreachableError extends OqronError {
  constructor(where: string, options?: { cause?: unknown }) {
    super('STORE_UNREACHABLE', `${where}: the store did not answer`, options);
  }
}

/**
 * A write was sent and no reply could be had for `waitedMs`: it may or may not have happened.
 * Adding again with the same `jobId` is always safe.
 * @publicApi
 */
export class UnknownOutcomeError extends OqronError {
  constructor(
    where: string,
    readonly waitedMs: number,
    options?: { cause?: unknown },
  ) {
    super(
      'UNKNOWN_OUTCOME',
      `${where}: no reply from the store for ${waitedMs} ms; the write may have happened`,
      options,
    );
  }
}

/**
 * The store refuses new jobs because it is full (memory limit, disk). Running jobs still settle.
 * @publicApi
 */
export class StoreFullError extends OqronError {
  constructor(where: string, options?: { cause?: unknown }) {
    super(
      'STORE_FULL',
      `${where}: the store is full and takes no new jobs. Free memory or disk, then add again.`,
      options,
    );
  }
}

/**
 * A resend of a call whose reply the client had already confirmed. It is refused, or it would run twice.
 * @publicApi
 */
export class CallRefusedError extends OqronError {
  constructor(where: string, n: number, acked: number) {
    super('CALL_REFUSED', `${where}: call ${n} was confirmed before (confirmed up to ${acked}) and is not run again`);
  }
}

/**
 * The queue is recorded in the store with another ordering strategy than this definition asks for.
 * @publicApi
 */
export class StrategyMismatchError extends OqronError {
  constructor(queue: string, stored: string, wanted: string) {
    super(
      'STRATEGY_MISMATCH',
      `queue "${queue}" is recorded with strategy "${stored}", this definition asks for "${wanted}". ` +
        'Use the same strategy on every side, or leave it out to follow the store.',
    );
  }
}

/**
 * The server refused what a batch carries, and nothing of it was written. The caller halves the batch until only the
 * bad item is left, so that it fails alone.
 * @publicApi
 */
export class BatchRejectedError extends OqronError {
  constructor(where: string, options?: { cause?: unknown }) {
    super('BATCH_REJECTED', `${where}: the store refused the data; nothing was written`, options);
  }
}

/**
 * The store has no database transactions of the user's to take part in: `tx` of `add` and `ctx.tx` need PostgreSQL.
 * Nothing was written.
 * @publicApi
 */
export class TransactionsNotSupportedError extends OqronError {
  constructor(where: string, backend: string) {
    super(
      'TX_NOT_SUPPORTED',
      `${where}: the store "${backend}" cannot take part in a database transaction. ` +
        'Use the PostgreSQL store, or leave the transaction out.',
    );
  }
}

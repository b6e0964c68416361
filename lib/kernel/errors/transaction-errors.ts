import { OqronError } from './oqron-error.js';

/**
 * The lease of a job was gone when `ctx.tx` was about to commit: it had expired and was taken back, or the job was
 * cancelled or removed. The transaction was rolled back; whoever runs the job now does its work.
 * @publicApi
 */
export class LeaseLostError extends OqronError {
  constructor(where: string) {
    super('LEASE_LOST', `${where}: the job is not this worker's any more; the transaction was rolled back`);
  }
}

/**
 * A second `ctx.tx` in one attempt. The first completes the job, so there can be only one: do all writes in it.
 * After one that was rolled back another may be tried.
 * @publicApi
 */
export class SecondTransactionError extends OqronError {
  constructor(where: string, first: 'open' | 'committed') {
    super(
      'SECOND_TX',
      first === 'open'
        ? `${where}: another ctx.tx of this attempt is under way. Do all writes in one.`
        : `${where}: an earlier ctx.tx of this attempt has completed the job. Do all writes in one.`,
    );
  }
}

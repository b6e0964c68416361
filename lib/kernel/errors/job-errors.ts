import { OqronError } from './oqron-error.js';

/**
 * Throw it from a handler when trying again cannot help: the job fails at once, whatever attempts are left.
 *
 * @example
 * if (file.size === 0) throw new NonRetryableError('the file is empty');
 * @publicApi
 */
export class NonRetryableError extends OqronError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('NON_RETRYABLE', message, options);
  }
}

/**
 * Throw it from a handler to choose the delay of the next attempt (ms). The attempt counts.
 *
 * @example
 * throw new RetryLaterError(retryAfterSeconds * 1000, 'the API is throttling us');
 * @publicApi
 */
export class RetryLaterError extends OqronError {
  constructor(
    readonly delayMs: number,
    message = `try again in ${delayMs} ms`,
    options?: { cause?: unknown },
  ) {
    super('RETRY_LATER', message, options);
  }
}

/**
 * Throw it from a handler to hand the job back without using up an attempt. `delayMs` (default 0) keeps it away
 * from workers for that long.
 * @publicApi
 */
export class ReleaseError extends OqronError {
  constructor(
    readonly delayMs = 0,
    message = 'the job was handed back',
  ) {
    super('RELEASED', message);
  }
}

/**
 * The attempt ran longer than its `timeout` (ms). It counts as a failed attempt and is retried like one.
 * @publicApi
 */
export class JobTimeoutError extends OqronError {
  constructor(
    readonly timeoutMs: number,
    where: string,
  ) {
    super('JOB_TIMEOUT', `${where}: the handler did not finish within its timeout of ${timeoutMs} ms`);
  }
}

/**
 * This process no longer owns the job: its lease ended, or another process took it over.
 * @publicApi
 */
export class LeaseLostError extends OqronError {
  constructor(where: string) {
    super('LEASE_LOST', `${where}: the lease was lost; whatever this handler does from now on is ignored`);
  }
}

import { parseDuration, type Duration } from '../job/duration.js';
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
 * Throw it from a handler to choose the delay of the next attempt (ms, or a text such as `'5m'`). The attempt counts.
 * A delay that is none is ignored: the ordinary backoff applies.
 *
 * @example
 * throw new RetryLaterError('5m', 'the API is throttling us');
 * @publicApi
 */
export class RetryLaterError extends OqronError {
  readonly delayMs: number;

  constructor(delay: Duration, message = `try again in ${delay}`, options?: { cause?: unknown }) {
    super('RETRY_LATER', message, options);
    this.delayMs = parseDuration(delay) ?? NaN;
  }
}

/**
 * Throw it from a handler to hand the job back without using up an attempt. `delay` (default 0) keeps it away from
 * workers for that long.
 * @publicApi
 */
export class ReleaseError extends OqronError {
  readonly delayMs: number;

  constructor(delay: Duration = 0, message = 'the job was handed back') {
    super('RELEASED', message);
    this.delayMs = parseDuration(delay) ?? 0;
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
 * `ctx.spawnChild` after the attempt was over: its handler had returned without awaiting it. Nothing was added.
 * @publicApi
 */
export class JobEndedError extends OqronError {
  constructor(where: string) {
    super('JOB_ENDED', `${where}: the attempt is over. Await every child before the handler returns.`);
  }
}

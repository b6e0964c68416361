import type { JobStatus } from '../job/states.js';
import type { StoredError } from '../job/stored-job.js';
import { OqronError } from './oqron-error.js';

/**
 * The job that was waited for has failed for good. `error` is what its record says, so it is plain data: the class
 * that the handler threw is not known to this process.
 *
 * @example
 * try {
 *   const url = await job.waitUntilFinished({ timeout: '30s' });
 * } catch (error) {
 *   if (error instanceof JobFailedError) console.log(error.error.message);
 * }
 * @publicApi
 */
export class JobFailedError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly jobId: string,
    /** The error of its last attempt: `{ name, message, code?, stack? }`. */
    readonly error: StoredError,
  ) {
    super('JOB_FAILED', `${where}: job "${jobId}" of queue "${queue}" failed: ${error.message}`, { cause: error });
  }
}

/**
 * The job that was waited for was cancelled.
 * @publicApi
 */
export class JobCancelledError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly jobId: string,
    /** What was given to `cancel`. */
    readonly reason?: string,
  ) {
    const why = reason === undefined ? '' : `: ${reason}`;
    super('JOB_CANCELLED', `${where}: job "${jobId}" of queue "${queue}" was cancelled${why}`);
  }
}

/**
 * The job had not finished when the `timeout` (ms) of the wait was over. The job itself is not affected.
 * @publicApi
 */
export class WaitTimeoutError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly jobId: string,
    readonly timeoutMs: number,
  ) {
    super(
      'WAIT_TIMEOUT',
      `${where}: job "${jobId}" of queue "${queue}" has not finished within ${timeoutMs} ms. It goes on; ` +
        'wait again, or cancel it.',
    );
  }
}

/**
 * There is no such job: it was never added, or its record was removed.
 * @publicApi
 */
export class JobNotFoundError extends OqronError {
  constructor(
    where: string,
    /** Where it was looked for; `undefined` = in all recorded queues. */
    readonly queue: string | undefined,
    readonly jobId: string,
    hint = 'It was never added, or its record was removed.',
  ) {
    const place = queue === undefined ? 'any recorded queue' : `queue "${queue}"`;
    super('JOB_NOT_FOUND', `${where}: there is no job "${jobId}" in ${place}. ${hint}`);
  }
}

/**
 * The job is in a state in which this cannot be done. Nothing was changed.
 * @publicApi
 */
export class JobStateError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly jobId: string,
    /** The state that the job is in. */
    readonly status: JobStatus,
    /** The states in which it could be done. */
    readonly allowed: readonly JobStatus[],
  ) {
    super(
      'JOB_STATE',
      `${where}: job "${jobId}" of queue "${queue}" is ${status}; this can be done while it is ${orList(allowed)}.`,
    );
  }
}

/**
 * Jobs of the queue were still running when the `timeout` (ms) of `drain` was over. The queue stays paused.
 * @publicApi
 */
export class DrainTimeoutError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly timeoutMs: number,
    /** Jobs that still ran. */
    readonly running: number,
  ) {
    super(
      'DRAIN_TIMEOUT',
      `${where}: ${running} jobs of queue "${queue}" still run after ${timeoutMs} ms. The queue stays paused: ` +
        'drain it again, or resume it.',
    );
  }
}

function orList(words: readonly string[]): string {
  return words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${words.at(-1)}` : words.join('');
}

import { OqronError } from './oqron-error.js';

/**
 * The engine is not in the state that the call needs (not started yet, stopping, stopped).
 * @publicApi
 */
export class EngineStateError extends OqronError {
  constructor(where: string, problem: string) {
    super('ENGINE_STATE', `${where}: ${problem}`);
  }
}

/**
 * A queue that nobody declared, defined here or added to, in this project and environment.
 * @publicApi
 */
export class QueueNotFoundError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    hint = 'No definition names it and no job was added to it. listQueues() names those that there are.',
  ) {
    super('QUEUE_NOT_FOUND', `${where}: there is no queue "${queue}" in this project and environment. ${hint}`);
  }
}

/**
 * A file of the trigger folder could not be imported. Nothing was started.
 * @publicApi
 */
export class TriggerLoadError extends OqronError {
  constructor(
    readonly file: string,
    problem: string,
    options?: { cause?: unknown },
  ) {
    super(
      'TRIGGER_LOAD_FAILED',
      `OqronKit.init: the trigger file "${file}" could not be imported: ${problem}. Mend the file, move it out of the ` +
        'trigger folder, or set `triggers: false` and import the definitions yourself.',
      options,
    );
  }
}

/**
 * A job can be run again once, and this one was: its successor is the one to look at, or to run again.
 * @publicApi
 */
export class AlreadyRetriedError extends OqronError {
  constructor(
    where: string,
    readonly queue: string,
    readonly jobId: string,
    /** The job that took its place. */
    readonly retriedById: string,
  ) {
    super(
      'ALREADY_RETRIED',
      `${where}: job "${jobId}" of queue "${queue}" was run again already, as job "${retriedById}". Retry that one.`,
    );
  }
}

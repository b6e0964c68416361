import { OqronError } from './oqron-error.js';

/**
 * A job was looked up by its id alone, and jobs of several queues have it. Ids are unique within a queue: name the
 * queue as well.
 * @publicApi
 */
export class AmbiguousJobError extends OqronError {
  constructor(
    where: string,
    readonly id: string,
    /** The queues that have a job of this id. */
    readonly queues: readonly string[],
  ) {
    super(
      'AMBIGUOUS_JOB',
      `${where}: several queues have a job "${id}": ${queues.join(', ')}. Name the queue as well.`,
    );
  }
}

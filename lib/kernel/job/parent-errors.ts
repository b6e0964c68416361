import type { FinalStatus } from './states.js';
import type { JobRef, StoredError } from './stored-job.js';

/** What a record says of a job that failed because a parent did not complete. Every store writes the same. */
export function parentFailedError({ queue, id }: JobRef, how: FinalStatus | 'removed'): StoredError {
  const verb = how === 'failed' ? 'failed' : `was ${how}`;
  return {
    name: 'ParentFailedError',
    code: 'PARENT_FAILED',
    message: `its parent, job "${id}" of queue "${queue}", ${verb} (parentFailurePolicy: cascade-fail)`,
  };
}

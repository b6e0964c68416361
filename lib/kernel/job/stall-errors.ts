import type { StoredError } from './stored-job.js';

/** What a record says of a job whose lease expired and that must not run again. Every store writes the same. */
export function crashedError(owner: string): StoredError {
  const message = `the lease of "${owner}" expired while the job ran (guaranteedWorker: false)`;
  return { name: 'StalledError', code: 'CRASHED', message };
}

/** What a record says of a job that passed its stall cap. */
export function stalledTooOftenError(stalledCount: number, policy: { maxStalledCount: number }): StoredError {
  const message = `its process died or froze ${stalledCount} times while the job ran (maxStalledCount ${policy.maxStalledCount})`;
  return { name: 'StalledError', code: 'STALLED_TOO_OFTEN', message };
}

/** One line for the timeline. */
export function summaryOf(error: StoredError): string {
  return `${error.name}: ${error.message}`.slice(0, 200);
}

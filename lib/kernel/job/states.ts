/**
 * What users see as the state of a job. `stalled` is an event and a timeline entry, never a state.
 * @publicApi
 */
export type JobStatus =
  'waiting' | 'delayed' | 'waiting-children' | 'paused' | 'active' | 'completed' | 'failed' | 'cancelled';

/** The states that a job does not leave. @publicApi */
export type FinalStatus = 'completed' | 'failed' | 'cancelled';

/** All states, in the order of a job's life. @publicApi */
export const JOB_STATUSES: readonly JobStatus[] = [
  'waiting',
  'delayed',
  'waiting-children',
  'paused',
  'active',
  'completed',
  'failed',
  'cancelled',
];

/** True for `completed`, `failed` and `cancelled`. @publicApi */
export function isFinal(status: JobStatus): status is FinalStatus {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/**
 * How a queue orders its waiting jobs: `fifo` oldest first, `lifo` newest first, `priority` lowest number first and
 * oldest first among equals.
 * @publicApi
 */
export type QueueStrategy = 'fifo' | 'lifo' | 'priority';

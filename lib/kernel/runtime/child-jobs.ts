import type { Job } from '../job/job.js';
import type { JobOptions } from '../job/job-options.js';
import type { JobTarget } from '../job/job-target.js';

/** A job that a handler added as a child of its own. @publicApi */
export interface ChildJob<T = unknown, R = unknown> extends Job<T, R> {
  /** False when a job of this id, or of its deduplication key, was there already: that one is the child now. */
  readonly created: boolean;
  /** Ends it with a tombstone that names the reason. */
  cancel(reason?: string): Promise<'cancelled' | 'finished' | 'unknown'>;
}

/** Where a job comes from; what its own options say comes first. */
export interface Lineage {
  readonly parentId?: string;
  readonly correlationId?: string;
}

/** Adds a job to any queue on behalf of a running one. */
export type AddChild = (
  target: string | JobTarget,
  data: unknown,
  options: JobOptions | undefined,
  lineage: Lineage,
) => Promise<ChildJob>;

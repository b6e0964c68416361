import type { Codec } from '../job/codec.js';
import type { EnqueueResult, NewJob } from '../ports/new-job.js';

/** What a test kit sees beside the events of an engine. */
export interface EngineTap {
  /** A job that this process added, as it was sent. */
  added(queue: string, job: NewJob, result: EnqueueResult, codec: Codec): void;
  /** A job has failed for good; `thrown` is what its handler threw, not what the record makes of it. */
  failed(queue: string, id: string, thrown: unknown): void;
}

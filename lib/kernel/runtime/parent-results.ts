import { InvalidPayloadError } from '../errors/index.js';
import { jsonCodec, type Codec } from '../job/codec.js';
import type { JobStatus } from '../job/states.js';
import type { JobRef, StoredError } from '../job/stored-job.js';
import type { JobAdmin } from '../ports/job-admin.js';
import type { JobRun } from './job-run.js';

/** Records that are read at once. */
const AT_ONCE = 16;

/** What became of a job that this one waited for. @publicApi */
export interface ParentResult<R = unknown> {
  readonly queueName: string;
  readonly id: string;
  /** `completed`, unless failed parents are ignored; `removed`: its record is gone, and its result with it. */
  readonly status: JobStatus | 'removed';
  readonly result?: R;
  /** Its last error, as its record keeps it. */
  readonly error?: StoredError;
}

/** What became of the parents of a running job, in the order of its `dependsOn`. */
export async function readParents(run: JobRun, admin: JobAdmin, codec: Codec): Promise<ParentResult[]> {
  const refs = run.job.parents ?? [];
  const results: ParentResult[] = [];
  for (let at = 0; at < refs.length; at += AT_ONCE) {
    const page = refs.slice(at, at + AT_ONCE).map((ref) => readParent(run, ref, admin, codec));
    results.push(...(await Promise.all(page)));
  }
  return results;
}

async function readParent(run: JobRun, { queue, id }: JobRef, admin: JobAdmin, codec: Codec): Promise<ParentResult> {
  const stored = await admin.get(queue, id);
  if (!stored) return { queueName: queue, id, status: 'removed' };
  const { status, result, error } = stored;
  // Another queue's codec is not known here; where it is not JSON, its result has to be read through that queue.
  const read = queue === run.spec.queue ? codec : jsonCodec;
  try {
    return {
      queueName: queue,
      id,
      status,
      ...(result === undefined ? {} : { result: read.decode(result) }),
      ...(error === undefined ? {} : { error }),
    };
  } catch (cause) {
    throw new InvalidPayloadError(run.where, `the result of parent "${id}" of queue "${queue}" cannot be decoded`, {
      cause,
    });
  }
}

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

/** How a queue turns values into text, as far as this process knows. */
type CodecOf = (queue: string) => Codec | undefined;

/** What became of the parents of a running job, in the order of its `dependsOn`. */
export async function readParents(run: JobRun, admin: JobAdmin, codecOf: CodecOf): Promise<ParentResult[]> {
  const refs = run.job.parents ?? [];
  const results: ParentResult[] = [];
  for (let at = 0; at < refs.length; at += AT_ONCE) {
    const page = refs.slice(at, at + AT_ONCE).map((ref) => readParent(run, ref, admin, codecOf));
    results.push(...(await Promise.all(page)));
  }
  return results;
}

async function readParent(run: JobRun, ref: JobRef, admin: JobAdmin, codecOf: CodecOf): Promise<ParentResult> {
  const { queue, id } = ref;
  const stored = await admin.get(queue, id);
  if (!stored) return { queueName: queue, id, status: 'removed' };
  const { status, result, error } = stored;
  // Of a queue that is not defined in this process only JSON can be read.
  const read = codecOf(queue) ?? jsonCodec;
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

import { StoreUnreachableError } from '../../kernel/errors/index.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type { JobAdmin } from '../../kernel/ports/job-admin.js';

/**
 * The record that an acknowledged write was about, for what its answer did not say; nothing when it is gone or cannot be
 * read now. A read that fails must not make the write look as if it had failed: its caller would do it again.
 */
export async function readBack(admin: JobAdmin, queue: string, id: string): Promise<StoredJob | undefined> {
  try {
    return await admin.get(queue, id);
  } catch (error) {
    if (error instanceof StoreUnreachableError) return undefined;
    throw error;
  }
}

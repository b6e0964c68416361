import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { decodeCursor, type WalkCursor } from './cursor.js';
import { checkLimit, knownQueue, type ManagerHost } from './manager-host.js';

/** Queues that one call of a walk looks at: each costs the store at least one read. */
const MAX_QUEUES_PER_CALL = 100;

/** Names of the recorded queues from `first` on (it included), at most `limit`. */
async function namesFrom(host: ManagerHost, first: string | undefined, limit: number): Promise<string[]> {
  if (first === undefined) return host.store.admin.queues({ limit });
  return [first, ...(await host.store.admin.queues({ limit: limit - 1, after: first }))];
}

/** Where one call of a walk begins. */
export interface WalkStart {
  readonly limit: number;
  /** The queues that this call looks at, and the one after them. */
  readonly queues: readonly string[];
  readonly next: string | undefined;
  readonly cursor: WalkCursor | undefined;
}

/**
 * Connects and checks what every walk over queues takes: the queue, if only one is meant, a page size and the cursor.
 *
 * @throws InvalidOptionsError, QueueNotFoundError
 */
export async function beginWalk(
  host: ManagerHost,
  where: string,
  request: { readonly queue?: string | undefined; readonly limit: number; readonly cursor?: string | undefined },
): Promise<WalkStart> {
  const limit = checkLimit(where, request.limit, MAX_BATCH_ITEMS);
  const cursor = request.cursor === undefined ? undefined : decodeCursor(where, request.cursor);
  if (request.queue === undefined) {
    await host.ready(where);
    const names = await namesFrom(host, cursor?.queue, MAX_QUEUES_PER_CALL + 1);
    return { limit, queues: names.slice(0, MAX_QUEUES_PER_CALL), next: names[MAX_QUEUES_PER_CALL], cursor };
  }
  // A cursor of another walk would skip jobs of this one, and nobody would notice.
  if (cursor && cursor.queue !== request.queue) {
    throw new InvalidOptionsError(where, [`cursor: it belongs to a walk over queue "${cursor.queue}"`]);
  }
  await knownQueue(host, where, request.queue);
  return { limit, queues: [request.queue], next: undefined, cursor };
}

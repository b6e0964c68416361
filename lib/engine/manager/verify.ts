import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { VerifyProblem } from '../../kernel/ports/job-admin.js';
import { encodeCursor, type WalkCursor } from './cursor.js';
import type { ManagerHost } from './manager-host.js';
import type { VerifyPage } from './manager.types.js';
import { beginWalk } from './queue-walk.js';

const WHERE = 'OqronManager.verify';

/** What `verify` looks at. @publicApi */
export interface VerifyOptions {
  readonly queue?: string;
  /** Jobs per page, 1 to 1 000. @default 1_000 */
  readonly limit?: number;
  readonly cursor?: string;
}

/** One page: at most `limit` jobs of at most 100 queues. */
export async function verifyPage(host: ManagerHost, options: VerifyOptions = {}): Promise<VerifyPage> {
  const { queue, cursor: given, limit: wanted = MAX_BATCH_ITEMS } = options;
  const { limit, queues, next, cursor } = await beginWalk(host, WHERE, { queue, limit: wanted, cursor: given });
  const problems: VerifyProblem[] = [];
  let checked = 0;
  const page = (end?: WalkCursor): VerifyPage => ({
    problems,
    checked,
    ...(end === undefined ? {} : { cursor: encodeCursor(end) }),
  });
  for (const name of queues) {
    if (checked >= limit) return page({ queue: name });
    const from = cursor?.queue === name ? cursor.page : undefined;
    const reply = await host.store.admin.verify({
      queue: name,
      limit: limit - checked,
      ...(from === undefined ? {} : { cursor: from }),
    });
    problems.push(...reply.problems);
    checked += reply.checked;
    if (reply.cursor !== undefined) return page({ queue: name, page: reply.cursor });
  }
  return page(next === undefined ? undefined : { queue: next });
}

/** Every problem, page after page. */
export async function* verifyAll(
  host: ManagerHost,
  options: Omit<VerifyOptions, 'cursor'> = {},
): AsyncGenerator<VerifyProblem, void> {
  let cursor: string | undefined;
  do {
    const page = await verifyPage(host, { ...options, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.problems;
    ({ cursor } = page);
  } while (cursor !== undefined);
}

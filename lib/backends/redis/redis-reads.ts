import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { matchesFilter } from '../../kernel/job/job-filter.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { isFinal, type JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type { FindReply, FindRequest, JobCounts, VerifyReply, VerifyRequest } from '../../kernel/ports/job-admin.js';
import type { StoreOptions } from '../../kernel/ports/job-store.js';
import { openStored } from './decode.js';
import type { RedisParts } from './parts.js';
import type { Arg, Reply } from './script-runner.js';
import { verifyPage } from './verify.js';

/** Candidates of a filtered list that are read at once. */
const CANDIDATES = 200;

/** Sets (letters of scripts/common/job.lua) that make up the list of a state: words are lists one after the other. */
const LISTS: Readonly<Record<JobStatus, string>> = {
  waiting: 'w s',
  delayed: 'd',
  'waiting-children': 'b',
  paused: 'h',
  active: 'a',
  completed: 'cC',
  failed: 'fF',
  cancelled: 'xX',
};

/** What only reads. */
export class RedisReads {
  constructor(private readonly parts: () => RedisParts) {}

  async get(queue: string, id: string, opts?: StoreOptions): Promise<StoredJob | undefined> {
    const reply = (await this.#run('get', queue, 'get', [id], opts)) as Reply | null;
    return reply ? openStored(queue, reply) : undefined;
  }

  async find(request: FindRequest, opts?: StoreOptions): Promise<FindReply> {
    const { queue, status, filter } = request;
    const limit = Math.min(request.limit, MAX_BATCH_ITEMS);
    const jobs: StoredJob[] = [];
    let cursor = request.cursor;
    let place = openCursor('JobAdmin.find', cursor);
    const direction = isFinal(status) ? 'down' : status === 'waiting' ? 'auto' : '';
    for (let seen = 0; seen < MAX_BATCH_ITEMS && jobs.length < limit;) {
      const size = filter ? Math.min(CANDIDATES, MAX_BATCH_ITEMS - seen) : limit;
      const args = [LISTS[status], direction, ...place, size, MAX_BATCH_BYTES];
      const [page, ...next] = await this.#run('find', queue, 'find', args, opts);
      let at = 0;
      for (const entry of page as readonly Reply[]) {
        at += 1;
        // An entry without a record is for verify, not for a list.
        if (entry.length < 2) continue;
        const job = openStored(queue, entry);
        if (!filter || matchesFilter(filter, job, job.dead === true && job.retriedById === undefined)) jobs.push(job);
        if (jobs.length === limit) break;
      }
      seen += at;
      if (at < (page as Reply).length) {
        cursor = await this.#cursorOf(queue, status, at, place, direction, opts);
        return { jobs, cursor };
      }
      if (next.length === 0) return { jobs };
      cursor = next.join(':');
      place = next as Arg[];
      // A page is also cut by its size in bytes.
      if (!filter) break;
    }
    return cursor === undefined ? { jobs } : { jobs, cursor };
  }

  /** The place of candidate number `count` of a page: read once more, up to there. */
  async #cursorOf(
    queue: string,
    status: JobStatus,
    count: number,
    place: readonly Arg[],
    direction: string,
    opts: StoreOptions | undefined,
  ): Promise<string> {
    const args = [LISTS[status], direction, ...place, count, Number.MAX_SAFE_INTEGER];
    const [, ...next] = await this.#run('find', queue, 'find', args, opts);
    return next.join(':');
  }

  async counts(queue: string, opts?: StoreOptions): Promise<JobCounts> {
    const reply = (await this.#run('counts', queue, 'counts', [], opts)) as number[];
    const sum = (...places: readonly number[]): number => places.reduce((total, i) => total + (reply[i] ?? 0), 0);
    return {
      waiting: sum(0, 1),
      delayed: sum(2),
      'waiting-children': sum(3),
      paused: sum(4),
      active: sum(5),
      completed: sum(6, 7),
      failed: sum(8, 9),
      cancelled: sum(10, 11),
    };
  }

  async locate(ids: readonly string[], opts?: StoreOptions): Promise<string[][]> {
    const found = ids.map((): string[] => []);
    for (let after: string | undefined; ;) {
      const page = await this.parts().registry.page(MAX_BATCH_ITEMS, after);
      const answers = await Promise.all(page.map((queue) => this.#run('locate', queue, 'exists', ids, opts)));
      for (const [q, answer] of answers.entries()) {
        for (const [i, there] of answer.entries()) if (there === 1) found[i]?.push(page[q] ?? '');
      }
      if (page.length < MAX_BATCH_ITEMS) return found;
      after = page.at(-1);
    }
  }

  async verify({ queue, limit, cursor }: VerifyRequest, opts?: StoreOptions): Promise<VerifyReply> {
    const place = openCursor('JobAdmin.verify', cursor);
    const size = Math.min(limit, MAX_BATCH_ITEMS);
    return verifyPage(queue, await this.#run('verify', queue, 'verify', [...place, size], opts), (slot, args) =>
      this.#run('verify', slot, 'ties', args, opts),
    );
  }

  async queues({ limit, after }: { limit: number; after?: string }, opts?: StoreOptions): Promise<string[]> {
    const names: string[] = [];
    const size = Math.min(limit, MAX_BATCH_ITEMS);
    for (let from = after; names.length < size;) {
      const page = await this.parts().registry.page(size, from);
      // The list of names may be ahead of the queues: see RedisRegistry.
      const records = await Promise.all(page.map((queue) => this.#run('queues', queue, 'record', [], opts)));
      for (const [i, [recorded]] of records.entries()) {
        if (recorded === 1 && names.length < size) names.push(page[i] ?? '');
      }
      if (page.length < size) break;
      from = page.at(-1);
    }
    return names;
  }

  async #run(
    operation: string,
    queue: string,
    name: 'get' | 'find' | 'counts' | 'exists' | 'record' | 'verify' | 'ties',
    args: readonly Arg[],
    opts: StoreOptions | undefined,
  ): Promise<Reply> {
    const { scripts, connections } = this.parts();
    const where = `JobAdmin.${operation} (queue "${queue}")`;
    return scripts.run(connections.commands, where, name, queue, args, opts);
  }
}

/** Number of the list, score, member in hex: three arguments, or three empty ones. */
function openCursor(where: string, cursor: string | undefined): readonly Arg[] {
  if (cursor === undefined) return ['', '', ''];
  const parts = /^(\d{1,2}):(\d{1,17}(?:\.\d{1,17})?):((?:[0-9a-f]{2}){8,300})$/.exec(cursor);
  if (!parts) {
    throw new InvalidOptionsError(where, [`cursor ${JSON.stringify(cursor)} did not come from a page before`]);
  }
  return parts.slice(1);
}

import { z } from 'zod';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { JOB_STATUSES, type JobStatus } from '../../kernel/job/states.js';
import type { JobCounts, JobFilter } from '../../kernel/ports/job-admin.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import { integer, name, parseOptions, strict } from '../../kernel/validation.js';
import type { JobPage } from '../../modules/queue/index.js';
import { encodeCursor, type WalkCursor } from './cursor.js';
import type { ManagerHost } from './manager-host.js';
import type { JobQuery } from './manager.types.js';
import { beginWalk, type WalkStart } from './queue-walk.js';

const DEFAULT_LIMIT = 100;

const status = z.enum(JOB_STATUSES as [JobStatus, ...JobStatus[]], {
  error: `expected one of ${JOB_STATUSES.join(', ')}`,
});

const instant = z
  .union([z.number(), z.date()], 'expected ms since 1970, or a Date')
  .transform((value) => (typeof value === 'number' ? value : value.getTime()));

const querySchema = strict({
  queue: name.optional(),
  status: z.union([status, z.array(status)], `expected one or several of ${JOB_STATUSES.join(', ')}`).optional(),
  name: name.optional(),
  tag: z.string().optional(),
  correlationId: z.string().optional(),
  parentId: z.string().optional(),
  createdFrom: instant.optional(),
  createdTo: instant.optional(),
  limit: integer(1, MAX_BATCH_ITEMS).default(DEFAULT_LIMIT),
});

type Checked = z.output<typeof querySchema>;

/** One page of a walk over queues (by name) and states (in the order of a job's life). */
export async function queryJobs(
  host: ManagerHost,
  query: JobQuery,
  cursor?: string,
): Promise<JobPage<unknown, unknown>> {
  const where = 'OqronManager.queryJobs';
  const checked = parseOptions(where, querySchema, query);
  const start = await beginWalk(host, where, { queue: checked.queue, limit: checked.limit, cursor });
  const walk = new QueryWalk(host, start, checked);
  const end = await walk.run();
  const handles = new Map(
    [...new Set(walk.found.map(({ queue }) => queue))].map((queue) => [queue, host.handles(queue)]),
  );
  return {
    jobs: walk.found.flatMap((job) => handles.get(job.queue)?.(job) ?? []),
    ...(end === undefined ? {} : { cursor: encodeCursor(end) }),
  };
}

/** One call: ends when the page is full, when 1 000 candidates were looked at, or after 100 queues. */
class QueryWalk {
  readonly found: StoredJob[] = [];
  readonly #statuses: readonly JobStatus[];
  readonly #filter: JobFilter | undefined;
  #budget = MAX_BATCH_ITEMS;

  constructor(
    private readonly host: ManagerHost,
    private readonly start: WalkStart,
    query: Checked,
  ) {
    const wanted = query.status === undefined ? JOB_STATUSES : [query.status].flat();
    this.#statuses = JOB_STATUSES.filter((one) => wanted.includes(one));
    this.#filter = filterOf(query);
  }

  /** Where the next call goes on, if there is more. */
  async run(): Promise<WalkCursor | undefined> {
    const { queues, next, cursor } = this.start;
    // One queue and one state need no counts: the question costs one read.
    const alone = queues.length === 1 && next === undefined && this.#statuses.length === 1;
    for (const queue of queues) {
      const counts = alone ? undefined : await this.host.store.admin.counts(queue);
      const end = await this.#queue(queue, counts, cursor?.queue === queue ? cursor : undefined);
      if (end) return end;
    }
    return next === undefined ? undefined : { queue: next };
  }

  async #queue(
    queue: string,
    counts: JobCounts | undefined,
    from: WalkCursor | undefined,
  ): Promise<WalkCursor | undefined> {
    for (const state of this.#statuses) {
      const at = JOB_STATUSES.indexOf(state);
      if (at < (from?.status ?? 0)) continue;
      const size = Math.min(counts?.[state] ?? MAX_BATCH_ITEMS, MAX_BATCH_ITEMS);
      if (size === 0) continue;
      const page = from?.status === at ? from.page : undefined;
      const wanted = this.start.limit - this.found.length;
      const cost = this.#filter ? size : Math.min(size, wanted);
      const here = { queue, status: at, ...(page === undefined ? {} : { page }) };
      // What is left of the page or of the budget might not do: the next call begins here. The first read always may.
      if (wanted === 0 || (cost > this.#budget && this.#budget < MAX_BATCH_ITEMS)) return here;
      const reply = await this.host.store.admin.find({
        queue,
        status: state,
        limit: wanted,
        ...(page === undefined ? {} : { cursor: page }),
        ...(this.#filter ? { filter: this.#filter } : {}),
      });
      this.found.push(...reply.jobs);
      this.#budget -= cost;
      if (reply.cursor !== undefined) return { queue, status: at, page: reply.cursor };
    }
    return undefined;
  }
}

function filterOf({ queue: _queue, status: _status, limit: _limit, ...filter }: Checked): JobFilter | undefined {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as JobFilter);
}

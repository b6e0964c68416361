import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { matchesFilter } from '../../kernel/job/job-filter.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import type { QueueStrategy } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type {
  DisabledBehavior,
  FindReply,
  FindRequest,
  JobCounts,
  JobFilter,
  QueueRecord,
} from '../../kernel/ports/job-admin.js';
import type { FunctionRunner } from './function-runner.js';
import type { PostgresParts } from './parts.js';
import { openMeta, openStored, placeOf, statusOf, type StoredRow } from './records.js';

export const STRATEGIES: readonly QueueStrategy[] = ['fifo', 'lifo', 'priority'];
export const BEHAVIORS: readonly DisabledBehavior[] = ['hold', 'skip', 'reject'];

/** What shown_queue_v1 answers. */
export type RecordRow = readonly [string, number | null, boolean, boolean, number, number, number];

/** A place on a list: its part, and the two keys of its order. */
type Place = readonly [number, number, number] | readonly [null, null, null];

/** A row of find_v1. */
interface PageRow {
  readonly part: number;
  readonly k1: number;
  readonly k2: number;
  /** There may be more behind the page. */
  readonly more: boolean;
}

interface CandidateRow extends PageRow {
  /** Absent where an entry of the list has no record. */
  readonly seq: number | null;
  readonly name: string;
  readonly meta: string | null;
  readonly created_at: number;
  readonly dead: boolean;
  readonly bytes: number;
}

const PAGE = 'with page as materialized (select * from oqron.find_v1($1, $2, $3, $4, $5, $6, $7, $8, $9))';

const FIND = `${PAGE} select p.part, p.k1, p.k2, p.more, s.* from page p
  left join oqron.stored_v1(array(select seq from page)) s on s.seq = p.seq order by p.pos`;

const CANDIDATES = `${PAGE} select p.part, p.k1, p.k2, p.more, c.* from page p
  left join oqron.candidates_v1(array(select seq from page), $10) c on c.seq = p.seq order by p.pos`;

/** What only reads. */
export class PostgresReads {
  constructor(
    private readonly parts: () => PostgresParts,
    private readonly functions: FunctionRunner,
  ) {}

  async record(queue: string): Promise<QueueRecord | undefined> {
    const text = 'select oqron.read_queue_v1($1, $2, $3) as reply';
    const [row] = await this.#rows<{ reply: RecordRow | null }>('record', queue, text, [queue]);
    return row?.reply ? openRecord(row.reply) : undefined;
  }

  async get(queue: string, id: string): Promise<StoredJob | undefined> {
    const text = `select s.* from oqron.stored_v1(array(
      select j.seq from oqron.found_v1($1, $2, $3) q join oqron.job j on j.queue_id = q.id and j.id = $4)) s`;
    const [row] = await this.#rows<StoredRow>('get', queue, text, [queue, id]);
    return row && openStored(queue, row);
  }

  async find(request: FindRequest): Promise<FindReply> {
    const place = openCursor(request.cursor);
    const limit = Math.min(request.limit, MAX_BATCH_ITEMS);
    const { queue, status, filter } = request;
    if (filter) return this.#filtered(request, filter, limit, place);
    const values = [queue, placeOf(status), ...place, limit, MAX_BATCH_BYTES];
    const page = await this.#rows<PageRow & StoredRow>('find', queue, FIND, values);
    // An entry without a record is for verify, not for a list.
    const jobs = page.filter(({ id }) => id !== null).map((row) => openStored(queue, row));
    return page[0]?.more ? { jobs, ...cursorOf(page.at(-1)) } : { jobs };
  }

  /** Looks at what filters ask for first: payloads are only read of the jobs that pass. */
  async #filtered(request: FindRequest, filter: JobFilter, limit: number, place: Place): Promise<FindReply> {
    const { queue, status } = request;
    const meta = filter.tag !== undefined || filter.correlationId !== undefined || filter.parentId !== undefined;
    const values = [queue, placeOf(status), ...place, MAX_BATCH_ITEMS, null, meta];
    const page = await this.#rows<CandidateRow>('find', queue, CANDIDATES, values);
    const chosen: number[] = [];
    let bytes = 0;
    let looked = 0;
    for (const row of page) {
      looked += 1;
      if (row.seq === null) continue;
      const job = { name: row.name, meta: openMeta(row.meta), createdAt: row.created_at };
      if (!matchesFilter(filter, job, row.dead)) continue;
      chosen.push(row.seq);
      bytes += row.bytes;
      if (chosen.length === limit || bytes > MAX_BATCH_BYTES) break;
    }
    // One that has left the list meanwhile is left out.
    const jobs = (await this.#stored(queue, chosen)).filter((job) => job.status === status);
    const rest = looked < page.length || page[0]?.more;
    return rest ? { jobs, ...cursorOf(page[looked - 1]) } : { jobs };
  }

  async #stored(queue: string, seqs: readonly number[]): Promise<StoredJob[]> {
    if (seqs.length === 0) return [];
    const where = `JobAdmin.find (queue "${queue}")`;
    const rows = await this.functions.rows<StoredRow>('main', where, 'select * from oqron.stored_v1($1)', [seqs]);
    const bySeq = new Map(rows.map((row) => [row.seq, row]));
    return seqs.flatMap((seq) => {
      const row = bySeq.get(seq);
      return row ? [openStored(queue, row)] : [];
    });
  }

  async counts(queue: string): Promise<JobCounts> {
    const text = 'select place, n::int8 as n from oqron.counts_v1($1, $2, $3)';
    const rows = await this.#rows<{ place: number; n: number }>('counts', queue, text, [queue]);
    const counts = {
      waiting: 0,
      delayed: 0,
      'waiting-children': 0,
      paused: 0,
      active: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    };
    for (const { place, n } of rows) counts[statusOf(place)] += n;
    return counts;
  }

  async locate(ids: readonly string[]): Promise<string[][]> {
    const rows = await this.#rows<{ id: string; queue: string }>(
      'locate',
      undefined,
      'select id, queue from oqron.locate_v1($1, $2, $3)',
      [ids],
    );
    const found = new Map<string, string[]>();
    for (const { id, queue } of rows) {
      const queues = found.get(id);
      if (queues) queues.push(queue);
      else found.set(id, [queue]);
    }
    return ids.map((id) => found.get(id) ?? []);
  }

  async queues({ limit, after }: { limit: number; after?: string }): Promise<string[]> {
    const text = 'select name from oqron.queues_v1($1, $2, $3, $4) name';
    const values = [after ?? null, Math.min(limit, MAX_BATCH_ITEMS)];
    return (await this.#rows<{ name: string }>('queues', undefined, text, values)).map(({ name }) => name);
  }

  #rows<Row>(operation: string, queue: string | undefined, text: string, values: readonly unknown[]): Promise<Row[]> {
    const { project, environment } = this.parts();
    const where = queue === undefined ? `JobAdmin.${operation}` : `JobAdmin.${operation} (queue "${queue}")`;
    return this.functions.rows<Row>('main', where, text, [project, environment, ...values]);
  }
}

export function openRecord([name, strategy, paused, disabled, behavior, maxHeldJobs, version]: RecordRow): QueueRecord {
  return {
    name,
    strategy: STRATEGIES[strategy ?? 0] ?? 'fifo',
    paused,
    disabled,
    disabledBehavior: BEHAVIORS[behavior] ?? 'hold',
    maxHeldJobs,
    version,
  };
}

function openCursor(cursor: string | undefined): Place {
  if (cursor === undefined) return [null, null, null];
  const parts = /^([01]):(\d{1,16}):(\d{1,16})$/.exec(cursor);
  if (!parts) {
    throw new InvalidOptionsError('JobAdmin.find', [
      `cursor ${JSON.stringify(cursor)} did not come from a page before`,
    ]);
  }
  return [Number(parts[1]), Number(parts[2]), Number(parts[3])];
}

function cursorOf(row: PageRow | undefined): { cursor?: string } {
  return row ? { cursor: `${row.part}:${row.k1}:${row.k2}` } : {};
}

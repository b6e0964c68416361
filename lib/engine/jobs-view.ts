import { deepCopy } from '../kernel/adapters/copy.js';
import { checkQuery, matches, recordOrder } from '../kernel/adapters/record-query.js';
import { AmbiguousJobError, InvalidOptionsError, ReadOnlyNamespaceError } from '../kernel/errors/index.js';
import { jsonCodec, type Codec } from '../kernel/job/codec.js';
import { toJob, type Job, type JobHome } from '../kernel/job/job.js';
import { JOB_STATUSES, type JobStatus } from '../kernel/job/states.js';
import type { StoredJob } from '../kernel/job/stored-job.js';
import { STORAGE_METHODS } from '../kernel/ports/adapter-methods.js';
import type { JobAdmin, JobFilter } from '../kernel/ports/job-admin.js';
import type { IStorageEngine, StorageListOptions } from '../kernel/ports/storage.js';

/** The namespace that shows the engine's jobs. */
const JOBS = 'jobs';
/** Jobs per page of a walk, and queues per page. */
const PAGE = 500;
/** A list that would look at more jobs is refused: on a server it would read the whole store into this process. */
const MAX_INSPECTED = 100_000;

/** Where the jobs come from. */
export interface JobsSource {
  /** Answers once the store can be read. */
  admin(): Promise<JobAdmin>;
  /** What the payloads of a queue are encoded with, if its definition is known and says so. */
  codecOf(queue: string): Codec | undefined;
}

type Filter = Readonly<Record<string, unknown>>;

/** Text that this process has no codec for is shown as it is stored. */
const asStored: Codec = { encode: () => undefined, decode: (text) => text };

/**
 * The storage with its namespace `jobs` replaced by a read-only view of the engine's jobs. They are kept elsewhere, and
 * change only by the engine's own transitions.
 */
export function withJobsView(storage: IStorageEngine, home: JobHome, source: JobsSource): IStorageEngine {
  const view = new JobsView(home, source);
  const reads: Readonly<Record<string, (...args: never[]) => Promise<unknown>>> = {
    get: (id: string) => view.get(id),
    list: (filter?: Filter, opts?: StorageListOptions) => view.list(filter, opts),
    count: (filter?: Filter) => view.count(filter),
    bulkGet: (ids: readonly string[]) => Promise.all(ids.map((id) => view.get(id))),
  };
  const methods = Object.keys(STORAGE_METHODS).flatMap((name) => {
    const method: unknown = Reflect.get(storage, name);
    if (typeof method !== 'function') return [];
    const call = async (namespace: string, ...args: unknown[]): Promise<unknown> => {
      if (namespace !== JOBS) return (await Reflect.apply(method, storage, [namespace, ...args])) as unknown;
      const read = reads[name];
      if (read) return read(...(args as never[]));
      throw new ReadOnlyNamespaceError(`storage.${name}`, JOBS, 'Jobs change only through their queue.');
    };
    return [[name, call] as const];
  });
  return Object.fromEntries(methods) as unknown as IStorageEngine;
}

class JobsView {
  constructor(
    private readonly home: JobHome,
    private readonly source: JobsSource,
  ) {}

  async get(id: string): Promise<Job | null> {
    const found = await this.#byId(id);
    if (found.length > 1) {
      const queues = found.map(({ queueName }) => queueName);
      throw new AmbiguousJobError(`storage.get ("${JOBS}")`, id, queues);
    }
    return found[0] ? copyOf(found[0]) : null;
  }

  async list(filter: Filter = {}, opts: StorageListOptions = {}): Promise<Job[]> {
    checkQuery(`storage.list ("${JOBS}")`, filter, opts);
    const { limit = Infinity, offset = 0, orderBy, where } = opts;
    const wanted = offset + limit;
    const order = orderBy && recordOrder(orderBy);
    const cut = (jobs: Job[]): Job[] =>
      order ? jobs.sort((a, b) => order(a, b) || byPlace(a, b)).slice(0, wanted) : jobs;
    let found: Job[] = [];
    if (wanted === 0) return found;
    for await (const job of this.#candidates('list', filter)) {
      if (!matches(job, { filter, where })) continue;
      found.push(job);
      if (!order && found.length >= wanted) break;
      // No more is kept than can be answered, give or take a page.
      if (found.length >= 2 * wanted + PAGE) found = cut(found);
    }
    return cut(found).slice(offset, wanted).map(copyOf);
  }

  async count(filter: Filter = {}): Promise<number> {
    checkQuery(`storage.count ("${JOBS}")`, filter, undefined);
    let sum = 0;
    if (Object.keys(filter).every((field) => field === 'queueName' || field === 'status')) {
      const admin = await this.source.admin();
      const states = statesOf(filter);
      for await (const queue of this.#queues(filter)) {
        const counts = await admin.counts(queue);
        for (const state of states) sum += counts[state];
      }
      return sum;
    }
    for await (const job of this.#candidates('count', filter)) if (matches(job, { filter })) sum += 1;
    return sum;
  }

  /** Every job that may meet the filter, once, though it may change its state during the walk. */
  async *#candidates(method: string, filter: Filter): AsyncGenerator<Job> {
    if (typeof filter.id === 'string') {
      yield* await this.#byId(filter.id);
      return;
    }
    const seen = new Set<string>();
    for await (const stored of this.#walk(filter)) {
      // A queue's name has no blanks, so no two jobs share this text.
      const key = `${stored.queue} ${stored.id}`;
      if (seen.has(key)) continue;
      if (seen.size === MAX_INSPECTED) {
        throw new InvalidOptionsError(`storage.${method} ("${JOBS}")`, [
          `more than ${MAX_INSPECTED} jobs would have to be read; narrow the filter: queueName, status or id`,
        ]);
      }
      seen.add(key);
      yield this.#decode(stored);
    }
  }

  async *#walk(filter: Filter): AsyncGenerator<StoredJob> {
    const admin = await this.source.admin();
    const inStore = { limit: PAGE, ...filterOf(filter) };
    for await (const queue of this.#queues(filter)) {
      // In the order of a job's life: one that moves on meanwhile is met again rather than missed.
      for (const status of statesOf(filter)) {
        let cursor: string | undefined;
        do {
          const page = await admin.find({ ...inStore, queue, status, ...(cursor === undefined ? {} : { cursor }) });
          yield* page.jobs;
          cursor = page.cursor;
        } while (cursor !== undefined);
      }
    }
  }

  async *#queues({ queueName }: Filter): AsyncGenerator<string> {
    if (typeof queueName === 'string') yield queueName;
    if (queueName !== undefined) return;
    const admin = await this.source.admin();
    let page: string[] = [];
    do {
      const after = page.at(-1);
      page = await admin.queues({ limit: PAGE, ...(after === undefined ? {} : { after }) });
      yield* page;
    } while (page.length === PAGE);
  }

  /** The jobs of this id, by queue. */
  async #byId(id: string): Promise<Job[]> {
    const admin = await this.source.admin();
    const [queues = []] = await admin.locate([id]);
    const found = await Promise.all(queues.map((queue) => admin.get(queue, id)));
    return found.flatMap((stored) => (stored ? [this.#decode(stored)] : []));
  }

  #decode(stored: StoredJob): Job {
    try {
      return toJob(stored, this.source.codecOf(stored.queue) ?? jsonCodec, this.home);
    } catch {
      return toJob(stored, asStored, this.home);
    }
  }
}

/** Some of a job belongs to the store's own record. */
function copyOf(job: Job): Job {
  return deepCopy(job) as Job;
}

function statesOf({ status }: Filter): readonly JobStatus[] {
  return status === undefined ? JOB_STATUSES : JOB_STATUSES.filter((one) => one === status);
}

/** What the store can look for itself, so that less travels. The whole filter is applied here. */
function filterOf({ name, correlationId, parentId }: Filter): { filter?: JobFilter } {
  const texts = Object.entries({ name, correlationId, parentId }).filter(([, value]) => typeof value === 'string');
  return texts.length > 0 ? { filter: Object.fromEntries(texts) as JobFilter } : {};
}

function byPlace(a: Job, b: Job): number {
  if (a.queueName !== b.queueName) return a.queueName < b.queueName ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

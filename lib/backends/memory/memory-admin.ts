import { InvalidOptionsError, StrategyMismatchError } from '../../kernel/errors/index.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { isFinal, type JobStatus, type QueueStrategy } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type {
  CancelReply,
  ChangeReply,
  FindReply,
  FindRequest,
  JobAdmin,
  JobCounts,
  RetryReply,
} from '../../kernel/ports/job-admin.js';
import type { CallId, QueueRecord, StoreOptions } from '../../kernel/ports/job-store.js';
import type { MemoryJob } from './memory-job.js';
import type { MemoryQueue } from './memory-queue.js';
import type { OrderedSet } from './ordered-set.js';

/** What the store lends its administration. */
interface StoreAccess {
  now(opts: StoreOptions | undefined): number;
  find(queue: string): MemoryQueue | undefined;
  open(queue: string): MemoryQueue;
  recorded(): string[];
  once<T>(where: string, call: CallId, queue: string, now: number, run: () => T): T;
  hint(queue: MemoryQueue, now: number): void;
}

export class MemoryAdmin implements JobAdmin {
  constructor(private readonly store: StoreAccess) {}

  async declare(
    call: CallId,
    name: string,
    want: { strategy?: QueueStrategy; paused?: boolean },
    opts?: StoreOptions,
  ): Promise<QueueRecord> {
    return this.#mutate('declare', call, name, opts, (queue) => {
      const stored = queue.strategy;
      if (stored && want.strategy && stored !== want.strategy) {
        throw new StrategyMismatchError(name, stored, want.strategy);
      }
      queue.strategy ??= want.strategy;
      // An initial status is for a queue that nobody declared yet; a later pause or resume is not undone by a restart.
      if (!queue.declared && want.paused) queue.paused = true;
      queue.declared = true;
      queue.recorded = true;
      return recordOf(queue);
    });
  }

  async record(name: string): Promise<QueueRecord | undefined> {
    const queue = this.store.find(name);
    return queue?.recorded ? recordOf(queue) : undefined;
  }

  async get(queue: string, id: string): Promise<StoredJob | undefined> {
    return this.store.find(queue)?.jobs.get(id)?.toStored(queue);
  }

  async find({ queue: name, status, limit, cursor }: FindRequest): Promise<FindReply> {
    const from = cursor === undefined ? undefined : parseCursor(cursor);
    const queue = this.store.find(name);
    const size = Math.min(limit, MAX_BATCH_ITEMS);
    const jobs: MemoryJob[] = [];
    if (!queue) return { jobs: [] };
    const descending = isFinal(status) || (status === 'waiting' && queue.strategy === 'lifo');
    const sets = setsOf(queue, status);
    for (let at = from?.set ?? 0; at < sets.length && jobs.length < size; at += 1) {
      const set = sets[at] as OrderedSet<MemoryJob>;
      let job =
        from && at === from.set ? next(set, from.k1, from.k2, descending) : descending ? set.last() : set.first();
      while (job && jobs.length < size) {
        jobs.push(job);
        job = next(set, job.k1, job.k2, descending);
      }
    }
    const last = jobs.at(-1);
    const full = last !== undefined && jobs.length === size;
    const set = last ? sets.indexOf(last.set as OrderedSet<MemoryJob>) : 0;
    return {
      jobs: jobs.map((job) => job.toStored(name)),
      ...(full ? { cursor: `${set}:${last.k1}:${last.k2}` } : {}),
    };
  }

  async counts(name: string): Promise<JobCounts> {
    const queue = this.store.find(name);
    return {
      waiting: queue ? queue.ready.size + queue.suspects.size : 0,
      delayed: queue?.delayed.size ?? 0,
      'waiting-children': 0,
      paused: 0,
      active: queue?.leased.size ?? 0,
      completed: queue?.done.completed.size ?? 0,
      failed: queue?.done.failed.size ?? 0,
      cancelled: queue?.done.cancelled.size ?? 0,
    };
  }

  async queues({ limit, after }: { limit: number; after?: string }): Promise<string[]> {
    const names = this.store.recorded().toSorted();
    return names.filter((name) => after === undefined || name > after).slice(0, Math.min(limit, MAX_BATCH_ITEMS));
  }

  async cancel(
    call: CallId,
    queueName: string,
    id: string,
    reason: string | undefined,
    opts?: StoreOptions,
  ): Promise<CancelReply> {
    return this.#mutate('cancel', call, queueName, opts, (queue, now): CancelReply => {
      const job = queue.jobs.get(id);
      if (!job) return { verdict: 'unknown' };
      const from = job.status;
      if (isFinal(from)) return { verdict: 'finished', status: from };
      job.reason = reason;
      queue.finish(job, 'cancelled', now);
      return from === 'active'
        ? { verdict: 'cancelled', from, owner: job.owner, fence: job.fence }
        : { verdict: 'cancelled', from };
    });
  }

  async remove(call: CallId, queueName: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change(
      'remove',
      call,
      queueName,
      id,
      opts,
      (job) => job.status !== 'active',
      (queue, job) => queue.forget(job),
    );
  }

  async promote(call: CallId, queueName: string, id: string, opts?: StoreOptions): Promise<ChangeReply> {
    return this.#change(
      'promote',
      call,
      queueName,
      id,
      opts,
      (job) => job.status === 'delayed',
      (queue, job, now) => queue.promote(job, now),
    );
  }

  async changeDelay(
    call: CallId,
    queueName: string,
    id: string,
    delayMs: number,
    opts?: StoreOptions,
  ): Promise<ChangeReply> {
    return this.#change('changeDelay', call, queueName, id, opts, hasNotStarted, (queue, job, now) =>
      queue.reschedule(job, delayMs, now),
    );
  }

  async changePriority(
    call: CallId,
    queueName: string,
    id: string,
    priority: number,
    opts?: StoreOptions,
  ): Promise<ChangeReply> {
    return this.#change('changePriority', call, queueName, id, opts, hasNotStarted, (queue, job) =>
      queue.changePriority(job, priority),
    );
  }

  async retry(
    call: CallId,
    queueName: string,
    id: string,
    as: { readonly newId: string; readonly from: readonly JobStatus[] },
    opts?: StoreOptions,
  ): Promise<RetryReply> {
    return this.#mutate('retry', call, queueName, opts, (queue, now): RetryReply => {
      const job = queue.jobs.get(id);
      if (!job) return { verdict: 'unknown' };
      const { status, retriedById } = job;
      const taken = queue.jobs.has(as.newId);
      if (taken || !as.from.includes(status) || retriedById !== undefined)
        return { verdict: 'refused', status, retriedById };
      const { name, data, meta, priority, keep } = job;
      const again = queue.add({ id: as.newId, idGiven: false, name, data, meta, priority, keep, delayMs: 0 }, now);
      again.retriedFromId = id;
      job.retriedById = again.id;
      return { verdict: 'done', id: again.id };
    });
  }

  async pause(call: CallId, name: string, opts?: StoreOptions): Promise<boolean> {
    return this.#mutate('pause', call, name, opts, (queue) => {
      const changed = !queue.paused;
      queue.paused = true;
      queue.recorded = true;
      return changed;
    });
  }

  async resume(call: CallId, name: string, opts?: StoreOptions): Promise<boolean> {
    return this.#mutate('resume', call, name, opts, (queue) => {
      const changed = queue.paused;
      queue.paused = false;
      if (changed) queue.readied = queue.claimable;
      return changed;
    });
  }

  async obliterate(
    call: CallId,
    name: string,
    { limit, force = false }: { limit: number; force?: boolean },
    opts?: StoreOptions,
  ): Promise<number> {
    return this.#mutate('obliterate', call, name, opts, (queue) => {
      const sets = [queue.ready, queue.suspects, queue.delayed, ...Object.values(queue.done)];
      if (force) sets.push(queue.leased);
      let removed = 0;
      for (const set of sets) {
        for (let job = set.first(); job && removed < limit; job = set.first(), removed += 1) queue.forget(job);
      }
      return removed;
    });
  }

  #change(
    operation: string,
    call: CallId,
    queueName: string,
    id: string,
    opts: StoreOptions | undefined,
    allowed: (job: MemoryJob) => boolean,
    apply: (queue: MemoryQueue, job: MemoryJob, now: number) => void,
  ): ChangeReply {
    return this.#mutate(operation, call, queueName, opts, (queue, now): ChangeReply => {
      const job = queue.jobs.get(id);
      if (!job) return { verdict: 'unknown' };
      if (!allowed(job)) return { verdict: 'refused', status: job.status };
      apply(queue, job, now);
      return { verdict: 'done' };
    });
  }

  #mutate<T>(
    operation: string,
    call: CallId,
    name: string,
    opts: StoreOptions | undefined,
    run: (queue: MemoryQueue, now: number) => T,
  ): T {
    const now = this.store.now(opts);
    const queue = this.store.open(name);
    return this.store.once(`JobAdmin.${operation} (queue "${name}")`, call, name, now, () => {
      queue.begin();
      const reply = run(queue, now);
      this.store.hint(queue, now);
      return reply;
    });
  }
}

function recordOf({ name, strategy = 'fifo', paused }: MemoryQueue): QueueRecord {
  return { name, strategy, paused };
}

function hasNotStarted(job: MemoryJob): boolean {
  return job.status === 'waiting' || job.status === 'delayed';
}

function setsOf(queue: MemoryQueue, status: JobStatus): OrderedSet<MemoryJob>[] {
  switch (status) {
    case 'waiting':
      return [queue.ready, queue.suspects];
    case 'delayed':
      return [queue.delayed];
    case 'active':
      return [queue.leased];
    case 'completed':
    case 'failed':
    case 'cancelled':
      return [queue.done[status]];
    default:
      return [];
  }
}

function next(set: OrderedSet<MemoryJob>, k1: number, k2: number, descending: boolean): MemoryJob | undefined {
  return descending ? set.before(k1, k2) : set.after(k1, k2);
}

function parseCursor(cursor: string): { set: number; k1: number; k2: number } {
  const parts = /^([01]):(\d{1,16}):(\d{1,16})$/.exec(cursor);
  if (!parts) {
    throw new InvalidOptionsError('JobAdmin.find', [
      `cursor ${JSON.stringify(cursor)} did not come from a page before`,
    ]);
  }
  return { set: Number(parts[1]), k1: Number(parts[2]), k2: Number(parts[3]) };
}

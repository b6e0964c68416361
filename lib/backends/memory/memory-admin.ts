import { StrategyMismatchError } from '../../kernel/errors/index.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { isFinal, type JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type {
  CancelReply,
  ChangeReply,
  DeclareReply,
  EnableReply,
  FindReply,
  FindRequest,
  JobAdmin,
  JobCounts,
  QueueDeclaration,
  QueueRecord,
  RetryReply,
  VerifyReply,
  VerifyRequest,
} from '../../kernel/ports/job-admin.js';
import type { CallId, StoreOptions } from '../../kernel/ports/job-store.js';
import type { MemoryJob } from './memory-job.js';
import type { MemoryLinks } from './memory-links.js';
import type { MemoryQueue } from './memory-queue.js';
import { findJobs, verifyJobs } from './memory-reads.js';

/** What the store lends its administration. */
interface StoreAccess {
  readonly links: MemoryLinks;
  now(opts: StoreOptions | undefined): number;
  find(queue: string): MemoryQueue | undefined;
  open(queue: string): MemoryQueue;
  recorded(): string[];
  once<T>(where: string, call: CallId, queue: string, now: number, run: () => T): T;
  hint(queue: MemoryQueue, now: number): void;
}

export class MemoryAdmin implements JobAdmin {
  constructor(private readonly store: StoreAccess) {}

  async declare(call: CallId, name: string, want: QueueDeclaration, opts?: StoreOptions): Promise<DeclareReply> {
    return this.#mutate('declare', call, name, opts, (queue): DeclareReply => {
      const stored = queue.strategy;
      if (stored && want.strategy && stored !== want.strategy) {
        throw new StrategyMismatchError(name, stored, want.strategy);
      }
      queue.strategy ??= want.strategy;
      // An initial status is for a queue that nobody declared yet; a later pause or resume is not undone by a restart.
      if (!queue.declared && want.paused) queue.paused = true;
      queue.declared = true;
      queue.recorded = true;
      queue.disabledBehavior = want.disabledBehavior ?? queue.disabledBehavior;
      queue.maxHeldJobs = want.maxHeldJobs ?? queue.maxHeldJobs;
      const upgradedFrom = queue.version;
      queue.version = Math.max(queue.version, want.version ?? 0);
      return queue.version > upgradedFrom && upgradedFrom > 0 ? { ...recordOf(queue), upgradedFrom } : recordOf(queue);
    });
  }

  async record(name: string): Promise<QueueRecord | undefined> {
    const queue = this.store.find(name);
    return queue?.recorded ? recordOf(queue) : undefined;
  }

  async get(queue: string, id: string): Promise<StoredJob | undefined> {
    return this.store.find(queue)?.jobs.get(id)?.toStored(queue);
  }

  async find(request: FindRequest): Promise<FindReply> {
    return findJobs(this.store.find(request.queue), request);
  }

  async locate(ids: readonly string[]): Promise<string[][]> {
    const names = this.store.recorded().toSorted();
    return ids.map((id) => names.filter((name) => this.store.find(name)?.jobs.has(id)));
  }

  async verify(request: VerifyRequest): Promise<VerifyReply> {
    return verifyJobs(this.store.find(request.queue), request, (name) => this.store.find(name));
  }

  async counts(name: string): Promise<JobCounts> {
    const queue = this.store.find(name);
    return {
      waiting: queue ? queue.ready.size + queue.suspects.size : 0,
      delayed: queue?.delayed.size ?? 0,
      'waiting-children': queue?.blocked.size ?? 0,
      paused: queue?.held.size ?? 0,
      active: queue?.leased.size ?? 0,
      completed: queue?.history.count('completed') ?? 0,
      failed: queue?.history.count('failed') ?? 0,
      cancelled: queue?.history.count('cancelled') ?? 0,
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
      const cascaded = this.store.links.run(now);
      return from === 'active'
        ? { verdict: 'cancelled', from, owner: job.owner, fence: job.fence, cascaded }
        : { verdict: 'cancelled', from, cascaded };
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

  async updateData(
    call: CallId,
    queueName: string,
    id: string,
    data: string | undefined,
    opts?: StoreOptions,
  ): Promise<ChangeReply> {
    return this.#change('updateData', call, queueName, id, opts, hasNotStarted, (queue, job, now) =>
      queue.rewrite(job, { data }, now),
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
      this.store.links.inherit(queue, job, again, now);
      queue.await(again, now);
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

  async disable(call: CallId, name: string, opts?: StoreOptions): Promise<boolean> {
    return this.#mutate('disable', call, name, opts, (queue) => {
      const changed = !queue.disabled;
      queue.disabled = true;
      queue.recorded = true;
      return changed;
    });
  }

  async enable(call: CallId, name: string, limit: number, opts?: StoreOptions): Promise<EnableReply> {
    return this.#mutate('enable', call, name, opts, (queue, now) => {
      const changed = queue.disabled;
      queue.disabled = false;
      if (changed) queue.readied = queue.claimable;
      queue.unhold(now, limit);
      return { changed, more: queue.held.size > 0 };
    });
  }

  async obliterate(
    call: CallId,
    name: string,
    { limit, force = false }: { limit: number; force?: boolean },
    opts?: StoreOptions,
  ): Promise<number> {
    return this.#mutate('obliterate', call, name, opts, (queue) => {
      const { ready, suspects, delayed, blocked, held, history } = queue;
      const sets = [ready, suspects, delayed, blocked, held];
      sets.push(...Object.values(history.done), ...Object.values(history.kept));
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
      const cascaded = this.store.links.run(now);
      return cascaded.length > 0 ? { verdict: 'done', cascaded } : { verdict: 'done' };
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
      this.store.links.run(now);
      this.store.hint(queue, now);
      return reply;
    });
  }
}

function recordOf(queue: MemoryQueue): QueueRecord {
  const { name, strategy = 'fifo', paused, disabled, disabledBehavior, maxHeldJobs, version } = queue;
  return { name, strategy, paused, disabled, disabledBehavior, maxHeldJobs, version };
}

const NOT_STARTED: readonly JobStatus[] = ['waiting', 'delayed', 'waiting-children', 'paused'];

function hasNotStarted(job: MemoryJob): boolean {
  return NOT_STARTED.includes(job.status);
}

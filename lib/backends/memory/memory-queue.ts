import { stallDelay } from '../../kernel/job/backoff.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { crashedError, stalledTooOftenError, summaryOf } from '../../kernel/job/stall-errors.js';
import { isFinal, type FinalStatus, type QueueStrategy } from '../../kernel/job/states.js';
import type { StoredError, TimelineEntry } from '../../kernel/job/stored-job.js';
import type { HistoryLimits } from '../../kernel/ports/backend.js';
import type {
  ClaimRequest,
  JobNote,
  LeasePolicy,
  LeaseRef,
  ExtendVerdict,
  NewJob,
  Outcome,
  SettleVerdict,
  SweptJob,
} from '../../kernel/ports/job-store.js';
import type { DisabledBehavior } from '../../kernel/ports/job-admin.js';
import { MemoryDedup } from './memory-dedup.js';
import { MemoryHistory } from './memory-history.js';
import { MemoryJob, nameChild, place, type Link } from './memory-job.js';
import { MemoryLimits } from './memory-limits.js';
import type { MemoryLinks } from './memory-links.js';
import { OrderedSet } from './ordered-set.js';

/** Expired leases, and due jobs, that a claim moves on the way (due ones: at least); `nextDueMs` is 0 while more wait. */
export const MAX_ON_THE_WAY = 100;

/** What a queue needs of its store. */
export interface MemoryQueueHost {
  readonly limits: HistoryLimits;
  readonly links: MemoryLinks;
  /** Adds the dead letter of `job` to another queue. */
  deadLetter(from: MemoryQueue, job: MemoryJob, to: string, now: number): void;
}

/**
 * One queue: its jobs and the sets that hold them. Every method is one transition; nothing in here waits.
 */
export class MemoryQueue {
  readonly jobs = new Map<string, MemoryJob>();
  readonly ready = new OrderedSet<MemoryJob>();
  /** The part of `ready` that stands at its stall cap and is handed out only alone. */
  readonly suspects = new OrderedSet<MemoryJob>();
  readonly delayed = new OrderedSet<MemoryJob>();
  /** Wait for parents. */
  readonly blocked = new OrderedSet<MemoryJob>();
  /** Were added while the queue was disabled. */
  readonly held = new OrderedSet<MemoryJob>();
  readonly leased = new OrderedSet<MemoryJob>();
  readonly history = new MemoryHistory((job) => this.forget(job));
  readonly dedup = new MemoryDedup();
  readonly limits = new MemoryLimits();
  paused = false;
  disabled = false;
  disabledBehavior: DisabledBehavior = 'hold';
  maxHeldJobs = 10_000;
  version = 0;
  /** A definition of this queue has been recorded. */
  declared = false;
  /** Somebody declared it, paused it or added to it; a mere claim does not bring a queue into being. */
  recorded = false;
  strategy: QueueStrategy | undefined;
  /** Transitions into `ready` since the store last sent hints. */
  readied = 0;
  /** A job became the earliest due one: whoever sleeps must learn of it, or it would start late. */
  sooner = false;

  #ord = 0;
  #fence = 0;
  #policy: LeasePolicy | undefined;

  constructor(
    readonly name: string,
    private readonly host: MemoryQueueHost,
  ) {}

  /** Nothing is handed out. */
  get closed(): boolean {
    return this.paused || this.disabled;
  }

  /** `after`: the job of this queue that must have ended before. */
  add(input: NewJob, now: number, after?: MemoryJob): MemoryJob {
    const job = new MemoryJob(input, now, Math.max(now, input.runAt ?? now + input.delayMs));
    this.jobs.set(job.id, job);
    this.recorded = true;
    if (input.dedup) this.dedup.hold(job, input.dedup, now, after);
    if (after) this.host.links.follow(this, job, after);
    const error = input.parents && this.host.links.attach(this, job, input.parents);
    if (error) {
      job.error = error;
      this.finish(job, 'failed', now);
    } else if (this.disabled) {
      job.status = 'paused';
      job.reason = 'the queue is disabled';
      place(job, this.held, (job.ord = this.#ord += 1), 0);
    } else this.#admit(job, now);
    return job;
  }

  /** Puts a job that nothing has started where it belongs. */
  #admit(job: MemoryJob, now: number): void {
    if (job.ties && job.ties.waitsFor.size > 0) {
      job.status = 'waiting-children';
      place(job, this.blocked, (job.ord = this.#ord += 1), 0);
    } else if (job.runAt > now) this.#toDelayed(job, job.runAt);
    else {
      job.runAt = now;
      this.#toReady(job, true);
    }
  }

  /** A new job whose links were made after it was added waits for its parents. */
  await(job: MemoryJob, now: number): void {
    if (job.set !== this.held && job.ties && job.ties.waitsFor.size > 0) this.#admit(job, now);
  }

  /** Lets go of at most `limit` held jobs, oldest first. */
  unhold(now: number, limit: number): void {
    for (let n = 0; n < limit; n += 1) {
      const job = this.held.first();
      if (!job) return;
      this.#timeline(job, { at: now, event: 'held', detail: 'until the queue was enabled' });
      job.reason = undefined;
      this.#admit(job, now);
    }
  }

  /** A parent does not hold `child` any more. */
  release(child: MemoryJob, link: Link, now: number): void {
    child.ties?.waitsFor.delete(link);
    if (child.set === this.blocked && child.ties?.waitsFor.size === 0) this.#admit(child, now);
  }

  /** A call begins that ends up to `endings` jobs: history shrinks faster than it grows, in bounded steps. */
  begin(endings = 0): void {
    this.history.begin(endings);
  }

  /** Leases up to `request.count` jobs to `request.owner`. */
  claim(request: Omit<ClaimRequest, 'call' | 'queue'>, now: number): MemoryJob[] {
    if (this.held.size > 0) this.unhold(now, MAX_ON_THE_WAY);
    this.#promoteDue(now, Math.max(request.count, MAX_ON_THE_WAY));
    const taken: MemoryJob[] = [];
    const count = this.limits.allow(Math.min(request.count, MAX_BATCH_ITEMS), this.leased.size, request.limits, now);
    const suspect = request.alone && count > 0 ? this.#next(this.suspects) : undefined;
    if (suspect) taken.push(this.#lease(suspect, request, now));
    let bytes = 0;
    while (taken.length < count && !taken[0]?.suspect) {
      const job = this.#next(this.ready);
      if (!job) break;
      bytes += job.data?.length ?? 0;
      if (taken.length > 0 && bytes > MAX_BATCH_BYTES) break;
      taken.push(this.#lease(job, request, now));
    }
    this.limits.began(taken.length, now);
    return taken;
  }

  /** Ms until something in here becomes due by itself. */
  nextDueMs(now: number): number | undefined {
    if (!this.closed && this.held.size > 0) return 0;
    const due = this.closed ? undefined : this.delayed.first()?.k1;
    const expiry = this.leased.first()?.k1;
    if (due === undefined && expiry === undefined) return undefined;
    return Math.max(0, Math.min(due ?? Infinity, expiry ?? Infinity) - now);
  }

  /** Takes back at most `limit` expired leases. */
  reap(now: number, limit: number): SweptJob[] {
    const swept: SweptJob[] = [];
    while (swept.length < limit) {
      const job = this.leased.first();
      if (!job || job.k1 > now) break;
      swept.push(this.#stall(job, now));
    }
    return swept;
  }

  settle(outcome: Outcome, now: number): SettleVerdict {
    const job = this.jobs.get(outcome.id);
    if (!job) return 'lost';
    if (job.set !== this.leased || job.fence !== outcome.fence) {
      return job.settledFence === outcome.fence ? 'already' : 'lost';
    }
    if (outcome.note) this.#note(job, outcome.note);
    job.settledFence = job.fence;
    if (outcome.kind !== 'release') job.unknownNameSince = undefined;
    switch (outcome.kind) {
      case 'complete':
        job.result = outcome.result;
        job.error = undefined;
        this.finish(job, 'completed', now);
        break;
      case 'fail':
        this.#keepError(job, outcome.error, now);
        this.finish(job, 'failed', now);
        break;
      case 'retry':
        this.#keepError(job, outcome.error, now);
        this.#later(job, outcome.delayMs, now, true);
        break;
      case 'release':
        job.attempt -= 1;
        job.unknownNameSince = outcome.reason === 'unknown-name' ? (job.unknownNameSince ?? now) : undefined;
        this.#timeline(job, { at: now, event: 'released', detail: outcome.reason });
        this.#later(job, outcome.delayMs, now, false);
        break;
    }
    return 'settled';
  }

  extend(lease: LeaseRef, now: number): ExtendVerdict {
    const job = this.jobs.get(lease.id);
    if (!job || job.fence !== lease.fence) return 'lost';
    if (job.status === 'cancelled') return 'cancelled';
    if (job.set !== this.leased) return 'lost';
    place(job, this.leased, now + lease.leaseMs, job.fence);
    return 'kept';
  }

  annotate(note: JobNote): void {
    const job = this.jobs.get(note.id);
    if (job && job.set === this.leased && job.fence === note.fence) this.#note(job, note);
  }

  /** The one end of every job: completed, failed, cancelled, stalled past its cap. */
  finish(job: MemoryJob, status: FinalStatus, now: number): void {
    job.status = status;
    job.finishedAt = now;
    if (job.dedupKey !== undefined) this.dedup.free(job);
    const deadLetter = status === 'failed' ? job.policy?.deadLetter : undefined;
    if (deadLetter) {
      job.dead = true;
      if (deadLetter.queue !== undefined) this.host.deadLetter(this, job, deadLetter.queue, now);
    }
    if (job.ties) this.host.links.ended(this, job);
    this.history.add(job, status, now, (this.#ord += 1));
  }

  /** Deletes the record. Fences of the queue go on growing, so a later job of this id can't be mistaken for it. */
  forget(job: MemoryJob): void {
    job.set?.delete(job);
    job.set = undefined;
    this.jobs.delete(job.id);
    if (job.dedupKey !== undefined) {
      this.dedup.free(job);
      // A throttled key remembers the job, but not what it carried.
      job.data = job.result = undefined;
    }
    if (job.ties && !isFinal(job.status)) this.host.links.ended(this, job);
  }

  /** Gives a job that has not started another content; its place stays. */
  rewrite(job: MemoryJob, content: Pick<NewJob, 'data'> & Partial<Pick<NewJob, 'name' | 'meta'>>, now: number): void {
    this.#timeline(job, { at: now, event: 'updated' });
    job.data = content.data;
    job.name = content.name ?? job.name;
    job.meta = content.meta ?? job.meta;
  }

  promote(job: MemoryJob, now: number): void {
    job.runAt = now;
    this.#timeline(job, { at: now, event: 'promoted' });
    this.#toReady(job, true);
  }

  reschedule(job: MemoryJob, delayMs: number, now: number): void {
    this.#timeline(job, { at: now, event: 'rescheduled', detail: `${delayMs} ms` });
    this.postpone(job, now + delayMs, now);
  }

  /** Sets when a job that has not started may run. What waits for something else goes on waiting for it. */
  postpone(job: MemoryJob, runAt: number, now: number): void {
    if (job.set === this.blocked || job.set === this.held) job.runAt = Math.max(now, runAt);
    else this.#later(job, Math.max(0, runAt - now), now, true);
  }

  changePriority(job: MemoryJob, priority: number): void {
    job.priority = priority;
    if (job.set === this.ready || job.set === this.suspects) this.#toReady(job, false);
  }

  /** How many idle processes a resumed queue has work for. */
  get claimable(): number {
    return this.ready.size + this.suspects.size + this.delayed.size;
  }

  #next(set: OrderedSet<MemoryJob>): MemoryJob | undefined {
    return this.strategy === 'lifo' ? set.last() : set.first();
  }

  #promoteDue(now: number, limit: number): void {
    for (let n = 0; n < limit; n += 1) {
      const job = this.delayed.first();
      if (!job || job.k1 > now) return;
      this.#toReady(job, true);
    }
  }

  #lease(job: MemoryJob, request: Omit<ClaimRequest, 'call' | 'queue'>, now: number): MemoryJob {
    if (this.#policy?.key !== request.policy.key) this.#policy = request.policy;
    this.#fence = Math.max(this.#fence + 1, now * 1000);
    job.fence = this.#fence;
    job.policy = this.#policy;
    job.owner = request.owner;
    job.attempt += 1;
    job.startedAt = now;
    job.status = 'active';
    place(job, this.leased, now + request.leaseMs, job.fence);
    return job;
  }

  #stall(job: MemoryJob, now: number): SweptJob {
    const owner = job.owner as string;
    const policy = job.policy as LeasePolicy;
    let error: StoredError | undefined;
    if (!policy.guaranteedWorker) {
      error = crashedError(owner);
    } else {
      job.attempt -= 1;
      job.stalledCount += 1;
      this.#timeline(job, { at: now, event: 'stalled', detail: owner });
      if (job.stalledCount > policy.maxStalledCount) error = stalledTooOftenError(job.stalledCount, policy);
    }
    if (error) {
      job.error = error;
      this.finish(job, 'failed', now);
    } else {
      job.suspect = job.stalledCount >= policy.maxStalledCount;
      this.#later(job, stallDelay(job.stalledCount, policy.stallBackoff), now, job.stalledCount > 1);
    }
    const to = error ? 'failed' : 'stalled';
    return { queue: this.name, id: job.id, fence: job.fence, owner, to, stalledCount: job.stalledCount, error };
  }

  /** Back to waiting, now or after a delay. */
  #later(job: MemoryJob, delayMs: number, now: number, newOrd: boolean): void {
    job.runAt = now + delayMs;
    if (delayMs > 0) this.#toDelayed(job, job.runAt);
    else this.#toReady(job, newOrd);
  }

  #toReady(job: MemoryJob, newOrd: boolean): void {
    if (newOrd) job.ord = this.#ord += 1;
    job.rank = this.strategy === 'priority' ? job.priority : 0;
    job.status = 'waiting';
    job.owner = undefined;
    this.readied += 1;
    place(job, job.suspect ? this.suspects : this.ready, job.rank, job.ord);
  }

  #toDelayed(job: MemoryJob, runAt: number): void {
    job.ord = this.#ord += 1;
    job.runAt = runAt;
    job.status = 'delayed';
    job.owner = undefined;
    place(job, this.delayed, runAt, job.ord);
    if (this.delayed.first() === job) this.sooner = true;
  }

  #note(job: MemoryJob, note: Pick<JobNote, 'progress' | 'logs' | 'children'>): void {
    if (note.progress) job.progress = note.progress;
    if (note.logs) job.log(note.logs, this.host.limits.maxJobLogs);
    for (const child of note.children ?? []) nameChild(job, child);
  }

  #keepError(job: MemoryJob, error: StoredError, now: number): void {
    job.error = error;
    this.#timeline(job, { at: now, event: 'attempt-failed', attempt: job.attempt, detail: summaryOf(error) });
  }

  #timeline(job: MemoryJob, entry: TimelineEntry): void {
    job.note(entry, this.host.limits.maxTimelineEntries);
  }
}

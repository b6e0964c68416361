import { stallDelay } from '../../kernel/job/backoff.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { crashedError, stalledTooOftenError, summaryOf } from '../../kernel/job/stall-errors.js';
import { retentionFor, type Retention } from '../../kernel/job/retention.js';
import type { FinalStatus, QueueStrategy } from '../../kernel/job/states.js';
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
import { MemoryJob } from './memory-job.js';
import { OrderedSet } from './ordered-set.js';

/** Finished jobs that a call removes at least before it leaves the rest to the next one. */
const TRIM_PER_CALL = 100;
/** Expired leases, and due jobs, that a claim moves on the way (due ones: at least); `nextDueMs` is 0 while more wait. */
export const MAX_ON_THE_WAY = 100;

/**
 * One queue: its jobs and the sets that hold them. Every method is one transition; nothing in here waits.
 */
export class MemoryQueue {
  readonly jobs = new Map<string, MemoryJob>();
  readonly ready = new OrderedSet<MemoryJob>();
  /** The part of `ready` that stands at its stall cap and is handed out only alone. */
  readonly suspects = new OrderedSet<MemoryJob>();
  readonly delayed = new OrderedSet<MemoryJob>();
  readonly leased = new OrderedSet<MemoryJob>();
  readonly done: Readonly<Record<FinalStatus, OrderedSet<MemoryJob>>> = {
    completed: new OrderedSet(),
    failed: new OrderedSet(),
    cancelled: new OrderedSet(),
  };
  paused = false;
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
  /** Finished jobs that the call under way may still remove. */
  #trimLeft = TRIM_PER_CALL;
  #fence = 0;
  #policy: LeasePolicy | undefined;
  /** The last rule applied to each done set, for what gets old while the queue rests. */
  readonly #rules: Partial<Record<FinalStatus, Retention>> = {};

  constructor(
    readonly name: string,
    private readonly limits: HistoryLimits,
  ) {}

  add(input: NewJob, now: number): MemoryJob {
    const job = new MemoryJob(input, now, input.runAt ?? now + input.delayMs);
    this.jobs.set(job.id, job);
    this.recorded = true;
    if (job.runAt > now) this.#toDelayed(job, job.runAt);
    else {
      job.runAt = now;
      this.#toReady(job, true);
    }
    return job;
  }

  /** A call begins that ends up to `endings` jobs: history shrinks faster than it grows, in bounded steps. */
  begin(endings = 0): void {
    this.#trimLeft = Math.max(TRIM_PER_CALL, 2 * endings);
  }

  /** Leases up to `request.count` jobs to `request.owner`. */
  claim(request: Omit<ClaimRequest, 'call' | 'queue'>, now: number): MemoryJob[] {
    this.#promoteDue(now, Math.max(request.count, MAX_ON_THE_WAY));
    if (request.alone && request.count > 0 && this.suspects.size > 0) {
      return [this.#lease(this.suspects.first() as MemoryJob, request, now)];
    }
    const taken: MemoryJob[] = [];
    const count = Math.min(request.count, MAX_BATCH_ITEMS);
    let bytes = 0;
    while (taken.length < count) {
      const job = this.strategy === 'lifo' ? this.ready.last() : this.ready.first();
      if (!job) break;
      bytes += job.data?.length ?? 0;
      if (taken.length > 0 && bytes > MAX_BATCH_BYTES) break;
      taken.push(this.#lease(job, request, now));
    }
    return taken;
  }

  /** Ms until something in here becomes due by itself. */
  nextDueMs(now: number): number | undefined {
    const due = this.paused ? undefined : this.delayed.first()?.k1;
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
    this.#place(job, this.leased, now + lease.leaseMs, job.fence);
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
    this.#place(job, this.done[status], now, (this.#ord += 1));
    const rule = retentionFor(status, job.keep, job.policy?.keep);
    if (rule.count === 0) {
      this.forget(job);
      return;
    }
    // A job's own rule is for now; what the definitions say goes on holding while the queue rests.
    if (job.keep?.[status === 'completed' ? 'completed' : 'failed']?.from !== 'job') this.#rules[status] = rule;
    this.#trimLeft -= this.#trim(this.done[status], rule, now, this.#trimLeft);
  }

  /** Removes what is too old by the last known rules; answers how many. */
  purge(now: number, limit: number): number {
    let removed = 0;
    for (const status of ['completed', 'failed', 'cancelled'] as const) {
      const rule = this.#rules[status];
      if (rule) removed += this.#trim(this.done[status], rule, now, limit - removed);
    }
    return removed;
  }

  /** Deletes the record. Fences of the queue go on growing, so a later job of this id can't be mistaken for it. */
  forget(job: MemoryJob): void {
    job.set?.delete(job);
    job.set = undefined;
    this.jobs.delete(job.id);
  }

  promote(job: MemoryJob, now: number): void {
    job.runAt = now;
    this.#timeline(job, { at: now, event: 'promoted' });
    this.#toReady(job, true);
  }

  reschedule(job: MemoryJob, delayMs: number, now: number): void {
    this.#timeline(job, { at: now, event: 'rescheduled', detail: `${delayMs} ms` });
    this.#later(job, delayMs, now, true);
  }

  changePriority(job: MemoryJob, priority: number): void {
    job.priority = priority;
    if (job.set === this.ready || job.set === this.suspects) this.#toReady(job, false);
  }

  /** How many idle processes a resumed queue has work for. */
  get claimable(): number {
    return this.ready.size + this.suspects.size + this.delayed.size;
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
    this.#place(job, this.leased, now + request.leaseMs, job.fence);
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
    this.#place(job, job.suspect ? this.suspects : this.ready, job.rank, job.ord);
  }

  #toDelayed(job: MemoryJob, runAt: number): void {
    job.ord = this.#ord += 1;
    job.runAt = runAt;
    job.status = 'delayed';
    job.owner = undefined;
    this.#place(job, this.delayed, runAt, job.ord);
    if (this.delayed.first() === job) this.sooner = true;
  }

  #place(job: MemoryJob, set: OrderedSet<MemoryJob>, k1: number, k2: number): void {
    job.set?.delete(job);
    job.k1 = k1;
    job.k2 = k2;
    job.set = set;
    set.add(job);
  }

  #trim(set: OrderedSet<MemoryJob>, rule: Retention, now: number, limit: number): number {
    let removed = 0;
    while (removed < limit) {
      const oldest = set.first();
      if (!oldest) break;
      const tooMany = rule.count !== null && set.size > rule.count;
      const tooOld = rule.ageMs !== null && oldest.k1 <= now - rule.ageMs;
      if (!tooMany && !tooOld) break;
      this.forget(oldest);
      removed += 1;
    }
    return removed;
  }

  #note(job: MemoryJob, note: Pick<JobNote, 'progress' | 'logs'>): void {
    if (note.progress) job.progress = note.progress;
    if (note.logs) job.log(note.logs, this.limits.maxJobLogs);
  }

  #keepError(job: MemoryJob, error: StoredError, now: number): void {
    job.error = error;
    this.#timeline(job, { at: now, event: 'attempt-failed', attempt: job.attempt, detail: summaryOf(error) });
  }

  #timeline(job: MemoryJob, entry: TimelineEntry): void {
    job.note(entry, this.limits.maxTimelineEntries);
  }
}

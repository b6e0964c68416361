import { retentionFor, type Retention } from '../../kernel/job/retention.js';
import { isFinal, type FinalStatus } from '../../kernel/job/states.js';
import { place, type MemoryJob } from './memory-job.js';
import { OrderedSet } from './ordered-set.js';

/** Finished jobs that a call removes at least before it leaves the rest to the next one. */
const TRIM_PER_CALL = 100;

const STATUSES = ['completed', 'failed', 'cancelled'] as const;

type Sets = Readonly<Record<FinalStatus, OrderedSet<MemoryJob>>>;

/** The finished jobs of one queue, and how long they stay. */
export class MemoryHistory {
  readonly done: Sets = { completed: new OrderedSet(), failed: new OrderedSet(), cancelled: new OrderedSet() };
  /** The part of `done` on which unfinished jobs depend: it is not purged. */
  readonly kept: Sets = { completed: new OrderedSet(), failed: new OrderedSet(), cancelled: new OrderedSet() };
  /** Finished jobs that the call under way may still remove. */
  #trimLeft = TRIM_PER_CALL;
  /** The last rule applied to each done set, for what gets old while the queue rests. */
  readonly #rules: Partial<Record<FinalStatus, Retention>> = {};

  constructor(private readonly forget: (job: MemoryJob) => void) {}

  /** A call begins that ends up to `endings` jobs: history shrinks faster than it grows, in bounded steps. */
  begin(endings: number): void {
    this.#trimLeft = Math.max(TRIM_PER_CALL, 2 * endings);
  }

  add(job: MemoryJob, status: FinalStatus, now: number, ord: number): void {
    if (job.ties && job.ties.dependants.size > 0) place(job, this.kept[status], now, ord);
    else {
      place(job, this.done[status], now, ord);
      this.#retain(job, status, now);
    }
  }

  /** Somebody unfinished depends on a finished job: it stays until {@link letGo}. */
  hold(job: MemoryJob): void {
    const status = job.status as FinalStatus;
    if (job.set === this.done[status]) place(job, this.kept[status], job.k1, job.k2);
  }

  /** Nobody depends on a finished job any more: retention applies. */
  letGo(job: MemoryJob, now: number): void {
    if (!isFinal(job.status) || job.set !== this.kept[job.status]) return;
    place(job, this.done[job.status], job.k1, job.k2);
    this.#retain(job, job.status, now);
  }

  /** Removes what is too old by the last known rules; answers how many. */
  purge(now: number, limit: number): number {
    let removed = 0;
    for (const status of STATUSES) {
      const rule = this.#rules[status];
      if (rule) removed += this.#trim(this.done[status], rule, now, limit - removed);
    }
    return removed;
  }

  count(status: FinalStatus): number {
    return this.done[status].size + this.kept[status].size;
  }

  #retain(job: MemoryJob, status: FinalStatus, now: number): void {
    const rule = retentionFor(status, job.keep, job.policy?.keep);
    if (rule.count === 0) {
      this.forget(job);
      return;
    }
    // A job's own rule is for now; what the definitions say goes on holding while the queue rests.
    if (job.keep?.[status === 'completed' ? 'completed' : 'failed']?.from !== 'job') this.#rules[status] = rule;
    this.#trimLeft -= this.#trim(this.done[status], rule, now, this.#trimLeft);
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
}

import { StoreUnreachableError } from '../errors/index.js';
import type { EventBus } from '../events.js';
import { MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { ExtendVerdict, JobStore } from '../ports/job-store.js';
import type { JobRun } from './job-run.js';

/** Told when a lease cannot be counted on any more. */
export interface LeaseOwner {
  /** The lease is gone: abort the handler, record nothing. */
  leaseLost(run: JobRun, why: 'lost' | 'cancelled', detail?: string): void;
}

/** Part of the lease that is given up to be on the safe side (ms at most). */
const MAX_MARGIN_MS = 1_000;

/**
 * An extend whose connection broke is sent again after so long (ms), four times as long after each failure, and so often:
 * it may have been silent for seconds, and a lease that lasts three heartbeats does not outlive the wait for the next one.
 */
const FIRST_RESEND_MS = 20;
const RESENDS = 4;

/**
 * Until when a lease may be counted on by this process: the claim or extend was *sent* at `sentAt`; the reply may have
 * been slow, but the store cannot have started the lease before that.
 */
export function localDeadline(sentAt: number, leaseMs: number): number {
  return sentAt + leaseMs - Math.min(MAX_MARGIN_MS, leaseMs / 10);
}

/**
 * Renews every lease of the process with one timer, and lets go of the ones whose local deadline passed without a
 * renewal: behind a dead connection, another process may own the job by then.
 */
export class LeaseKeeper {
  readonly #runs = new Map<JobRun, LeaseOwner>();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #extending = false;
  /** Leases came due while an extend was under way. */
  #overdue = false;
  #stopped = false;
  /** Ends the wait for the next resend. */
  #hurry: (() => void) | undefined;

  constructor(
    private readonly store: JobStore,
    private readonly clock: Clock,
    private readonly events: EventBus,
  ) {}

  get size(): number {
    return this.#runs.size;
  }

  /** Monotonic time at which leases are looked at next; in the past while that is overdue. */
  get nextAt(): number {
    return this.#timerAt;
  }

  add(run: JobRun, owner: LeaseOwner): void {
    this.#runs.set(run, owner);
    const due = run.renewedAt + run.spec.heartbeatMs;
    if (due < this.#timerAt) this.#arm(due);
  }

  remove(run: JobRun): void {
    this.#runs.delete(run);
  }

  /** The lease of this very job was reported gone by somebody else (a control message). */
  drop(queue: string, id: string, fence: number, why: 'lost' | 'cancelled', detail?: string): void {
    for (const [run, owner] of this.#runs) {
      if (run.job.fence === fence && run.job.id === id && run.spec.queue === queue) {
        this.#runs.delete(run);
        owner.leaseLost(run, why, detail);
        return;
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#hurry?.();
  }

  #arm(at: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.clock.timer(Math.max(0, at - this.clock.monotonic()), () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.clock.monotonic();
    const due: JobRun[] = [];
    let next = Infinity;
    for (const [run, owner] of this.#runs) {
      if (now >= run.deadline) {
        this.#runs.delete(run);
        owner.leaseLost(run, 'lost', 'not renewed in time');
        continue;
      }
      const heartbeat = run.renewedAt + run.spec.heartbeatMs;
      if (heartbeat <= now) due.push(run);
      // While an extend is under way a lease is overdue by definition; its deadline is what matters then.
      next = Math.min(next, heartbeat <= now ? Math.min(run.deadline, now + run.spec.heartbeatMs) : heartbeat);
    }
    if (this.#runs.size > 0) this.#arm(next);
    if (due.length === 0) return;
    this.#overdue = this.#extending;
    if (this.#extending) return;
    this.#extending = true;
    void this.#extend(due).finally(() => {
      this.#extending = false;
      if (this.#overdue && !this.#stopped) this.#arm(this.clock.monotonic());
    });
  }

  async #extend(runs: readonly JobRun[]): Promise<void> {
    let resends = RESENDS;
    for (let start = 0; start < runs.length; start += MAX_BATCH_ITEMS) {
      resends = await this.#send(runs.slice(start, start + MAX_BATCH_ITEMS), resends);
    }
  }

  /** Answers how many resends are left. To renew a lease twice does no harm. */
  async #send(runs: readonly JobRun[], resends: number): Promise<number> {
    let left = resends;
    for (let chunk = runs; chunk.length > 0; chunk = runs.filter((run) => this.#runs.has(run))) {
      const sentAt = this.clock.monotonic();
      try {
        const verdicts = await this.store.extend(
          chunk.map(({ job, spec }) => ({ queue: spec.queue, id: job.id, fence: job.fence, leaseMs: spec.leaseMs })),
        );
        chunk.forEach((run, i) => this.#apply(run, verdicts[i], sentAt));
        break;
      } catch (error) {
        // Once is enough. The next tick tries again; the local deadlines decide if none comes through.
        if (chunk === runs) this.events.report('LeaseKeeper.extend', error, { leases: chunk.length });
        if (left === 0 || !(error instanceof StoreUnreachableError)) break;
        await this.#pause(FIRST_RESEND_MS * 4 ** (RESENDS - left));
        left -= 1;
        if (this.#stopped) break;
      }
    }
    return left;
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((go) => {
      const timer = this.clock.timer(ms, go);
      this.#hurry = () => {
        timer.cancel();
        go();
      };
    });
    this.#hurry = undefined;
  }

  #apply(run: JobRun, verdict: ExtendVerdict | undefined, sentAt: number): void {
    const owner = this.#runs.get(run);
    if (!owner) return;
    if (verdict === 'kept') {
      run.renewedAt = sentAt;
      run.deadline = localDeadline(sentAt, run.spec.leaseMs);
    } else if (verdict === 'lost' || verdict === 'cancelled') {
      this.#runs.delete(run);
      owner.leaseLost(run, verdict);
    }
  }
}

import { JobAbortedError, type AbortKind } from '../errors/index.js';
import type { LogEntry, Progress } from '../job/stored-job.js';
import type { ClaimedJob } from '../ports/job-store.js';

/** Log lines that wait to be written; the oldest go first. The store keeps no more of them anyway. */
const MAX_PENDING_LOGS = 200;

/** What a run needs to know of its consumer to keep its lease. */
export interface LeaseSpec {
  readonly queue: string;
  /** Who defined it, for messages: `queue` or `worker`. */
  readonly kind: 'queue' | 'worker';
  readonly leaseMs: number;
  readonly heartbeatMs: number;
}

/**
 * One attempt in this process: its lease, its abort signal, and what the handler said that is not stored yet.
 */
export class JobRun<S extends LeaseSpec = LeaseSpec> {
  /** No outcome may be recorded any more: one was, or the lease is gone. */
  closed = false;
  /** The handler came back, one way or the other. */
  returned = false;
  /** The decoded payload. */
  data: unknown;
  /** The handler called `discard`. */
  discarded: { reason: string | undefined } | undefined;
  progress: Progress | undefined;
  pendingProgress: Progress | undefined;
  pendingLogs: LogEntry[] | undefined;

  #abort: JobAbortedError | undefined;
  #controller: AbortController | undefined;

  constructor(
    readonly job: ClaimedJob,
    readonly spec: S,
    /** Monotonic time at which the claim, or the last extend that was kept, was sent. */
    public renewedAt: number,
    /** Monotonic time after which this process must not count on the lease. */
    public deadline: number,
    /** Monotonic time at which the handler was called. */
    readonly startedAt: number,
    /** Store time of the claim (ms). */
    readonly claimedAt: number,
  ) {
    this.progress = job.progress;
  }

  get where(): string {
    return `${this.spec.kind} "${this.spec.queue}", job "${this.job.id}"`;
  }

  get aborted(): boolean {
    return this.#abort !== undefined;
  }

  get abortReason(): JobAbortedError | undefined {
    return this.#abort;
  }

  get abortKind(): AbortKind | undefined {
    return this.#abort?.kind;
  }

  /** Made on first read: most handlers never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abort) this.#controller.abort(this.#abort);
    }
    return this.#controller.signal;
  }

  /** Tells the handler to stop. The first reason stands. */
  abort(kind: AbortKind, detail?: string): void {
    if (this.#abort) return;
    this.#abort = new JobAbortedError(kind, this.where, detail);
    this.#controller?.abort(this.#abort);
  }

  addLog(entry: LogEntry): void {
    this.pendingLogs ??= [];
    this.pendingLogs.push(entry);
    if (this.pendingLogs.length > MAX_PENDING_LOGS) this.pendingLogs.shift();
  }

  /** What is not stored yet, if anything; from now on it is the caller's to deliver. */
  takeNote(): { progress?: Progress; logs?: LogEntry[] } | undefined {
    const { pendingProgress: progress, pendingLogs: logs } = this;
    if (!progress && !logs) return undefined;
    this.pendingProgress = undefined;
    this.pendingLogs = undefined;
    return { ...(progress ? { progress } : {}), ...(logs ? { logs } : {}) };
  }
}

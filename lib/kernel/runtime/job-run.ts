import { JobAbortedError, type AbortKind } from '../errors/index.js';
import type { MemoryFigures } from '../events.js';
import type { JobRef, LogEntry, Progress } from '../job/stored-job.js';
import type { ClaimedJob, JobNote } from '../ports/job-store.js';
import type { ClaimGroup } from './claim-group.js';

/** Log lines that wait to be written; the oldest go first. The store keeps no more of them anyway. */
const MAX_PENDING_LOGS = 200;
/** Children that wait to be written; the store keeps the first 1 000. */
const MAX_PENDING_CHILDREN = 1_000;

/** What a run says besides its outcome. */
export type RunNote = Omit<JobNote, 'queue' | 'id' | 'fence'>;

/** A `ctx.tx` of a run. One that was rolled back is forgotten. */
export interface RunTransaction {
  /** `committing`: its COMMIT is on its way and nothing here can end the run; `committed`: the job is completed. */
  state: 'open' | 'committing' | 'committed';
  /** What its user writes with, once it is open. */
  handle: unknown;
  /** Children that are added in it: they are named by the job when it commits. */
  readonly children: JobRef[];
  /** Resolves when it is over, with what it was rejected with. */
  over: Promise<{ readonly error?: unknown }>;
}

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
  /** User code of this attempt was called: its `beforeRun` or its handler. */
  began = false;
  /** The decoded payload; for the handler what its schema made of it. */
  data: unknown;
  /** The handler called `discard`. */
  discarded: { reason: string | undefined } | undefined;
  progress: Progress | undefined;
  pendingProgress: Progress | undefined;
  pendingLogs: LogEntry[] | undefined;
  pendingChildren: JobRef[] | undefined;
  /** The jobs of the same claim, where something may deny them all. */
  group: ClaimGroup | undefined;
  /** The handler's `ctx.tx`, once it has called it. */
  transaction: RunTransaction | undefined;
  /** The heap as the handler was called (bytes), and what had become of it; only where that is wanted. */
  heapBefore: number | undefined;
  memory: MemoryFigures | undefined;

  #abort: JobAbortedError | undefined;
  #controller: AbortController | undefined;

  constructor(
    readonly job: ClaimedJob,
    readonly spec: S,
    /** Monotonic time at which the claim, or the last extend that was kept, was sent. */
    public renewedAt: number,
    /** Monotonic time after which this process must not count on the lease. */
    public deadline: number,
    /** Monotonic time at which the handler was called; before that, at which its gates were asked. */
    public startedAt: number,
    /** Store time of the claim (ms). */
    readonly claimedAt: number,
  ) {
    this.progress = job.progress;
  }

  /** Its `ctx.tx` has completed the job: whatever its handler still does changes nothing. */
  get committed(): boolean {
    return this.transaction?.state === 'committed';
  }

  /** The COMMIT of its `ctx.tx` is on its way: what becomes of the run is not known here. */
  get committing(): boolean {
    return this.transaction?.state === 'committing';
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

  /** The process as it is now that the handler is done; only where that is wanted. */
  measureMemory(): void {
    if (this.heapBefore === undefined) return;
    const { rss, heapUsed } = process.memoryUsage();
    this.memory = { rss, heapUsed, heapDelta: heapUsed - this.heapBefore };
  }

  addLog(entry: LogEntry): void {
    this.pendingLogs ??= [];
    this.pendingLogs.push(entry);
    if (this.pendingLogs.length > MAX_PENDING_LOGS) this.pendingLogs.shift();
  }

  /** `tx` is the transaction that the child is added in, if any: that of `ctx.tx` names it only if it commits. */
  addChild(child: JobRef, tx?: unknown): void {
    if (tx !== undefined && this.transaction?.handle === tx) {
      const { children } = this.transaction;
      if (children.length < MAX_PENDING_CHILDREN) children.push(child);
      return;
    }
    this.pendingChildren ??= [];
    if (this.pendingChildren.length < MAX_PENDING_CHILDREN) this.pendingChildren.push(child);
  }

  /** What is not stored yet, if anything; from now on it is the caller's to deliver. */
  takeNote(): RunNote | undefined {
    const { pendingProgress: progress, pendingLogs: logs, pendingChildren: children } = this;
    if (!progress && !logs && !children) return undefined;
    this.pendingProgress = undefined;
    this.pendingLogs = undefined;
    this.pendingChildren = undefined;
    return { ...(progress ? { progress } : {}), ...(logs ? { logs } : {}), ...(children ? { children } : {}) };
  }

  /** A note that could not be delivered; what was said meanwhile is newer. */
  putBack({ progress, logs, children }: RunNote): void {
    this.pendingProgress ??= progress;
    const { pendingLogs: newerLogs = [], pendingChildren: newerChildren = [] } = this;
    this.pendingLogs = undefined;
    for (const entry of [...(logs ?? []), ...newerLogs]) this.addLog(entry);
    this.pendingChildren = undefined;
    for (const child of [...(children ?? []), ...newerChildren]) this.addChild(child);
  }
}

import type { ConsumerKeep } from '../job/retention.js';
import type { JobMeta, JobRef, LogEntry, Progress, StoredError } from '../job/stored-job.js';
import type { CallId, EnqueueOptions, StoreOptions } from './calls.js';
import type { JobAdmin } from './job-admin.js';
import type { CascadedJob, EnqueueResult, NewJob, ThenJob } from './new-job.js';
import type { TransactionOpener, TransactionStatements } from './transaction.js';

export type { CallId, EnqueueOptions, StoreOptions };
export type { QueueRecord } from './job-admin.js';
export type * from './new-job.js';

/**
 * The port that every backend implements: **every job transition is one atomic operation, and one operation carries
 * many jobs.**
 *
 * A job's wide data is written once; its state is which narrow set holds it. The sets have the same names in every
 * backend: `ready`, `delayed`, `blocked` (waiting for parents), `held` (added while its queue was disabled with
 * `hold`), `leased`, `done`; `suspended` is reserved. A transition moves a narrow entry from one set to another.
 *
 * Rules. The conformance kit checks 2 to 9 on every backend.
 *
 * 1. **One transition, one script or statement.** Batches, claims and replies are cut at 1 000 items or 1 MiB.
 * 2. **Store time** decides leases, delays, promotion and finish times. Callers send durations; an absolute instant
 *    only where the user gave one. Every operation takes `{ now }` as its last parameter, which only tests set.
 * 3. **Fencing.** Each claim gives the job a new fence, `max(last known fence of the queue + 1, store time in us)`,
 *    which grows over all incarnations of an id. Settle, extend and annotate name `(queue, id, fence)`; a stale owner
 *    changes nothing, ever.
 * 4. **Safe resend.** For each (client, queue) the store keeps one compact reply per call for 60 s while
 *    `n > acked`, written in the same transition. A resend gets that reply (for a claim, payloads are read again and
 *    leases that no longer hold are left out); `n <= acked` is refused with `CallRefusedError`.
 * 5. **Order.** `rank` is the priority on a `priority` queue and 0 elsewhere; `ord` is a growing number given anew on
 *    add, due, promote, retry and from the second stall on, and kept on release without delay, on the first stall and
 *    on a changed priority. Due jobs are promoted only by claim, before it picks, in order of (runAt, ord). Claim
 *    takes the smallest (rank, ord); `lifo` the largest ord.
 * 6. **Bounded work.** No operation scans all jobs of a queue; claim cost does not grow with finished jobs.
 * 7. **One `onTerminal`.** Completed, failed, cancelled, stalled past the cap, removed: one internal routine applies
 *    retention, updates counters, writes the dead letter, frees the deduplication key and tells dependants. Dependants
 *    in another queue learn of it before the call answers, or, after a crash in between, with the next sweep. A job
 *    that somebody unfinished depends on is not purged; removed by hand, it counts as failed for its dependants.
 * 8. **Payloads are opaque strings.** They come back byte for byte.
 * 9. **Wake-ups are hints.** Every transition into `ready` hints one idle process per job; a job that becomes the
 *    earliest due one hints one process, which then sleeps until it is due.
 * 10. **Version skew.** A process that meets newer data refuses with `SCHEMA_TOO_NEW`.
 * 11. **Store full.** Enqueue answers `StoreFullError`; settles and heartbeats of running jobs still pass.
 *
 * A backend that cannot reach its server throws `StoreUnreachableError` and does not resend: the caller does, with
 * the same {@link CallId}.
 * @publicApi
 */
export interface JobStore {
  readonly capabilities: Capabilities;

  /**
   * Adds jobs to one queue. Each group is all or nothing; groups are independent. An id that exists in the queue is
   * not added again: the answer names the job that stands, with `created: false`. Then its deduplication key is looked
   * at, then its parents, then whether the queue is disabled: `hold` stores new jobs as `held` (up to the queue's
   * `maxHeldJobs`), `skip` drops them, `reject` refuses the group. A job whose parents are all done, by its policy, is
   * ready at once; one that must fail because of a parent is added as failed.
   */
  enqueue(
    call: CallId,
    queue: string,
    groups: readonly (readonly NewJob[])[],
    opts?: EnqueueOptions,
  ): Promise<EnqueueResult[][]>;

  /**
   * Hands out jobs of one or many queues. Per queue: expired leases are reaped, due jobs promoted, jobs that are still
   * held although the queue is enabled again are let go, then up to `count` jobs leased. Each request carries its own {@link CallId}, because calls are counted per queue; when the call as a
   * whole fails, each request may be sent again alone. Requests are independent: a job that one of
   * them sets free in the queue of another may be left for the next claim.
   */
  claim(requests: readonly ClaimRequest[], opts?: StoreOptions): Promise<ClaimReply[]>;

  /**
   * Ends leases of one queue and, in the same round trip, claims for the slots they free. A claim that finds nothing
   * or is refused never undoes the settles. Outcomes are applied before the call reaps, so a lease that expired a
   * moment ago still settles. Retention removes at most `max(100, 2 x outcomes)` finished jobs per call. Jobs of `then`
   * are recorded in the same transition; in another queue they appear soon after, at the latest with the next sweep.
   * Such a job, and one that is added by retry, is always kept: in a disabled queue it is held, beyond its limit too.
   */
  settle(call: CallId, request: SettleRequest, opts?: StoreOptions): Promise<SettleReply>;

  /**
   * Renews leases, counted from store time; a lease that expired and was not taken back yet is kept, and one that
   * cannot be judged now is `busy`. It carries no CallId: it is idempotent by itself, so a resend is answered anew.
   */
  extend(leases: readonly LeaseRef[], opts?: StoreOptions): Promise<ExtendVerdict[]>;

  /**
   * Writes progress and logs of running jobs. A note with a stale fence is dropped; no note changes a state. After a
   * lost reply it is sent again: log lines may then stand twice.
   */
  annotate(notes: readonly JobNote[], opts?: StoreOptions): Promise<void>;

  /**
   * Takes back expired leases and applies retention by age, at most `limit` of each. Without `queues` it walks all
   * of them. Call it again while it says `more`. A lost reply loses what it reported, nothing else.
   */
  sweep(request: SweepRequest, opts?: StoreOptions): Promise<SweepReply>;

  /** Reads, and the rare transitions that people ask for. */
  readonly admin: JobAdmin;

  /** There where `capabilities.transactions` is true. */
  readonly transactions?: JobTransactions;
}

/** What a backend can promise. @publicApi */
export interface Capabilities {
  /** Short name for messages and health, for instance `memory`. */
  readonly backend: string;
  /** Enqueue inside a user's database transaction. */
  readonly transactions: boolean;
  /**
   * Calls of one process take effect in the order in which they were made, also while an earlier one is unanswered;
   * after a lost connection only what was not answered may be missing. Calls with parents are excepted.
   */
  readonly ordered?: boolean;
  /** Jobs that a call should carry, where there are enough: it has a cost of its own beside that of each job. */
  readonly batch?: number;
  /** False where a stale owner can only be detected, not refused. */
  readonly fenced: boolean;
  /** What an acknowledged job survives: the end of this process, of the server, of the power. `none` = nothing. */
  readonly durability: 'none' | 'process' | 'server' | 'power' | 'unknown';
}

/**
 * What a sweeper must know of the consumer's definition to judge an expired lease. The store keeps each distinct
 * policy once; a lease refers to it by `key`.
 * @publicApi
 */
export interface LeasePolicy {
  /** Equal keys mean equal policies. At most 64 bytes. */
  readonly key: string;
  /** `true`: run the job again after a crash. `false`: fail it with reason `crashed`. */
  readonly guaranteedWorker: boolean;
  /** Crashes that a job may survive; one more and it fails. */
  readonly maxStalledCount: number;
  /** Delay of the second and later stalls (exponential from the second on, without jitter). */
  readonly stallBackoff: { readonly delayMs: number; readonly maxDelayMs: number };
  readonly keep: ConsumerKeep;
  /** Jobs that fail for good are dead letters; with `queue` a copy (see {@link StoredJob.origin}) is added there too. */
  readonly deadLetter?: { readonly queue?: string };
}

/** At most `max` leases begin in any span of `durationMs`, in the whole cluster. @publicApi */
export interface RateLimit {
  readonly max: number;
  readonly durationMs: number;
}

/** What a claimer wants its queue held to, over all processes. @publicApi */
export interface ClaimLimits {
  /** Leases of the queue at once. */
  readonly maxActive?: number;
  /**
   * A store may count each lease for up to 1 % of `durationMs` longer, so that it need not keep every instant. It
   * counts for the last four spans that were asked for; a new one begins empty.
   */
  readonly rate?: RateLimit;
}

/** @publicApi */
export interface ClaimRequest {
  readonly call: CallId;
  readonly queue: string;
  /** At most this many jobs, and at most 1 000. 0 takes none: the owner does not wait for jobs of the queue any more. */
  readonly count: number;
  readonly leaseMs: number;
  /** The claiming process: recorded on the job, and the address for wake-up hints. */
  readonly owner: string;
  readonly policy: LeasePolicy;
  /**
   * The process runs nothing else: it may be given one suspect (a job that stands at its stall cap), and then gets
   * nothing beside it.
   */
  readonly alone?: boolean;
  readonly limits?: ClaimLimits;
}

/** @publicApi */
export interface ClaimReply {
  readonly queue: string;
  /** Store time of the claim (ms). */
  readonly now: number;
  readonly jobs: ClaimedJob[];
  /** Until the next delayed job is due or the next lease expires; absent when there is neither. */
  readonly nextDueMs?: number;
  /** The queue is paused or disabled. */
  readonly paused: boolean;
  /** The rate allows no lease for this long (ms). */
  readonly retryAfterMs?: number;
  /** Jobs at their stall cap that wait for a process which runs nothing else. */
  readonly suspects: number;
  /** What reaping did on the way. */
  readonly swept: SweptJob[];
  /** Jobs that failed because one of those did. */
  readonly cascaded: CascadedJob[];
}

/** @publicApi */
export interface ClaimedJob {
  readonly id: string;
  readonly name: string;
  readonly data?: string;
  readonly meta: JobMeta;
  readonly priority: number;
  readonly fence: number;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly stalledCount: number;
  readonly createdAt: number;
  /** When it became runnable (ms, store time). */
  readonly runAt: number;
  readonly progress?: Progress;
  /** Store time of the first of the releases in a row for an unknown job name. */
  readonly unknownNameSince?: number;
  /** The jobs that it waited for, in the order of its links; a parent that was run again is named by its last run. */
  readonly parents?: readonly JobRef[];
}

/** Names a lease: the fence says which one. @publicApi */
export interface LeaseRef {
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
  readonly leaseMs: number;
}

/**
 * `kept`: renewed. `lost`: no longer this owner's. `cancelled`: the job was cancelled under this owner.
 * `busy`: could not be judged now, ask again.
 * @publicApi
 */
export type ExtendVerdict = 'kept' | 'lost' | 'cancelled' | 'busy';

/** Progress and logs of one running job, coalesced. @publicApi */
export interface JobNote {
  readonly queue: string;
  readonly id: string;
  readonly fence: number;
  readonly progress?: Progress;
  readonly logs?: readonly LogEntry[];
  /** Jobs that the handler added as its children. */
  readonly children?: readonly JobRef[];
}

/** @publicApi */
export interface SettleRequest {
  readonly queue: string;
  readonly outcomes: readonly Outcome[];
  /** Claims for the same queue in the same round trip; its `call` is ignored, the settle's counts. */
  readonly claim?: Omit<ClaimRequest, 'call' | 'queue'>;
}

/** How an attempt ended. @publicApi */
export type Outcome = {
  readonly id: string;
  readonly fence: number;
  readonly note?: Omit<JobNote, 'queue' | 'id' | 'fence'>;
} & (
  | { readonly kind: 'complete'; readonly result?: string; readonly then?: readonly ThenJob[] }
  | { readonly kind: 'fail'; readonly error: StoredError; readonly then?: readonly ThenJob[] }
  | { readonly kind: 'retry'; readonly error: StoredError; readonly delayMs: number }
  /** Handed back with the attempt refunded; without delay it keeps its place. */
  | { readonly kind: 'release'; readonly delayMs: number; readonly reason: ReleaseReason }
);

/** @publicApi */
export type ReleaseReason = 'shutdown' | 'released' | 'unknown-name' | 'prefetch' | 'rate-limit' | 'condition';

/**
 * `settled`: done now. `already`: this very fence had settled the job before. `lost`: not this owner's any more, or
 * cancelled; nothing changed.
 * @publicApi
 */
export type SettleVerdict = 'settled' | 'already' | 'lost';

/** @publicApi */
export interface SettleReply {
  /** Store time (ms): the finish time of what settled. */
  readonly now: number;
  /** One per outcome, in order. */
  readonly verdicts: SettleVerdict[];
  /** Jobs that failed because one of these did. */
  readonly cascaded: CascadedJob[];
  readonly claim?: ClaimReply;
}

/** @publicApi */
export interface SweepRequest {
  readonly queues?: readonly string[];
  readonly limit: number;
}

/** @publicApi */
export interface SweepReply {
  readonly swept: SweptJob[];
  readonly cascaded: CascadedJob[];
  /** The limit was reached: there may be more to take back or to remove. */
  readonly more: boolean;
}

/** What became of a job whose lease had expired. @publicApi */
export interface SweptJob {
  readonly queue: string;
  readonly id: string;
  /** The fence that expired. */
  readonly fence: number;
  /** Who held it. */
  readonly owner: string;
  /** `stalled`: waits again. `failed`: over its cap, or `guaranteedWorker: false`. */
  readonly to: 'stalled' | 'failed';
  readonly stalledCount: number;
  readonly error?: StoredError;
}

/** Which lease a transaction is to end, and how. */
export interface Completion {
  readonly queue: string;
  readonly outcome: Extract<Outcome, { kind: 'complete' }>;
}

/** A completion that stands in an open transaction: it counts when that commits. */
export interface PendingCompletion {
  /** Store time (ms): the finish time of the job. */
  readonly now: number;
  /** To be called after the commit: tells dependants. Without that call they learn of it with the next claim or sweep. */
  committed(): Promise<CascadedJob[]>;
}

/**
 * What became of a lease. `completed`: this very lease ended with a completion. `held`: it still stands. `busy`:
 * somebody holds its row, perhaps the transaction in question. `lost`: it ended otherwise. `gone`: there is
 * no record of the job any more, so nobody can say.
 */
export type LeaseFate = 'completed' | 'held' | 'busy' | 'lost' | 'gone';

/** The part of a store that takes part in transactions of its users' database; see `ctx.tx`. */
export interface JobTransactions {
  /** Opens transactions where the user names nothing to open them with. */
  opener(): Promise<TransactionOpener>;

  /**
   * Ends a lease with a completion, in an open transaction, as its last statement. Nothing when the lease is not there
   * any more: then nothing was written. Until the transaction ends nobody else can take the lease back, and it must wait
   * for nobody but who works on this very lease.
   */
  complete(
    tx: TransactionStatements,
    completion: Completion,
    opts?: StoreOptions,
  ): Promise<PendingCompletion | undefined>;

  /**
   * Looks up a lease whose transaction ended in the dark. Waits for nobody.
   *
   * @throws StoreUnreachableError
   */
  fateOf(lease: { readonly queue: string; readonly id: string; readonly fence: number }): Promise<LeaseFate>;
}

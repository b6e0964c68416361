import { JobEndedError, type JobAbortedError } from '../errors/index.js';
import type { JobOptions } from '../job/job-options.js';
import type { JobTarget } from '../job/job-target.js';
import { MAX_TEXT_CHARS } from '../job/limits.js';
import { textOf } from '../job/stored-error.js';
import type { JobHeaders, LogLevel, Progress } from '../job/stored-job.js';
import { safeText } from '../job/text.js';
import type { Clock } from '../ports/clock.js';
import type { JobTransactionClient, TransactionOf } from '../transactions/transaction-types.js';
import type { AddChild, ChildJob } from './child-jobs.js';
import type { JobRun } from './job-run.js';
import type { ParentResult } from './parent-results.js';

/** Bytes of JSON that a log line's `meta` or a progress object may have; more is replaced by a remark. */
const MAX_DETAIL_CHARS = 8 * 1024;

const NO_HEADERS: JobHeaders = {};

/** `ctx.log('info', 'text')`, `ctx.log.info('text')`. @publicApi */
export interface JobLog {
  (level: LogLevel, message: string, meta?: unknown): void;
  debug(message: string, meta?: unknown): void;
  info(message: string, meta?: unknown): void;
  warn(message: string, meta?: unknown): void;
  error(message: string, meta?: unknown): void;
}

/** What a handler does in a transaction. It may say more exactly what it expects of the client. */
type Work<C, Q> = { run(client: C): Promise<Q> }['run'];

/** What a context needs from the engine. */
export interface ContextHost {
  readonly clock: Clock;
  readonly project: string;
  readonly environment: string;
  /** Progress, logs or children of this run wait to be written. */
  noted(run: JobRun): void;
  progressed(run: JobRun, progress: Progress): void;
  readonly addChild: AddChild;
  parents(run: JobRun): Promise<ParentResult[]>;
  transact<T>(run: JobRun, work: (handle: unknown) => Promise<T>, using: unknown): Promise<T>;
}

/**
 * What a handler gets.
 *
 * @example
 * async function encode(ctx: JobContext<{ file: string }>) {
 *   for (const [i, chunk] of chunks.entries()) {
 *     if (ctx.signal.aborted) return;
 *     await encodeChunk(chunk);
 *     ctx.progress(((i + 1) / chunks.length) * 100, 'encoding');
 *   }
 * }
 * @publicApi
 */
export class JobContext<T = unknown> {
  readonly #run: JobRun;
  readonly #host: ContextHost;
  #log: JobLog | undefined;

  constructor(
    run: JobRun,
    host: ContextHost,
    /** Total runs that this job may have. */
    readonly maxAttempts: number,
    readonly timeoutMs: number | undefined,
  ) {
    this.#run = run;
    this.#host = host;
  }

  /** The job's payload; where its queue has a `schema`, what that made of it. */
  get data(): T {
    return this.#run.data as T;
  }

  get id(): string {
    return this.#run.job.id;
  }

  get name(): string {
    return this.#run.job.name;
  }

  get queueName(): string {
    return this.#run.spec.queue;
  }

  /** 1 on the first run. */
  get attempt(): number {
    return this.#run.job.attempt;
  }

  /**
   * The number of this lease. It grows with every claim of a job, so a resource that remembers the highest one it
   * saw can refuse a worker that was frozen and came back.
   */
  get fence(): number {
    return this.#run.job.fence;
  }

  get priority(): number {
    return this.#run.job.priority;
  }

  /** When the job was added (ms, store time). */
  get createdAt(): number {
    return this.#run.job.createdAt;
  }

  /** Milliseconds since this attempt started. */
  get duration(): number {
    return this.#host.clock.monotonic() - this.#run.startedAt;
  }

  get project(): string {
    return this.#host.project;
  }

  get environment(): string {
    return this.#host.environment;
  }

  get correlationId(): string | undefined {
    return this.#run.job.meta.correlationId;
  }

  /** What an instrumentation sent along with the job. */
  get headers(): JobHeaders {
    return this.#run.job.meta.headers ?? NO_HEADERS;
  }

  /** Fires when the handler should stop; `signal.reason.kind` says why. Made on first read. */
  get signal(): AbortSignal {
    return this.#run.signal;
  }

  get aborted(): boolean {
    return this.#run.aborted;
  }

  /** Why the handler should stop, once it should: `signal.reason`, typed. */
  get abortReason(): JobAbortedError | undefined {
    return this.#run.abortReason;
  }

  /** Milliseconds until this attempt times out, or `undefined` without a timeout. */
  get remainingMs(): number | undefined {
    return this.timeoutMs === undefined ? undefined : Math.max(0, this.timeoutMs - this.duration);
  }

  /** When this attempt times out (ms, this process's wall clock), or `undefined` without a timeout. */
  get deadline(): number | undefined {
    const left = this.remainingMs;
    return left === undefined ? undefined : this.#host.clock.now() + left;
  }

  /**
   * Says how far the job has come. `percent` is clamped to 0..100; the second argument is a label or a plain object.
   * Writes are collected; a progress never overwrites a final state.
   */
  progress(percent: number, labelOrDetail?: string | object): void {
    const run = this.#run;
    if (run.closed) return;
    const value = percent === Infinity || Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0;
    const progress: Progress =
      typeof labelOrDetail === 'string'
        ? { percent: value, label: safeText(labelOrDetail, MAX_TEXT_CHARS) }
        : { percent: value, ...(labelOrDetail === undefined ? {} : { detail: plain(labelOrDetail) }) };
    run.progress = progress;
    run.pendingProgress = progress;
    this.#host.noted(run);
    this.#host.progressed(run, progress);
  }

  /** The last progress, also of an attempt before this one. */
  getProgress(): Progress | undefined {
    return this.#run.progress;
  }

  /** Writes a line to the job's log. */
  get log(): JobLog {
    return (this.#log ??= this.#makeLog());
  }

  /**
   * Gives the job up: whether the handler then returns or throws, the job fails without another attempt.
   */
  discard(reason?: string): void {
    this.#run.discarded = { reason: reason === undefined ? undefined : safeText(reason, MAX_TEXT_CHARS) };
  }

  /**
   * Adds a job at once, as a child of this one: it names this job as its parent, carries its `correlationId` unless
   * `options` say another, and stands in this job's `childrenIds`. It does not wait for this job, nor this job for it.
   * Await it before the handler returns. A handler that runs again adds its children again: give them a `jobId`.
   *
   * @throws InvalidOptionsError, InvalidPayloadError, PayloadTooLargeError before anything is sent
   * @throws JobAbortedError when this process has lost the job, or the attempt has timed out or was cancelled
   * @throws JobEndedError when the attempt is over
   * @throws StoreFullError, UnknownOutcomeError
   * @example
   * for (const page of pages) await ctx.spawnChild(Thumbnail, { page }, { jobId: `${ctx.id}:${page}` });
   */
  spawnChild<P, Q, N extends keyof P & string>(
    target: JobTarget<P, Q>,
    data: NoInfer<P[N]>,
    options: JobOptions & { name: N },
  ): Promise<ChildJob<P[N], Q>>;
  spawnChild<P = unknown, Q = unknown>(
    target: string | JobTarget<P, Q>,
    data: NoInfer<P>,
    options?: JobOptions,
  ): Promise<ChildJob<P, Q>>;
  async spawnChild(target: string | JobTarget, data: unknown, options?: JobOptions): Promise<ChildJob> {
    const run = this.#run;
    if (run.closed) throw run.abortReason ?? new JobEndedError(`ctx.spawnChild (${run.where})`);
    const { id, meta } = run.job;
    const { correlationId } = meta;
    const child = await this.#host.addChild(target, data, options, {
      parentId: id,
      ...(correlationId === undefined ? {} : { correlationId }),
    });
    if (!run.closed) {
      run.addChild({ queue: child.queueName, id: child.id }, options?.tx);
      this.#host.noted(run);
    }
    return child;
  }

  /**
   * What became of the jobs that this one depends on, in the order of its `dependsOn`; empty without any. A parent that
   * was run again is answered by its last run. Results are read with the codec of their queue where that is defined in
   * this process, otherwise as JSON.
   *
   * @throws InvalidPayloadError when a result cannot be decoded
   */
  parents<Q = unknown>(): Promise<ParentResult<Q>[]> {
    return this.#host.parents(this.#run) as Promise<ParentResult<Q>[]>;
  }

  /**
   * Commits what `work` writes and the job's completion, with the value that `work` answers, in one transaction of the
   * database in which the jobs are: both happen, or neither. Return it from the handler: when it has resolved, the job
   * is completed, whatever the handler does after that. When `work` throws, all is rolled back and this rejects.
   *
   * The transaction is opened on the `pg.Pool` that the engine was given, otherwise on a pool of the engine's own; with
   * `using` by a pool or ORM of yours on the same database. Write with what `work` is given, with nothing else. Keep it
   * short: it holds one of your connections.
   *
   * @throws TransactionsNotSupportedError on any other store than PostgreSQL; InvalidOptionsError for an unknown `using`
   * @throws LeaseLostError when the job is not this worker's any more; all was rolled back
   * @throws JobAbortedError when the attempt was told to stop before the commit (not for a shutdown); rolled back
   * @throws SecondTransactionError after one that was committed, or beside one
   * @throws UnknownOutcomeError when the database did not say in time whether it committed
   * @example
   * handler: (ctx) =>
   *   ctx.tx(async (client) => {
   *     await client.query('update account set balance = balance + $1 where id = $2', [ctx.data.amount, ctx.data.to]);
   *     return { done: true };
   *   }),
   */
  tx<Q>(work: Work<JobTransactionClient, Q>): Promise<Q>;
  tx<Q, U>(work: Work<TransactionOf<U>, Q>, options: { readonly using?: U }): Promise<Q>;
  tx<Q>(work: Work<never, Q>, options?: { readonly using?: unknown }): Promise<Q> {
    return this.#host.transact(this.#run, work as (handle: unknown) => Promise<Q>, options?.using);
  }

  #makeLog(): JobLog {
    const write = (level: LogLevel, message: string, meta?: unknown): void => {
      const run = this.#run;
      if (run.closed) return;
      run.addLog({
        at: this.#host.clock.now(),
        level,
        message: safeText(String(message), MAX_TEXT_CHARS),
        ...(meta === undefined ? {} : { meta: plain(meta) }),
      });
      this.#host.noted(run);
    };
    return Object.assign(write, {
      debug: (message: string, meta?: unknown) => write('debug', message, meta),
      info: (message: string, meta?: unknown) => write('info', message, meta),
      warn: (message: string, meta?: unknown) => write('warn', message, meta),
      error: (message: string, meta?: unknown) => write('error', message, meta),
    });
  }
}

/**
 * A copy as plain JSON data, so that the caller may go on changing the object. What cannot be carried becomes a
 * remark: a log line must never fail a job.
 */
function plain(value: unknown): unknown {
  try {
    const text = JSON.stringify(value);
    if (text === undefined) return `(${typeof value})`;
    return text.length > MAX_DETAIL_CHARS
      ? `(${text.length} characters, too long to keep)`
      : (JSON.parse(text) as unknown);
  } catch (error) {
    return `(not JSON: ${textOf(error).split('\n')[0]})`;
  }
}

import type { EngineEventName, EngineListener } from '../events.js';
import type { JobStatus } from '../job/states.js';
import type { JobHeaders, StoredError } from '../job/stored-job.js';
import type { ReleaseReason } from '../ports/job-store.js';
import type { JobContext } from './job-context.js';

/** A job that is about to be added. @publicApi */
export interface EnqueuedJob {
  readonly queueName: string;
  readonly id: string;
  readonly name: string;
  readonly correlationId?: string;
  /** The job whose handler adds it with `ctx.spawnChild`. */
  readonly parentId?: string;
  /**
   * Write here what is to travel with the job, such as a trace context: texts, together at most 4 096 characters. What
   * is more, or no text, is left out and logged. Whoever runs the job reads them as `headers`.
   */
  readonly headers: Record<string, string>;
}

/** One call of `add`, `addBulk` or `ctx.spawnChild`. @publicApi */
export interface EnqueueCall {
  readonly queueName: string;
  /** One, or with `addBulk` any number. */
  readonly jobs: readonly EnqueuedJob[];
  /** It is an `addBulk`. */
  readonly bulk: boolean;
}

/** An attempt of a job. @publicApi */
export interface InstrumentedJob {
  readonly queueName: string;
  readonly id: string;
  readonly name: string;
  /** 1 on the first run. */
  readonly attempt: number;
  /** Total runs that this job may have. */
  readonly maxAttempts: number;
  readonly correlationId?: string;
  readonly parentId?: string;
  /** What `onEnqueue` wrote, here or in another process. */
  readonly headers: JobHeaders;
  /** From when it could run (added, due, or its parents done) to when it was claimed, in ms by the store's clock. */
  readonly waitDuration: number;
}

/** An attempt that is about to begin. @publicApi */
export interface RunningJob extends InstrumentedJob {
  /** What its handler gets. */
  readonly context: JobContext;
}

/** How an attempt ended, as the store has it. Times in ms. @publicApi */
export type SettledAttempt = { readonly durationMs: number } & (
  | { readonly outcome: 'completed' }
  /** For good. */
  | { readonly outcome: 'failed'; readonly error: StoredError }
  /** Another attempt follows after `delayMs`. */
  | { readonly outcome: 'retried'; readonly error: StoredError; readonly delayMs: number }
  /** Handed back with the attempt refunded. */
  | { readonly outcome: 'released'; readonly reason: ReleaseReason; readonly delayMs: number }
  /** This process lost the job: another one runs it, or it was cancelled. */
  | { readonly outcome: 'lost' }
);

/** What an instrumentation may know of its engine. An `OqronEngine` is one. @publicApi */
export interface InstrumentedEngine {
  /** Names this process incarnation. */
  readonly owner: string;
  on<K extends EngineEventName>(event: K, listener: EngineListener<K>): () => void;
  health(): {
    readonly running: number;
    readonly zombies: number;
    readonly leader?: { readonly state: string };
  };
  readonly manager: {
    /** The recorded queues by name, with their jobs per state: two reads of the store for each. */
    listQueues(request: { readonly limit: number }): Promise<{
      readonly queues: readonly { readonly name: string; readonly counts: Readonly<Record<JobStatus, number>> }[];
      readonly after?: string;
    }>;
  };
}

/**
 * Watches jobs on their way: traces, metrics, contexts of other libraries. Give it to the engine (`instrumentation` in
 * the configuration, or `engine.instrument`); several stand around each other, the first one outside. Where there is
 * none, nothing of this is paid for.
 *
 * Each method is optional. What they throw is logged and changes nothing: neither what is added nor how a job ends can
 * be changed here, only the job's `headers`.
 *
 * @example
 * const timing: OqronInstrumentation = {
 *   name: 'timing',
 *   onEnqueue: (job) => { job.headers['from'] = hostname(); },
 *   wrap: async (job, next) => {
 *     const began = performance.now();
 *     await next().catch(() => undefined);
 *     console.log(job.queueName, job.waitDuration, performance.now() - began, job.headers['from']);
 *   },
 * };
 * @publicApi
 */
export interface OqronInstrumentation {
  /** For log lines. @default the name of its class */
  readonly name?: string;

  /** Called once for each engine that it is given to. A function that it answers is called when the engine has stopped. */
  attach?(engine: InstrumentedEngine): unknown;

  /** Before a job leaves. Its payload is encoded already. Called inside of {@link wrapEnqueue}. */
  onEnqueue?(job: EnqueuedJob): void;

  /**
   * Stands around a call that adds jobs. It has to call `next` before it returns (otherwise `next` is called for it):
   * that sends them, and resolves when the store acknowledged them, or rejects with what the caller gets.
   */
  wrapEnqueue?(call: EnqueueCall, next: () => Promise<void>): unknown;

  /**
   * Stands around each call of a handler. It has to call `next` before it returns (otherwise `next` is called for it):
   * that calls the handler, and settles as it does. Return the promise that you make of it: one that nobody looks at is
   * an unhandled rejection when the handler throws. A handler that is told to stop may never settle; listen to
   * `job.context.signal`.
   */
  wrap?(job: RunningJob, next: () => Promise<unknown>): unknown;

  /** The same for a call of `processBatch`, which runs many jobs. */
  wrapBatch?(jobs: readonly RunningJob[], next: () => Promise<unknown>): unknown;

  /** After the store confirmed how an attempt ended, once, in the process that ran it. */
  onSettled?(job: InstrumentedJob, attempt: SettledAttempt): void;
}

import { runWithoutAmbient } from './async-context.js';
import type { JobStatus } from './job/states.js';
import { textOf, toStoredError } from './job/stored-error.js';
import type { Progress, StoredError } from './job/stored-job.js';
import type { CascadedJob } from './ports/job-store.js';
import type { Logger } from './ports/logger.js';
import type { EngineTap } from './runtime/tap.js';

/** What every job event carries. @publicApi */
export interface JobEvent {
  readonly queue: string;
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
}

/** Memory of the process around one attempt, in bytes. @publicApi */
export interface MemoryFigures {
  readonly rss: number;
  readonly heapUsed: number;
  /** Gained since the handler was called, by whatever ran in between; less than 0 after a garbage collection. */
  readonly heapDelta: number;
}

/**
 * The engine's events. Each terminal event is emitted once, in the process that made the transition, after the store
 * confirmed it.
 * @publicApi
 */
export interface EngineEvents {
  'job:added': { readonly queue: string; readonly id: string; readonly name: string; readonly status: JobStatus };
  'job:start': JobEvent;
  'job:progress': JobEvent & { readonly progress: Progress };
  'job:success': JobEvent & { readonly result: unknown; readonly durationMs: number; readonly memory?: MemoryFigures };
  'job:fail': JobEvent & {
    readonly error: StoredError;
    readonly durationMs?: number;
    readonly memory?: MemoryFigures;
  };
  'job:retry': JobEvent & { readonly error: StoredError; readonly delayMs: number };
  'job:released': JobEvent & { readonly reason: string; readonly delayMs: number };
  'job:stalled': { readonly queue: string; readonly id: string; readonly owner: string; readonly stalledCount: number };
  'job:cancelled': { readonly queue: string; readonly id: string; readonly reason?: string };
  'worker:lost-lease': JobEvent;
  'queue:paused': { readonly queue: string };
  'queue:resumed': { readonly queue: string };
  /** `drain` has paused the queue, and nothing of it runs any more. */
  'queue:drained': { readonly queue: string };
  /** A definition raised the recorded version of its queue. */
  'queue:upgraded': { readonly queue: string; readonly from: number; readonly to: number };
  'queue:disabled': { readonly queue: string };
  'queue:enabled': { readonly queue: string };
  /** This process leads the election `name` from now on. `epoch` grows with every term. */
  'leader:elected': { readonly name: string; readonly owner: string; readonly epoch: number };
  /** It does no more. `expired`: it could not renew in time; `replaced`: another leads; `resigned`: it stops. */
  'leader:lost': {
    readonly name: string;
    readonly owner: string;
    readonly epoch: number;
    readonly reason: 'expired' | 'replaced' | 'resigned';
  };
  'system:ready': { readonly owner: string };
  'system:stop': { readonly owner: string };
  /** Something went wrong in the background; the engine goes on. */
  error: { readonly where: string; readonly error: unknown };
}

/** @publicApi */
export type EngineEventName = keyof EngineEvents;

/** @publicApi */
export type EngineListener<K extends EngineEventName> = (event: EngineEvents[K]) => unknown;

/** The events that a listener may ask the whole cluster for. @publicApi */
export type ClusterEventName = Exclude<EngineEventName, 'error'>;

/** An error as it travels between processes: without its stack, the message cut to 1 000 characters. @publicApi */
export type BriefError = Omit<StoredError, 'stack'>;

/**
 * What a listener with `{ scope: 'cluster' }` gets, of its own process and of others: the same events, without what
 * may be large (results, stacks, the object given to `progress`), and texts cut to 1 000 characters. Read the job for
 * the rest.
 * @publicApi
 */
export interface ClusterEvents extends Omit<
  EngineEvents,
  'error' | 'job:success' | 'job:fail' | 'job:retry' | 'job:progress'
> {
  'job:success': Omit<EngineEvents['job:success'], 'result'>;
  'job:fail': Omit<EngineEvents['job:fail'], 'error'> & { readonly error: BriefError };
  'job:retry': Omit<EngineEvents['job:retry'], 'error'> & { readonly error: BriefError };
  'job:progress': JobEvent & { readonly progress: Omit<Progress, 'detail'> };
}

/** @publicApi */
export type ClusterListener<K extends ClusterEventName> = (event: ClusterEvents[K]) => unknown;

/** Whose events a listener gets: those of this engine (the default), or those of every process. @publicApi */
export interface ListenOptions {
  /** @default 'engine' */
  readonly scope?: 'engine' | 'cluster';
}

/** Promises of listeners and hooks that a stopping engine waits for. */
const MAX_PENDING = 10_000;

/**
 * A typed emitter whose listeners cannot hurt the engine: what they throw or reject with is logged and changes
 * nothing. An `error` event without a listener is logged, never thrown.
 * @publicApi
 */
export class EventBus {
  readonly #listeners = new Map<EngineEventName, Set<(event: never) => unknown>>();
  /** What listeners and hooks have promised and not done yet. */
  readonly #pending = new Set<Promise<unknown>>();
  /** Events that other processes want to hear of. */
  #wanted: ReadonlySet<string> = new Set();
  #forward: (event: EngineEventName, payload: object) => void = () => undefined;

  /** @internal Set by a test kit. */
  tap: EngineTap | undefined;

  constructor(private readonly logger: Logger) {}

  /** Calls `listener` for each `event`; answers a function that ends it. */
  on<K extends EngineEventName>(event: K, listener: EngineListener<K>): () => void {
    let listeners = this.#listeners.get(event);
    if (!listeners) this.#listeners.set(event, (listeners = new Set()));
    listeners.add(listener);
    return () => this.off(event, listener);
  }

  /** Like {@link on}, for the next event only. */
  once<K extends EngineEventName>(event: K, listener: EngineListener<K>): () => void {
    const off = this.on(event, (payload) => {
      off();
      return listener(payload);
    });
    return off;
  }

  off<K extends EngineEventName>(event: K, listener: EngineListener<K>): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** True when somebody listens; spares building events that nobody wants. */
  has(event: EngineEventName): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0 || this.#wanted.has(event);
  }

  /** @internal From now on also hands each event that `wanted` names to `forward`. */
  forwardTo(wanted: ReadonlySet<string>, forward: (event: EngineEventName, payload: object) => void): void {
    this.#wanted = wanted;
    this.#forward = forward;
  }

  emit<K extends EngineEventName>(event: K, payload: EngineEvents[K]): void {
    if (this.#wanted.has(event)) this.#forward(event, payload);
    const listeners = this.#listeners.get(event);
    if (!listeners) return;
    for (const listener of listeners) this.tell(event, () => (listener as EngineListener<K>)(payload));
  }

  /** Calls one listener; what it throws or rejects with is logged. */
  tell(event: EngineEventName, call: () => unknown): void {
    this.run(call, (error) => this.logger.error(`a listener of "${event}" threw`, { error: textOf(error) }));
  }

  /** Runs foreign code (a listener, a hook); whatever it throws or rejects with goes to `onError`. */
  run(code: () => unknown, onError: (error: unknown) => void): void {
    try {
      const answer = runWithoutAmbient(code);
      if (typeof answer !== 'object' || answer === null) return;
      // Not only a Promise can reject: a thenable of a library or of another realm does too.
      const done = Promise.resolve(answer).catch(onError);
      // One that never settles must not pile up here: beyond the bound nobody waits for it.
      if (this.#pending.size >= MAX_PENDING) return;
      this.#pending.add(done);
      void done.finally(() => this.#pending.delete(done));
    } catch (error) {
      onError(error);
    }
  }

  /** Resolves when every listener and hook that was called so far has done what it promised. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Reports a failure in the background: one log line and the `error` event. */
  report(where: string, error: unknown, context?: Record<string, unknown>): void {
    const { stack } = toStoredError(error);
    this.logger.error(`${where}: ${textOf(error)}`, { ...context, ...(stack ? { stack } : {}) });
    this.emit('error', { where, error });
  }
}

/** Tells of jobs that failed because a parent did not complete. They never ran, so they have no attempt. */
export function emitCascaded(events: EventBus, cascaded: readonly CascadedJob[] | undefined): void {
  if (!cascaded || cascaded.length === 0 || !events.has('job:fail')) return;
  for (const job of cascaded) events.emit('job:fail', { ...job, attempt: 0 });
}

import { ambientIsUsed, useAmbient, withOnly } from '../async-context.js';
import { MAX_HEADERS_CHARS } from '../job/limits.js';
import { safeText } from '../job/text.js';
import { textOf } from '../job/stored-error.js';
import type { JobHeaders } from '../job/stored-job.js';
import type { Logger } from '../ports/logger.js';
import { planFor } from './attempt.js';
import type { BatchHandler, ConsumerRun, Handler } from './consumer.js';
import type {
  EnqueueCall,
  EnqueuedJob,
  InstrumentedEngine,
  InstrumentedJob,
  OqronInstrumentation,
  RunningJob,
  SettledAttempt,
} from './instrumentation.js';
import type { JobContext } from './job-context.js';

/** Headers that were left out are told once per name, for so many names. */
const MAX_TOLD = 100;

const NO_HEADERS: JobHeaders = {};

type Next = () => Promise<unknown>;

/** A piece of code with an instrumentation around it. */
interface Layer {
  readonly by: OqronInstrumentation;
  /** The instrumentation's method, for log lines. */
  readonly hook: string;
  run(next: Next): unknown;
}

/** The instrumentations of one engine. None of them can hurt it: see {@link OqronInstrumentation}. */
export class Instruments {
  /** Something wants to know of adds. */
  adds = false;
  /** Something wants to know of endings. */
  settles = false;
  #wraps = false;
  #all: readonly OqronInstrumentation[] = [];
  readonly #detach = new Map<OqronInstrumentation, () => unknown>();
  readonly #told = new Set<string>();

  constructor(
    private readonly logger: Logger,
    /** Whether it is kept where code runs; `undefined` = from when somebody wants to know. */
    readonly asyncContext: boolean | undefined,
  ) {
    if (asyncContext) useAmbient();
  }

  /** Handlers have to be called through here. */
  get around(): boolean {
    return this.#wraps || (this.asyncContext ?? ambientIsUsed());
  }

  /** Answers a function that ends it. */
  add(instrumentation: OqronInstrumentation, engine: InstrumentedEngine): () => void {
    if (!this.#all.includes(instrumentation)) {
      this.#set([...this.#all, instrumentation]);
      if (instrumentation.wrap || instrumentation.wrapBatch) useAmbient();
      this.#guard(instrumentation, 'attach', () => {
        const detach = instrumentation.attach?.(engine);
        if (typeof detach === 'function') this.#detach.set(instrumentation, detach as () => unknown);
      });
    }
    return () => this.#remove(instrumentation);
  }

  /** The engine has stopped. */
  end(): void {
    for (const one of this.#all) this.#remove(one);
  }

  /** Calls a handler. */
  call(run: ConsumerRun, ctx: JobContext, handler: Handler): unknown {
    return this.within(ctx, () => {
      if (!this.#wraps) return handler(ctx);
      const job = runningJob(run, ctx);
      const layers = this.#layers('wrap', (one) => one.wrap && ((next) => one.wrap?.(job, next)));
      return this.#nest(layers, () => handler(ctx));
    });
  }

  callBatch(items: readonly { readonly run: ConsumerRun; readonly ctx: JobContext }[], handler: BatchHandler): unknown {
    return this.within(undefined, () => {
      const call = (): unknown => handler(items.map(({ ctx }) => ctx));
      if (!this.#wraps) return call();
      const jobs = items.map(({ run, ctx }) => runningJob(run, ctx));
      const layers = this.#layers('wrapBatch', (one) => one.wrapBatch && ((next) => one.wrapBatch?.(jobs, next)));
      return this.#nest(layers, call);
    });
  }

  /** Runs code of a job, so that it can be known where it runs. */
  within<T>(ctx: JobContext | undefined, code: () => T): T {
    if (this.asyncContext === false) return code();
    return withOnly({ job: ctx, correlationId: ctx?.correlationId }, code);
  }

  /** Sends jobs; `send` gets what is to travel with each. */
  async enqueue<T>(call: EnqueueCall, send: (headers: readonly (JobHeaders | undefined)[]) => Promise<T>): Promise<T> {
    let sent: T | undefined;
    const layers = this.#layers(
      'wrapEnqueue',
      (one) => one.wrapEnqueue && ((next) => one.wrapEnqueue?.(call, next as () => Promise<void>)),
    );
    await this.#nest(layers, async () => {
      for (const job of call.jobs) this.#tell(job);
      sent = await send(call.jobs.map((job) => this.#headersOf(job)));
    });
    return sent as T;
  }

  settled(run: ConsumerRun, attempt: SettledAttempt): void {
    const job = instrumentedJob(run);
    for (const one of this.#all) this.#guard(one, 'onSettled', () => one.onSettled?.(job, attempt));
  }

  #tell(job: EnqueuedJob): void {
    for (const one of this.#all) this.#guard(one, 'onEnqueue', () => one.onEnqueue?.(job));
  }

  #set(all: readonly OqronInstrumentation[]): void {
    this.#all = all;
    this.#wraps = all.some(({ wrap, wrapBatch }) => wrap ?? wrapBatch);
    this.adds = all.some(({ onEnqueue, wrapEnqueue }) => onEnqueue ?? wrapEnqueue);
    this.settles = all.some(({ onSettled }) => onSettled);
  }

  #remove(instrumentation: OqronInstrumentation): void {
    if (!this.#all.includes(instrumentation)) return;
    this.#set(this.#all.filter((one) => one !== instrumentation));
    const detach = this.#detach.get(instrumentation);
    this.#detach.delete(instrumentation);
    if (detach) this.#guard(instrumentation, 'detach', detach);
  }

  #layers(hook: string, of: (one: OqronInstrumentation) => ((next: Next) => unknown) | undefined): Layer[] {
    const layers: Layer[] = [];
    for (const by of this.#all) {
      const run = of(by);
      if (run) layers.push({ by, hook, run });
    }
    return layers;
  }

  /** Calls `code` once, inside of all layers, and answers as it does, whatever they do. */
  #nest(layers: readonly Layer[], code: () => unknown, at = 0): unknown {
    const layer = layers[at];
    return layer ? this.#step(layer, () => this.#nest(layers, code, at + 1)) : code();
  }

  #step({ by, hook, run }: Layer, inner: () => unknown): Promise<unknown> {
    let called: Promise<unknown> | undefined;
    const next: Next = () => (called ??= settling(inner));
    this.#guard(
      by,
      hook,
      () => {
        const answer = run(next);
        // Waiting for it could hold the job, or the add, for ever.
        if (!called) throw new Error('it did not call next() before it returned; that was done for it');
        return answer;
      },
      () => called,
    );
    return next();
  }

  /**
   * Runs code of an instrumentation; what it throws or rejects with is logged. What is only passed on (by a promise
   * that was made of `of`) is nothing of its own.
   */
  #guard(by: OqronInstrumentation, hook: string, code: () => unknown, of?: () => Promise<unknown> | undefined): void {
    const failed = (error: unknown): void => {
      const name = by.name ?? by.constructor.name;
      this.logger.error(`instrumentation ${name}, ${hook}: ${textOf(error)}`, { instrumentation: name, hook });
    };
    try {
      const answer = code();
      if (typeof answer !== 'object' || answer === null || !('then' in answer)) return;
      const passedOn = of?.();
      if (answer === passedOn) return;
      Promise.resolve(answer as PromiseLike<unknown>).catch((error: unknown) => {
        if (!passedOn) return failed(error);
        return passedOn.then(
          () => failed(error),
          (own: unknown) => (own === error ? undefined : failed(error)),
        );
      });
    } catch (error) {
      failed(error);
    }
  }

  /** What travels with the job, made safe for every store. */
  #headersOf({ headers }: EnqueuedJob): JobHeaders | undefined {
    let kept: Record<string, string> | undefined;
    let room = MAX_HEADERS_CHARS;
    for (const [name, value] of Object.entries(headers) as [string, unknown][]) {
      const size = typeof value === 'string' ? name.length + value.length : Infinity;
      if (size > room) {
        this.#leftOut(name, value);
        continue;
      }
      room -= size;
      (kept ??= {})[safeText(name, room + size)] = safeText(value as string, room + size);
    }
    return kept;
  }

  #leftOut(name: string, value: unknown): void {
    if (this.#told.has(name) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(name);
    const why =
      typeof value === 'string'
        ? `together headers have ${MAX_HEADERS_CHARS} characters at most`
        : `expected a text, got ${value === null ? 'null' : typeof value}`;
    this.logger.warn(`instrumentation: the header "${safeText(name, 100)}" is not sent with jobs: ${why}`);
  }
}

/** Calls it; a throw becomes a rejection. */
function settling(code: () => unknown): Promise<unknown> {
  try {
    return Promise.resolve(code());
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- handlers may throw anything
    return Promise.reject(error);
  }
}

function instrumentedJob(run: ConsumerRun): InstrumentedJob {
  const { job, spec, claimedAt } = run;
  const { correlationId, parentId, headers } = job.meta;
  return {
    queueName: spec.queue,
    id: job.id,
    name: job.name,
    attempt: job.attempt,
    maxAttempts: planFor(run).maxAttempts,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(parentId === undefined ? {} : { parentId }),
    headers: headers ?? NO_HEADERS,
    waitDuration: Math.max(0, claimedAt - job.runAt),
  };
}

function runningJob(run: ConsumerRun, context: JobContext): RunningJob {
  return { ...instrumentedJob(run), context };
}

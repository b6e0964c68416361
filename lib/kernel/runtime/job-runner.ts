import { InvalidPayloadError, JobTimeoutError, OqronError } from '../errors/index.js';
import type { Timer } from '../ports/clock.js';
import type { Outcome, ReleaseReason } from '../ports/job-store.js';
import { endingOfError, endingOfValue, failureOf, planFor, releaseOf, type AttemptPlan } from './attempt.js';
import type { ConsumerRun, ConsumerSpec, Handler } from './consumer.js';
import { JobContext, type ContextHost } from './job-context.js';
import type { Runtime } from './runtime.js';

/** A job whose name nobody here knows comes back after this long (ms): another process may know it. */
const UNKNOWN_NAME_DELAY_MS = 5_000;
/** After this long (ms) without anyone who knows the name, the job fails. */
const UNKNOWN_NAME_PATIENCE_MS = 600_000;

/** Where endings go. */
export interface RunnerHost {
  /** The attempt has an outcome to record. Called at most once per run. */
  ended(run: ConsumerRun, outcome: Outcome, value: unknown, thrown: unknown): void;
  leaseLost(run: ConsumerRun, why: 'lost' | 'cancelled', detail?: string): void;
  /** The handler returned, or its grace is over: its slot may be used again. */
  slotFreed(): void;
}

/**
 * Runs attempts. Whatever a handler does (throws anything, never returns, returns after its timeout), exactly one
 * ending is reported, or none when the lease is gone.
 */
export class JobRunner {
  /** Handlers that were told to stop and still run, with the timer that ends their grace. */
  readonly #late = new Map<ConsumerRun, Timer | undefined>();
  readonly #timeouts = new Map<ConsumerRun, Timer>();
  readonly #context: ContextHost;
  #zombies = 0;

  constructor(
    private readonly spec: ConsumerSpec,
    private readonly rt: Runtime,
    private readonly host: RunnerHost,
  ) {
    this.#context = {
      clock: rt.clock,
      project: rt.project,
      environment: rt.environment,
      noted: (run) => rt.notes.noted(run),
      progressed: (run, progress) => {
        if (!rt.events.has('job:progress')) return;
        const { id, name, attempt } = run.job;
        rt.events.emit('job:progress', { queue: spec.queue, id, name, attempt, progress });
      },
    };
  }

  get zombies(): number {
    return this.#zombies;
  }

  start(run: ConsumerRun): void {
    const { job } = run;
    const handler = this.spec.handlerFor(job.name);
    if (!handler) return this.#refuse(run, this.#unknownName(run));
    try {
      run.data = job.data === undefined ? undefined : this.spec.codec.decode(job.data);
    } catch (error) {
      const problem = new InvalidPayloadError(run.where, 'the stored payload cannot be decoded', { cause: error });
      return this.#refuse(run, failureOf(run, problem));
    }
    const plan = planFor(run);
    if (plan.timeoutMs !== undefined) {
      this.#timeouts.set(
        run,
        this.rt.clock.timer(plan.timeoutMs, () => this.#timedOut(run, plan)),
      );
    }
    if (this.rt.events.has('job:start')) {
      this.rt.events.emit('job:start', { queue: this.spec.queue, id: job.id, name: job.name, attempt: job.attempt });
    }
    this.#call(run, plan, handler);
  }

  /** Hands back a job that was claimed and must not begin. */
  giveBack(run: ConsumerRun, reason: ReleaseReason): void {
    this.#refuse(run, releaseOf(run, 0, reason));
  }

  /** Ends a run because the process ends. */
  release(run: ConsumerRun): void {
    if (run.closed) return;
    this.#close(run);
    this.host.ended(run, releaseOf(run, 0, 'shutdown'), undefined, undefined);
    this.awaitReturn(run);
  }

  /** The run is over, its handler perhaps not: it keeps its slot until it returns or its grace ends. */
  awaitReturn(run: ConsumerRun): void {
    this.#timeouts.get(run)?.cancel();
    this.#timeouts.delete(run);
    if (run.returned) {
      this.host.slotFreed();
      return;
    }
    const timer = this.rt.clock.timer(this.spec.abortGraceMs, () => {
      this.#late.set(run, undefined);
      this.#zombies += 1;
      this.rt.logger.error(`${run.where}: the handler ignores its abort signal and still runs`, {
        reason: run.abortKind,
        graceMs: this.spec.abortGraceMs,
      });
      this.host.slotFreed();
    });
    timer.unref();
    this.#late.set(run, timer);
  }

  #call(run: ConsumerRun, plan: AttemptPlan, handler: Handler): void {
    const ctx = new JobContext(run, this.#context, run.data, plan.maxAttempts, plan.timeoutMs);
    const { clock } = this.rt;
    let answer: unknown;
    try {
      answer = clock.watch ? clock.watch(async () => handler(ctx)) : handler(ctx);
      // A thenable of another kind is awaited too; a hostile `then` throws here and counts as the handler's throw.
      if (!(answer instanceof Promise) && isThenable(answer)) answer = Promise.resolve(answer);
    } catch (error) {
      this.#returned(run, plan, false, error);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (value: unknown) => this.#returned(run, plan, true, value),
        (error: unknown) => this.#returned(run, plan, false, error),
      );
    } else {
      this.#returned(run, plan, true, answer);
    }
  }

  /** The handler came back with a value (`ok`) or by throwing. */
  #returned(run: ConsumerRun, plan: AttemptPlan, ok: boolean, answer: unknown): void {
    run.returned = true;
    if (this.#late.has(run)) {
      const timer = this.#late.get(run);
      this.#late.delete(run);
      if (timer) {
        timer.cancel();
        this.host.slotFreed();
      } else {
        this.#zombies -= 1;
      }
      return;
    }
    if (run.closed) return;
    // A handler that blocked the loop comes back before the timers that should have renewed its lease.
    if (this.rt.clock.monotonic() >= run.deadline) {
      this.rt.keeper.remove(run);
      this.host.leaseLost(run, 'lost', 'its process was blocked or cut off');
      return;
    }
    const outcome = ok ? endingOfValue(run, answer) : endingOfError(run, plan, answer, this.rt);
    this.#close(run);
    this.host.ended(run, outcome, ok ? answer : undefined, ok ? undefined : answer);
    this.host.slotFreed();
  }

  #timedOut(run: ConsumerRun, plan: AttemptPlan): void {
    if (run.closed || run.returned) return;
    const error = new JobTimeoutError(plan.timeoutMs as number, run.where);
    // The ending first: an abort for a timeout must not be taken for one of a shutdown that came before it.
    const outcome = endingOfError(run, plan, error, this.rt);
    run.abort('timeout', `${plan.timeoutMs} ms`);
    this.#close(run);
    this.host.ended(run, outcome, undefined, error);
    this.awaitReturn(run);
  }

  /** Ends a run whose handler is not called at all. */
  #refuse(run: ConsumerRun, outcome: Outcome): void {
    run.returned = true;
    this.#close(run);
    this.host.ended(run, outcome, undefined, undefined);
    this.host.slotFreed();
  }

  #close(run: ConsumerRun): void {
    run.closed = true;
    const timer = this.#timeouts.get(run);
    if (!timer) return;
    timer.cancel();
    this.#timeouts.delete(run);
  }

  #unknownName(run: ConsumerRun): Outcome {
    const { job, spec } = run;
    const known = spec.knownNames.map((name) => `"${name}"`).join(', ');
    const message = `${run.where}: no handler for the name "${job.name}"; known names: ${known}`;
    this.rt.logger.error(message, { queue: spec.queue, jobId: job.id });
    const waited = job.unknownNameSince === undefined ? 0 : run.claimedAt - job.unknownNameSince;
    return waited < UNKNOWN_NAME_PATIENCE_MS
      ? releaseOf(run, UNKNOWN_NAME_DELAY_MS, 'unknown-name')
      : failureOf(run, new OqronError('UNKNOWN_JOB_NAME', message));
  }
}

function isThenable(value: unknown): boolean {
  return value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';
}

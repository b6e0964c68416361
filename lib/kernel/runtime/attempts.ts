import { apart } from '../async-context.js';
import { InvalidPayloadError, JobTimeoutError } from '../errors/index.js';
import type { Clock, Timer } from '../ports/clock.js';
import { textOf } from '../job/stored-error.js';
import type { Outcome } from '../ports/job-store.js';
import { endingOfError, endingOfValue, failureOf, releaseOf, type AttemptPlan } from './attempt.js';
import type { ConsumerRun, ConsumerSpec } from './consumer.js';
import { JobContext, type ContextHost } from './job-context.js';
import { JobTransaction } from './job-transaction.js';
import { readParents } from './parent-results.js';
import type { RunnerHost } from './runner.js';
import type { Runtime } from './runtime.js';

/**
 * What every attempt needs, in a call of its own or in a batch: its payload and context, its timeout, and one ending,
 * whatever its handler does.
 */
export class Attempts {
  readonly #timeouts = new Map<ConsumerRun, Timer>();
  readonly #context: ContextHost;

  constructor(
    private readonly spec: ConsumerSpec,
    private readonly rt: Runtime,
    private readonly host: RunnerHost,
    /** The attempt was ended by its timeout; its handler still runs. */
    private readonly timedOut: (run: ConsumerRun) => void,
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
      addChild: (target, data, options, lineage) => rt.addChild(target, data, options, lineage),
      // Contexts are made here only, for runs of this consumer.
      transact: (run, work, using) => new JobTransaction(run as ConsumerRun, rt, host, work).commit(using),
      parents: (run) =>
        readParents(run, rt.store.admin, (queue) => (queue === spec.queue ? spec.codec : rt.codecOf(queue))),
    };
  }

  /** Reads the payload. False: it cannot be read, and the attempt has failed for good. */
  decode(run: ConsumerRun): boolean {
    const { data } = run.job;
    if (data === undefined) return true;
    try {
      run.data = this.spec.codec.decode(data);
      return true;
    } catch (error) {
      const problem = new InvalidPayloadError(run.where, 'the stored payload cannot be decoded', { cause: error });
      this.refuse(run, failureOf(run, problem), problem);
      return false;
    }
  }

  context(run: ConsumerRun, plan: AttemptPlan): JobContext {
    return new JobContext(run, this.#context, plan.maxAttempts, plan.timeoutMs);
  }

  /** The handler is called now. */
  begin(run: ConsumerRun, plan: AttemptPlan): void {
    const { rt, spec } = this;
    run.began = true;
    if (plan.timeoutMs !== undefined) {
      this.#timeouts.set(
        run,
        rt.clock.timer(plan.timeoutMs, () => this.#timeout(run, plan)),
      );
    }
    if (rt.trackMemory) run.heapBefore = process.memoryUsage().heapUsed;
    if (rt.events.has('job:start')) {
      const { id, name, attempt } = run.job;
      rt.events.emit('job:start', { queue: spec.queue, id, name, attempt });
    }
  }

  /** The handler came back with a value (`ok`) or by throwing. False when the lease was lost over it. */
  returned(run: ConsumerRun, plan: AttemptPlan, ok: boolean, answer: unknown): boolean {
    if (this.expired(run)) return false;
    const outcome = ok ? endingOfValue(run, answer) : endingOfError(run, plan, answer, this.rt);
    this.#end(run, outcome, ok ? answer : undefined, ok ? undefined : answer);
    return true;
  }

  /**
   * Whether the lease has run out, and lets go of it then. Where a process stood still, what its user's code answers comes
   * before the timers that should have renewed the lease: somebody else may run the job by now.
   */
  expired(run: ConsumerRun): boolean {
    if (this.rt.clock.monotonic() < run.deadline) return false;
    this.rt.keeper.remove(run);
    this.host.leaseLost(run, 'lost', 'its process was blocked or cut off');
    return true;
  }

  /** Ends a run whose handler is not called at all. */
  refuse(run: ConsumerRun, outcome: Outcome, thrown?: unknown): void {
    run.returned = true;
    this.#end(run, outcome, undefined, thrown);
  }

  /** Ends a run because the process ends. */
  release(run: ConsumerRun): void {
    this.#end(run, releaseOf(run, 0, 'shutdown'), undefined, undefined);
  }

  /** Nothing times out any more. */
  disarm(run: ConsumerRun): void {
    const timer = this.#timeouts.get(run);
    if (!timer) return;
    timer.cancel();
    this.#timeouts.delete(run);
  }

  /** The handler of a job that its transaction has completed came back. */
  afterCommit(run: ConsumerRun, ok: boolean, answer: unknown): void {
    this.disarm(run);
    if (!ok) {
      this.rt.logger.error(`${run.where}: the handler threw after ctx.tx; the job is completed`, {
        queue: this.spec.queue,
        jobId: run.job.id,
        error: textOf(answer),
      });
    }
    this.host.leave(run);
  }

  #timeout(run: ConsumerRun, plan: AttemptPlan): void {
    if (run.returned) return;
    if (run.committing) {
      void run.transaction?.over.then(() => this.#timeout(run, plan));
      return;
    }
    if (run.committed) {
      // Nothing is left to fail; but the handler must not keep its slot for ever.
      run.abort('timeout', `${plan.timeoutMs} ms`);
      this.host.leave(run);
      this.timedOut(run);
      return;
    }
    if (run.closed) return;
    const error = new JobTimeoutError(plan.timeoutMs as number, run.where);
    // The ending first: an abort for a timeout must not be taken for one of a shutdown that came before it.
    const outcome = endingOfError(run, plan, error, this.rt);
    run.abort('timeout', `${plan.timeoutMs} ms`);
    this.#end(run, outcome, undefined, error);
    this.timedOut(run);
  }

  #end(run: ConsumerRun, outcome: Outcome, value: unknown, thrown: unknown): void {
    run.closed = true;
    this.disarm(run);
    run.measureMemory();
    this.host.ended(run, outcome, value, thrown);
  }
}

/**
 * Calls a handler and tells how it came back, exactly once: with a value (`ok`) or by throwing. At once where the
 * handler is not asynchronous. With `alone`, without the asynchronous context of whoever woke the loop.
 */
export function callHandler(
  clock: Clock,
  code: () => unknown,
  done: (ok: boolean, answer: unknown) => void,
  alone = false,
): void {
  if (alone) return apart(() => callHandler(clock, code, done));
  let answer: unknown;
  try {
    answer = clock.watch ? clock.watch(async () => code()) : code();
    // A thenable of another kind is awaited too; a hostile `then` throws here and counts as the handler's throw.
    if (!(answer instanceof Promise) && isThenable(answer)) answer = Promise.resolve(answer);
  } catch (error) {
    done(false, error);
    return;
  }
  if (answer instanceof Promise) {
    answer.then(
      (value: unknown) => done(true, value),
      (error: unknown) => done(false, error),
    );
  } else {
    done(true, answer);
  }
}

function isThenable(value: unknown): boolean {
  return value !== null && typeof value === 'object' && 'then' in value && typeof value.then === 'function';
}

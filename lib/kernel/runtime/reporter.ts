import { emitCascaded, type MemoryFigures } from '../events.js';
import { toJob, type Job } from '../job/job.js';
import { isA } from '../job/stored-error.js';
import { isFinal, type JobStatus } from '../job/states.js';
import type { StoredError } from '../job/stored-job.js';
import type { CascadedJob, Outcome, ReleaseReason, SettleVerdict, SweptJob } from '../ports/job-store.js';
import type { AttemptEnding, ConsumerRun, ConsumerSpec } from './consumer.js';
import type { SettledAttempt } from './instrumentation.js';
import type { Runtime } from './runtime.js';

/** An attempt whose outcome the store has answered. */
interface Settled {
  readonly run: ConsumerRun;
  readonly outcome: Outcome;
  readonly value: unknown;
  readonly thrown: unknown;
}

type DistributiveOmit<U, K extends PropertyKey> = U extends unknown ? Omit<U, K> : never;

/** An ending whose duration is still to be told. */
type Ending = DistributiveOmit<AttemptEnding, 'durationMs'>;

/**
 * Says what happened, after the store confirmed it: one log line per failed attempt, events, hooks.
 */
export class Reporter {
  constructor(private readonly rt: Runtime) {}

  settled(end: Settled, verdict: SettleVerdict, now: number): void {
    const { run, outcome } = end;
    if (verdict === 'lost') return this.lost(run);
    if (this.rt.instruments.settles) this.rt.instruments.settled(run, this.#attemptOf(end));
    switch (outcome.kind) {
      case 'complete':
        return this.#completed(end, now);
      case 'fail':
        return this.#failed(end, outcome.error, now);
      case 'retry':
        return this.#retried(end, outcome.error, outcome.delayMs, now);
      case 'release':
        return this.#released(end, outcome.reason, outcome.delayMs, now);
    }
  }

  /** This process lost the job; whatever its handler does is not recorded. */
  lost(run: ConsumerRun): void {
    this.rt.logger.warn(`${run.where}: the lease was lost, the outcome of this attempt is dropped`, {
      queue: run.spec.queue,
      jobId: run.job.id,
      attempt: run.job.attempt,
    });
    const { events, instruments } = this.rt;
    events.emit('worker:lost-lease', eventOf(run));
    if (instruments.settles) instruments.settled(run, { outcome: 'lost', durationMs: this.#duration(run) });
  }

  /** The settle got no answer at all. */
  unsettled(run: ConsumerRun, unknown: boolean): void {
    this.rt.logger.error(
      `${run.where}: the outcome could not be recorded${unknown ? ' (it may have been)' : ''}; ` +
        'the job runs again when its lease expires unless it was',
      { queue: run.spec.queue, jobId: run.job.id },
    );
  }

  /** What a claim or a sweep did with an expired lease. */
  swept(swept: SweptJob, spec?: ConsumerSpec): void {
    const { queue, id, owner, stalledCount, error } = swept;
    this.rt.logger.warn(`job "${id}" of queue "${queue}": the lease of "${owner}" expired`, {
      to: swept.to,
      stalledCount,
    });
    this.rt.events.emit('job:stalled', { queue, id, owner, stalledCount });
    if (swept.to !== 'failed' || !error) return;
    if (!this.rt.events.has('job:fail') && !spec?.hooks.onFail && !spec?.onDead) return;
    this.#sweptFailed(swept, error, spec).catch((problem: unknown) => this.rt.events.report('Reporter.swept', problem));
  }

  /** Jobs that failed because another one did. They never ran here, and are no dead letters. */
  cascaded(jobs: readonly CascadedJob[] | undefined): void {
    emitCascaded(this.rt.events, jobs);
  }

  async #sweptFailed({ queue, id }: SweptJob, error: StoredError, spec?: ConsumerSpec): Promise<void> {
    const stored = await this.rt.store.admin.get(queue, id);
    if (!stored) return;
    this.rt.events.emit('job:fail', { queue, id, name: stored.name, attempt: stored.attempt, error });
    if (!spec) return;
    const { hooks, onDead } = spec;
    const job = toJob(stored, spec.codec, this.rt);
    if (hooks.onFail) this.#hook('onFail', spec, () => hooks.onFail?.(job, toError(error)));
    if (onDead && stored.dead) this.#hook('onDead', spec, () => onDead(job));
  }

  #completed(end: Settled, now: number): void {
    const { run, value } = end;
    const { events } = this.rt;
    if (events.has('job:success')) {
      const durationMs = this.#duration(run);
      events.emit('job:success', { ...eventOf(run), result: value, durationMs, ...memoryOf(run) });
    }
    const { onSuccess } = run.spec.hooks;
    if (onSuccess) this.#hook('onSuccess', run.spec, () => onSuccess(this.#viewOf(end, 'completed', now), value));
    this.#after(end, 'completed', now, { outcome: 'completed', result: value });
  }

  #failed(end: Settled, error: StoredError, now: number): void {
    const { run } = end;
    const { hooks, onDead, policy } = run.spec;
    this.#logFailure(run, error, { final: true });
    const durationMs = this.#duration(run);
    this.rt.events.tap?.failed(run.spec.queue, run.job.id, end.thrown);
    this.rt.events.emit('job:fail', { ...eventOf(run), error, durationMs, ...memoryOf(run) });
    const reason = this.#onError(end, 'failed', error, now);
    const { onFail } = hooks;
    if (onFail) this.#hook('onFail', run.spec, () => onFail(this.#viewOf(end, 'failed', now), reason()));
    if (onDead && policy.deadLetter) this.#hook('onDead', run.spec, () => onDead(this.#viewOf(end, 'failed', now)));
    if (hooks.afterRun) this.#after(end, 'failed', now, { outcome: 'failed', error: reason() });
  }

  #retried(end: Settled, error: StoredError, delayMs: number, now: number): void {
    const { run } = end;
    this.#logFailure(run, error, { retryInMs: delayMs });
    this.rt.events.emit('job:retry', { ...eventOf(run), error, delayMs });
    const status = delayMs > 0 ? 'delayed' : 'waiting';
    const reason = this.#onError(end, status, error, now);
    if (run.spec.hooks.afterRun) this.#after(end, status, now, { outcome: 'retried', error: reason(), delayMs });
  }

  #released(end: Settled, reason: ReleaseReason, delayMs: number, now: number): void {
    this.rt.events.emit('job:released', { ...eventOf(end.run), reason, delayMs });
    this.#after(end, delayMs > 0 ? 'delayed' : 'waiting', now, { outcome: 'released', reason, delayMs });
  }

  /** Calls the hook, and answers what makes an `Error` of the failure. */
  #onError(end: Settled, status: JobStatus, error: StoredError, now: number): () => Error {
    const { run, thrown } = end;
    const { onError } = run.spec.hooks;
    const reason = (): Error => (isA(thrown, Error) ? thrown : toError(error));
    if (onError) this.#hook('onError', run.spec, () => onError(this.#viewOf(end, status, now), reason()));
    return reason;
  }

  #after(end: Settled, status: JobStatus, now: number, ending: Ending): void {
    const { run } = end;
    const { afterRun } = run.spec.hooks;
    if (!afterRun || !run.began) return;
    const durationMs = this.#duration(run);
    this.#hook('afterRun', run.spec, () => afterRun(this.#viewOf(end, status, now), { ...ending, durationMs }));
  }

  #logFailure(run: ConsumerRun, error: StoredError, context: Record<string, unknown>): void {
    const { job, spec } = run;
    this.rt.logger.warn(`${run.where}: attempt ${job.attempt} failed: ${error.message}`, {
      queue: spec.queue,
      jobId: job.id,
      name: job.name,
      attempt: job.attempt,
      durationMs: Math.round(this.#duration(run)),
      error: error.name,
      ...(error.code === undefined ? {} : { code: error.code }),
      ...context,
    });
  }

  #hook(name: string, spec: ConsumerSpec, run: () => unknown): void {
    this.rt.events.run(run, (error) => this.rt.events.report(`hook ${name} (${spec.kind} "${spec.queue}")`, error));
  }

  /** The job as its record reads now, without asking the store. */
  #viewOf({ run, outcome }: Settled, status: JobStatus, now: number): Job {
    const { job, spec } = run;
    const view = toJob<unknown, unknown>(
      {
        ...job,
        // A payload that could not be read must not keep the hook from being called.
        data: run.data === undefined ? undefined : job.data,
        queue: spec.queue,
        status,
        startedAt: run.claimedAt,
        ...(isFinal(status) ? { finishedAt: now } : {}),
        progress: run.progress,
        logs: [],
        timeline: [],
        ...(outcome.kind === 'complete' ? { result: outcome.result } : {}),
        ...(outcome.kind === 'fail' || outcome.kind === 'retry' ? { error: outcome.error } : {}),
        ...(outcome.kind === 'release' ? { attempt: job.attempt - 1 } : {}),
      },
      spec.codec,
      this.rt,
    );
    // With a schema the handler's payload is of another type than what is stored.
    return spec.gates?.schema ? { ...view, data: run.data } : view;
  }

  #attemptOf({ run, outcome }: Settled): SettledAttempt {
    const durationMs = this.#duration(run);
    switch (outcome.kind) {
      case 'complete':
        return { outcome: 'completed', durationMs };
      case 'fail':
        return { outcome: 'failed', durationMs, error: outcome.error };
      case 'retry':
        return { outcome: 'retried', durationMs, error: outcome.error, delayMs: outcome.delayMs };
      case 'release':
        return { outcome: 'released', durationMs, reason: outcome.reason, delayMs: outcome.delayMs };
    }
  }

  #duration(run: ConsumerRun): number {
    return this.rt.clock.monotonic() - run.startedAt;
  }
}

function eventOf({ job, spec }: ConsumerRun) {
  return { queue: spec.queue, id: job.id, name: job.name, attempt: job.attempt };
}

function toError(stored: StoredError): Error {
  const error = new Error(stored.message);
  error.name = stored.name;
  if (stored.stack !== undefined) error.stack = stored.stack;
  return stored.code === undefined ? error : Object.assign(error, { code: stored.code });
}

function memoryOf({ memory }: ConsumerRun): { memory?: MemoryFigures } {
  return memory ? { memory } : {};
}

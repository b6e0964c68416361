import { toJob, type Job } from '../job/job.js';
import { isA } from '../job/stored-error.js';
import type { FinalStatus } from '../job/states.js';
import type { StoredError } from '../job/stored-job.js';
import type { Outcome, SettleVerdict, SweptJob } from '../ports/job-store.js';
import type { ConsumerRun, ConsumerSpec } from './consumer.js';
import type { Runtime } from './runtime.js';

/** An attempt whose outcome the store has answered. */
interface Settled {
  readonly run: ConsumerRun;
  readonly outcome: Outcome;
  readonly value: unknown;
  readonly thrown: unknown;
}

/**
 * Says what happened, after the store confirmed it: one log line per failed attempt, events, hooks.
 */
export class Reporter {
  constructor(private readonly rt: Runtime) {}

  settled(end: Settled, verdict: SettleVerdict, now: number): void {
    const { run, outcome } = end;
    if (verdict === 'lost') return this.lost(run);
    switch (outcome.kind) {
      case 'complete':
        return this.#completed(end, now);
      case 'fail':
        return this.#failed(end, outcome.error, now);
      case 'retry': {
        this.#logFailure(run, outcome.error, { retryInMs: outcome.delayMs });
        const { error, delayMs } = outcome;
        return this.rt.events.emit('job:retry', { ...eventOf(run), error, delayMs });
      }
      case 'release': {
        const { reason, delayMs } = outcome;
        return this.rt.events.emit('job:released', { ...eventOf(run), reason, delayMs });
      }
    }
  }

  /** This process lost the job; whatever its handler does is not recorded. */
  lost(run: ConsumerRun): void {
    this.rt.logger.warn(`${run.where}: the lease was lost, the outcome of this attempt is dropped`, {
      queue: run.spec.queue,
      jobId: run.job.id,
      attempt: run.job.attempt,
    });
    this.rt.events.emit('worker:lost-lease', eventOf(run));
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
    if (!this.rt.events.has('job:fail') && !spec?.hooks.onFail) return;
    this.#sweptFailed(swept, error, spec).catch((problem: unknown) => this.rt.events.report('Reporter.swept', problem));
  }

  async #sweptFailed({ queue, id }: SweptJob, error: StoredError, spec?: ConsumerSpec): Promise<void> {
    const stored = await this.rt.store.admin.get(queue, id);
    if (!stored) return;
    this.rt.events.emit('job:fail', { queue, id, name: stored.name, attempt: stored.attempt, error });
    if (spec?.hooks.onFail)
      this.#hook('onFail', spec, () => spec.hooks.onFail?.(toJob(stored, spec.codec), toError(error)));
  }

  #completed(end: Settled, now: number): void {
    const { run, value } = end;
    const { events } = this.rt;
    if (events.has('job:success')) {
      events.emit('job:success', { ...eventOf(run), result: value, durationMs: this.#duration(run) });
    }
    const { onSuccess } = run.spec.hooks;
    if (onSuccess) this.#hook('onSuccess', run.spec, () => onSuccess(viewOf(end, 'completed', now), value));
  }

  #failed(end: Settled, error: StoredError, now: number): void {
    const { run, thrown } = end;
    this.#logFailure(run, error, { final: true });
    this.rt.events.emit('job:fail', { ...eventOf(run), error, durationMs: this.#duration(run) });
    const { onFail } = run.spec.hooks;
    const reason = isA(thrown, Error) ? thrown : toError(error);
    if (onFail) this.#hook('onFail', run.spec, () => onFail(viewOf(end, 'failed', now), reason));
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
  return error;
}

/** The job as its record reads now, without asking the store. */
function viewOf({ run, outcome }: Settled, status: FinalStatus, now: number): Job {
  const { job, spec } = run;
  return toJob(
    {
      ...job,
      queue: spec.queue,
      status,
      startedAt: run.claimedAt,
      finishedAt: now,
      progress: run.progress,
      logs: [],
      timeline: [],
      ...(outcome.kind === 'complete' ? { result: outcome.result } : {}),
      ...(outcome.kind === 'fail' ? { error: outcome.error } : {}),
    },
    spec.codec,
  );
}

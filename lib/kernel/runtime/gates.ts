import { InvalidPayloadError, OqronError } from '../errors/index.js';
import { MAX_DELAY_MS } from '../job/limits.js';
import { textOf } from '../job/stored-error.js';
import type { Outcome, ReleaseReason } from '../ports/job-store.js';
import { textOfIssues } from '../standard-schema.js';
import { endingOfError, endingOfValue, failureOf, releaseOf, type AttemptPlan } from './attempt.js';
import type { ConsumerRun, GateSpec, LimiterAnswer } from './consumer.js';
import type { JobContext } from './job-context.js';
import type { Runtime } from './runtime.js';

/** A limiter, condition, schema or `beforeRun` gets this long (ms): one that hangs must not hold a slot for ever. */
const PATIENCE_MS = 30_000;
/** A job that its limiter denies without saying for how long comes back after this (ms). */
const LIMITED_MS = 1_000;
/** A job whose condition says no comes back after this (ms). */
const CONDITION_MS = 2_000;

/** Why a handler is not called. */
export interface Refusal {
  readonly outcome: Outcome;
  readonly thrown?: unknown;
}

type Gate = (run: ConsumerRun, plan: AttemptPlan, ctx: JobContext) => Promise<Refusal | undefined>;

/**
 * What stands between a claimed job and its handler: rateLimiter, beforeRun, condition, payload, in this order. The
 * job's timeout does not cover them; they have a bound of their own each.
 */
export class Gates {
  readonly #gates: readonly Gate[];

  constructor(
    private readonly spec: GateSpec,
    private readonly rt: Runtime,
  ) {
    this.#gates = [
      ...(spec.rateLimiter ? [this.#limit] : []),
      ...(spec.beforeRun ? [this.#prepare] : []),
      ...(spec.condition ? [this.#judge] : []),
      ...(spec.schema ? [this.#validate] : []),
    ];
  }

  /** Nothing when the handler may be called, or when the run was ended by somebody else meanwhile. Never rejects. */
  async pass(run: ConsumerRun, plan: AttemptPlan, ctx: JobContext): Promise<Refusal | undefined> {
    for (const gate of this.#gates) {
      const refusal = await gate(run, plan, ctx);
      // Its lease may have run out without a timer that said so: no more of the user's code is called then.
      if (run.closed || this.rt.clock.monotonic() >= run.deadline) return undefined;
      if (run.discarded) return { outcome: endingOfValue(run, undefined) };
      if (refusal) return refusal;
      if (run.abortKind === 'shutdown') return { outcome: releaseOf(run, 0, 'shutdown') };
    }
    return undefined;
  }

  readonly #limit: Gate = async (run, _plan, ctx) => {
    const answer = await this.#ask('rateLimiter', run, () => this.spec.rateLimiter?.check(ctx));
    if (answer === undefined || answer === true) return undefined;
    if (answer === false) return this.#deny(run, LIMITED_MS, 'rate-limit');
    const { allowed, retryAfterMs } = answer as Exclude<LimiterAnswer, boolean>;
    return allowed ? undefined : this.#deny(run, retryAfterMs ?? LIMITED_MS, 'rate-limit');
  };

  readonly #prepare: Gate = async (run, plan, ctx) => {
    run.began = true;
    return this.#attempt('beforeRun', run, plan, async () => {
      await this.spec.beforeRun?.(ctx);
      return undefined;
    });
  };

  readonly #judge: Gate = async (run, _plan, ctx) => {
    const answer = await this.#ask('condition', run, () => this.spec.condition?.(ctx));
    return answer === false ? this.#deny(run, CONDITION_MS, 'condition') : undefined;
  };

  readonly #validate: Gate = async (run, plan) =>
    this.#attempt('schema', run, plan, async () => {
      const result = await this.spec.schema?.['~standard'].validate(run.data);
      if (!result) return undefined;
      if (!result.issues) {
        run.data = result.value;
        return undefined;
      }
      const problem = new InvalidPayloadError(
        run.where,
        `the payload does not match its schema: ${textOfIssues(result.issues)}`,
      );
      // The payload will not get better by itself.
      return { outcome: failureOf(run, problem), thrown: problem };
    });

  /** Code whose failure is the attempt's. */
  async #attempt(
    name: string,
    run: ConsumerRun,
    plan: AttemptPlan,
    code: () => Promise<Refusal | undefined>,
  ): Promise<Refusal | undefined> {
    try {
      return await this.#within(name, run, code);
    } catch (thrown) {
      return { outcome: endingOfError(run, plan, thrown, this.rt), thrown };
    }
  }

  /** A question whose failure must not keep jobs from running: nothing then. */
  async #ask(name: string, run: ConsumerRun, code: () => unknown): Promise<LimiterAnswer | undefined> {
    try {
      const answer = await this.#within(name, run, code);
      if (isAnswer(answer)) return answer;
      throw new TypeError(`${name} answered ${answer === null ? 'null' : typeof answer}, expected true or false`);
    } catch (error) {
      this.rt.logger.error(`${run.where}: ${name} is of no use, the job counts as allowed: ${textOf(error)}`, {
        queue: run.spec.queue,
        jobId: run.job.id,
      });
      return undefined;
    }
  }

  /** A delay of nothing would bring the job back at once, to be denied again, and again. */
  #deny(run: ConsumerRun, wanted: number, reason: ReleaseReason): Refusal {
    const delayMs = Number.isFinite(wanted) && wanted > 0 ? Math.min(Math.ceil(wanted), MAX_DELAY_MS) : LIMITED_MS;
    run.group?.denied(delayMs);
    return { outcome: releaseOf(run, delayMs, reason) };
  }

  #within<T>(name: string, run: ConsumerRun, code: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = this.rt.clock.timer(PATIENCE_MS, () => {
        reject(new OqronError('GATE_TIMEOUT', `${run.where}: ${name} did not answer within ${PATIENCE_MS} ms`));
      });
      // An async function, so that a throw of `code` is a rejection too.
      (async () => code())()
        .then(resolve, reject)
        .finally(() => timer.cancel());
    });
  }
}

function isAnswer(answer: unknown): answer is LimiterAnswer {
  if (typeof answer === 'boolean') return true;
  return typeof answer === 'object' && answer !== null && typeof Reflect.get(answer, 'allowed') === 'boolean';
}

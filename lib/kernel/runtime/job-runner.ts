import { OqronError } from '../errors/index.js';
import type { Outcome, ReleaseReason } from '../ports/job-store.js';
import { failureOf, planFor, releaseOf, type AttemptPlan } from './attempt.js';
import { Attempts, callHandler } from './attempts.js';
import type { ConsumerRun, ConsumerSpec, Handler } from './consumer.js';
import { Gates } from './gates.js';
import type { JobContext } from './job-context.js';
import type { Runner, RunnerHost } from './runner.js';
import type { Runtime } from './runtime.js';
import { Stragglers } from './stragglers.js';

/** A job whose name nobody here knows comes back after this long (ms): another process may know it. */
const UNKNOWN_NAME_DELAY_MS = 5_000;
/** After this long (ms) without anyone who knows the name, the job fails. */
const UNKNOWN_NAME_PATIENCE_MS = 600_000;

/**
 * Runs each job in a call of its own. Whatever a handler does (throws anything, never returns, returns after its
 * timeout), exactly one ending is reported, or none when the lease is gone.
 */
export class JobRunner implements Runner {
  readonly #attempts: Attempts;
  readonly #gates: Gates | undefined;
  readonly #stragglers: Stragglers<ConsumerRun>;

  constructor(
    private readonly spec: ConsumerSpec,
    private readonly rt: Runtime,
    private readonly host: RunnerHost,
  ) {
    this.#attempts = new Attempts(spec, rt, host, (run) => this.awaitReturn(run));
    this.#gates = spec.gates && new Gates(spec.gates, rt);
    this.#stragglers = new Stragglers<ConsumerRun>({
      clock: rt.clock,
      graceMs: spec.abortGraceMs,
      slotFreed: () => host.slotFreed(),
      overdue: (run) =>
        rt.logger.error(`${run.where}: the handler ignores its abort signal and still runs`, {
          reason: run.abortKind,
          graceMs: spec.abortGraceMs,
        }),
    });
  }

  get zombies(): number {
    return this.#stragglers.zombies;
  }

  start(run: ConsumerRun): void {
    const handler = this.spec.handlerFor(run.job.name);
    if (!handler) return this.#refuse(run, this.#unknownName(run));
    if (!this.#attempts.decode(run)) return this.host.slotFreed();
    const plan = planFor(run);
    const ctx = this.#attempts.context(run, plan);
    if (this.#gates) this.#enter(this.#gates, run, plan, ctx, handler);
    else this.#call(run, plan, ctx, handler);
  }

  flush(): void {
    // Every job has begun already.
  }

  giveBack(run: ConsumerRun, reason: ReleaseReason): void {
    this.#refuse(run, releaseOf(run, 0, reason));
  }

  release(run: ConsumerRun): void {
    // A COMMIT on its way is waited for: its answer says what became of the job.
    if (run.committing) return;
    if (run.committed) this.host.leave(run);
    else if (run.closed) return;
    else this.#attempts.release(run);
    this.awaitReturn(run);
  }

  awaitReturn(run: ConsumerRun): void {
    this.#attempts.disarm(run);
    if (run.returned) this.host.slotFreed();
    else this.#stragglers.await(run);
  }

  #enter(gates: Gates, run: ConsumerRun, plan: AttemptPlan, ctx: JobContext, handler: Handler): void {
    const { clock, instruments } = this.rt;
    const { around } = instruments;
    const pass = (): Promise<unknown> => gates.pass(run, plan, ctx);
    callHandler(
      clock,
      around ? () => instruments.within(ctx, pass) : pass,
      (ok, answer) => {
        // `beforeRun` may have done it all.
        if (run.committed) return this.#returned(run, plan, ok, answer);
        // It was told to stop while it waited at a gate.
        if (run.closed) {
          run.returned = true;
          this.#stragglers.back(run);
          return;
        }
        if (clock.monotonic() >= run.deadline) {
          run.returned = true;
          this.#attempts.expired(run);
          return;
        }
        const refusal = ok ? (answer as Awaited<ReturnType<Gates['pass']>>) : { outcome: failureOf(run, answer) };
        if (refusal) return this.#refuse(run, refusal.outcome, refusal.thrown);
        if (!this.host.mayBegin()) return this.giveBack(run, 'shutdown');
        run.startedAt = clock.monotonic();
        this.#call(run, plan, ctx, handler);
      },
      around,
    );
  }

  #call(run: ConsumerRun, plan: AttemptPlan, ctx: JobContext, handler: Handler): void {
    this.#attempts.begin(run, plan);
    const { clock, instruments } = this.rt;
    const { around } = instruments;
    callHandler(
      clock,
      around ? () => instruments.call(run, ctx, handler) : () => handler(ctx),
      (ok, answer) => {
        const { transaction } = run;
        if (!transaction || run.committed) return this.#returned(run, plan, ok, answer);
        // It was not awaited: what becomes of it is what becomes of the attempt.
        void transaction.over.then((end) =>
          'error' in end && ok ? this.#returned(run, plan, false, end.error) : this.#returned(run, plan, ok, answer),
        );
      },
      around,
    );
  }

  #returned(run: ConsumerRun, plan: AttemptPlan, ok: boolean, answer: unknown): void {
    run.returned = true;
    if (this.#stragglers.back(run)) return;
    if (run.committed) {
      this.#attempts.afterCommit(run, ok, answer);
      this.host.slotFreed();
    } else if (!run.closed && this.#attempts.returned(run, plan, ok, answer)) {
      this.host.slotFreed();
    }
  }

  #refuse(run: ConsumerRun, outcome: Outcome, thrown?: unknown): void {
    this.#attempts.refuse(run, outcome, thrown);
    this.host.slotFreed();
  }

  #unknownName(run: ConsumerRun): Outcome {
    const { job, spec } = run;
    const known = spec.knownNames.map((name) => `"${name}"`).join(', ');
    const message = `${run.where}: no handler for the name "${job.name}"; known names: ${known}`;
    this.rt.logger.error(message, { queue: spec.queue, jobId: job.id });
    this.host.tookUnknown();
    const waited = job.unknownNameSince === undefined ? 0 : run.claimedAt - job.unknownNameSince;
    return waited < UNKNOWN_NAME_PATIENCE_MS
      ? releaseOf(run, UNKNOWN_NAME_DELAY_MS, 'unknown-name')
      : failureOf(run, new OqronError('UNKNOWN_JOB_NAME', message));
  }
}

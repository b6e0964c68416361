import { OqronError } from '../errors/index.js';
import { textOf } from '../job/stored-error.js';
import type { ReleaseReason } from '../ports/job-store.js';
import { failureOf, planFor, releaseOf, type AttemptPlan } from './attempt.js';
import { Attempts, callHandler } from './attempts.js';
import type { BatchHandler, ConsumerRun, ConsumerSpec } from './consumer.js';
import { Gates } from './gates.js';
import type { JobContext } from './job-context.js';
import type { Runner, RunnerHost } from './runner.js';
import type { Runtime } from './runtime.js';
import { Stragglers } from './stragglers.js';

/** Jobs that are handed to `processBatch` in one call, and hold one slot together. */
interface Batch {
  readonly runs: readonly ConsumerRun[];
  returned: boolean;
}

interface Item {
  readonly run: ConsumerRun;
  readonly plan: AttemptPlan;
  readonly ctx: JobContext;
}

/**
 * Runs the jobs of a claim in calls of up to `batchSize`. Each item has its own lease, gates, timeout and ending; the
 * call has one slot, until it returns, or until all its items are over and its grace has ended.
 */
export class BatchRunner implements Runner {
  readonly #attempts: Attempts;
  readonly #gates: Gates | undefined;
  readonly #stragglers: Stragglers<Batch>;
  /** The batch of each run that is not over. */
  readonly #batches = new Map<ConsumerRun, Batch>();
  /** The batch that the claim being taken fills. */
  #next: ConsumerRun[] = [];

  constructor(
    private readonly spec: ConsumerSpec,
    private readonly handler: BatchHandler,
    private readonly rt: Runtime,
    private readonly host: RunnerHost,
  ) {
    this.#attempts = new Attempts(spec, rt, host, (run) => this.awaitReturn(run));
    this.#gates = spec.gates && new Gates(spec.gates, rt);
    this.#stragglers = new Stragglers<Batch>({
      clock: rt.clock,
      graceMs: spec.abortGraceMs,
      slotFreed: () => host.slotFreed(),
      overdue: ({ runs }) =>
        rt.logger.error(`${spec.kind} "${spec.queue}": processBatch ignores the abort signals and still runs`, {
          jobIds: runs.map(({ job }) => job.id).slice(0, 10),
          graceMs: spec.abortGraceMs,
        }),
    });
  }

  get zombies(): number {
    return this.#stragglers.zombies;
  }

  start(run: ConsumerRun): void {
    this.#attempts.decode(run);
    this.#add(run);
  }

  giveBack(run: ConsumerRun, reason: ReleaseReason): void {
    this.#attempts.refuse(run, releaseOf(run, 0, reason));
    this.#add(run);
  }

  flush(): void {
    if (this.#next.length === 0) return;
    const batch: Batch = { runs: this.#next, returned: false };
    this.#next = [];
    const items: Item[] = [];
    for (const run of batch.runs) {
      if (run.closed) continue;
      this.#batches.set(run, batch);
      const plan = planFor(run);
      items.push({ run, plan, ctx: this.#attempts.context(run, plan) });
    }
    if (items.length === 0) this.#leave(batch);
    else if (this.#gates) this.#enter(this.#gates, batch, items);
    else this.#call(batch, items);
  }

  release(run: ConsumerRun): void {
    if (run.committing) return;
    if (run.committed) this.host.leave(run);
    else if (run.closed) return;
    else this.#attempts.release(run);
    this.awaitReturn(run);
  }

  awaitReturn(run: ConsumerRun): void {
    this.#attempts.disarm(run);
    const batch = this.#batches.get(run);
    this.#batches.delete(run);
    // The call goes on for its other items; with the last of them its grace begins.
    if (batch && !batch.returned && batch.runs.every(({ closed }) => closed)) this.#stragglers.await(batch);
  }

  #add(run: ConsumerRun): void {
    this.#next.push(run);
    if (this.#next.length >= this.spec.batchSize) this.flush();
  }

  #enter(gates: Gates, batch: Batch, items: readonly Item[]): void {
    const { instruments } = this.rt;
    const { around } = instruments;
    const pass = async ({ run, plan, ctx }: Item): Promise<void> => {
      const code = (): ReturnType<Gates['pass']> => gates.pass(run, plan, ctx);
      const refusal = await (around ? instruments.within(ctx, code) : code());
      if (run.committed) this.#attempts.afterCommit(run, true, undefined);
      else if (refusal && !run.closed && !this.#attempts.expired(run))
        this.#attempts.refuse(run, refusal.outcome, refusal.thrown);
    };
    callHandler(
      this.rt.clock,
      () => Promise.all(items.map(pass)),
      () => {
        const open = items.filter(({ run }) => !run.closed && !this.#attempts.expired(run));
        if (open.length > 0 && this.host.mayBegin()) {
          const now = this.rt.clock.monotonic();
          for (const { run } of open) run.startedAt = now;
          this.#call(batch, open);
          return;
        }
        for (const { run } of open) this.#attempts.refuse(run, releaseOf(run, 0, 'shutdown'));
        this.#leave(batch);
      },
      around,
    );
  }

  #call(batch: Batch, items: readonly Item[]): void {
    for (const { run, plan } of items) this.#attempts.begin(run, plan);
    const { clock, instruments } = this.rt;
    const { around } = instruments;
    callHandler(
      clock,
      around ? () => instruments.callBatch(items, this.handler) : () => this.handler(items.map(({ ctx }) => ctx)),
      (ok, answer) => {
        const open = items.filter(({ run }) => run.transaction && !run.committed);
        if (open.length === 0) return this.#returned(batch, items, ok, answer);
        // They were not awaited: what becomes of them is what becomes of their jobs.
        const failed = new Map<ConsumerRun, unknown>();
        const over = open.map(async ({ run }) => {
          const end = await run.transaction?.over;
          if (end && 'error' in end) failed.set(run, end.error);
        });
        void Promise.all(over).then(() => this.#returned(batch, items, ok, answer, failed));
      },
      around,
    );
  }

  /** `failed`: what the transactions of these runs were rejected with, which nobody has looked at. */
  #returned(
    batch: Batch,
    items: readonly Item[],
    ok: boolean,
    answer: unknown,
    failed?: ReadonlyMap<ConsumerRun, unknown>,
  ): void {
    batch.returned = true;
    const results = ok && Array.isArray(answer) ? (answer as readonly unknown[]) : undefined;
    items.forEach(({ run, plan }, i) => {
      run.returned = true;
      if (run.committed) this.#attempts.afterCommit(run, ok, answer);
      else if (run.closed) return;
      else if (ok && failed?.has(run)) this.#attempts.returned(run, plan, false, failed.get(run));
      else if (results) this.#settled(run, plan, results[i]);
      else this.#attempts.returned(run, plan, ok, ok ? undefined : answer);
    });
    this.#leave(batch);
  }

  /** What the handler answered for one item. */
  #settled(run: ConsumerRun, plan: AttemptPlan, result: unknown): void {
    if (result === undefined) {
      const missing = new OqronError('MISSING_IN_BATCH', `${run.where}: processBatch answered nothing for this job`);
      this.#attempts.returned(run, plan, false, missing);
    } else if (isSettled(result)) {
      const ok = result.status === 'fulfilled';
      this.#attempts.returned(run, plan, ok, ok ? result.value : result.reason);
    } else {
      // The work may well be done: doing it again would give the same answer that nobody understands.
      const problem =
        `${run.where}: processBatch answered ${textOf(result).slice(0, 100)} for this job, expected ` +
        "{ status: 'fulfilled', value } or { status: 'rejected', reason }, as Promise.allSettled gives them";
      this.#attempts.refuse(run, failureOf(run, new OqronError('INVALID_BATCH_ANSWER', problem)));
    }
  }

  /** The call is over: its slot is free, unless its grace was over before. */
  #leave(batch: Batch): void {
    batch.returned = true;
    for (const run of batch.runs) this.#batches.delete(run);
    if (!this.#stragglers.back(batch)) this.host.slotFreed();
  }
}

function isSettled(value: unknown): value is PromiseSettledResult<unknown> {
  if (typeof value !== 'object' || value === null || !('status' in value)) return false;
  return (value.status === 'fulfilled' && 'value' in value) || value.status === 'rejected';
}

import {
  InvalidPayloadError,
  JobEndedError,
  LeaseLostError,
  NonRetryableError,
  OqronError,
  PayloadTooLargeError,
  SecondTransactionError,
  StoreUnreachableError,
  TransactionsNotSupportedError,
  UnknownOutcomeError,
} from '../errors/index.js';
import { emitCascaded } from '../events.js';
import { isA } from '../job/stored-error.js';
import type { Timer } from '../ports/clock.js';
import type { Completion, JobTransactions, PendingCompletion } from '../ports/job-store.js';
import type { TransactionOpener, TransactionStatements } from '../ports/transaction.js';
import { openerOf } from '../transactions/openers.js';
import { encodeResult } from './attempt.js';
import type { ConsumerRun } from './consumer.js';
import type { RunNote, RunTransaction } from './job-run.js';
import type { RunnerHost } from './runner.js';
import type { Runtime } from './runtime.js';

/** Between two looks at a lease whose transaction ended in the dark (ms). */
const LOOK_AGAIN_MS = 250;

/** A transaction of which only the COMMIT is missing. */
interface Prepared {
  readonly outcome: Completion['outcome'];
  readonly pending: PendingCompletion;
}

/**
 * `ctx.tx`: commits what a handler writes and the completion of its job together. The lease is touched only by the last
 * statement before the COMMIT; when it is gone, all is rolled back. From that statement on nobody can take the job away
 * until the transaction has ended. A COMMIT without an answer is looked up before anything else is decided.
 */
export class JobTransaction<T> {
  readonly #where: string;
  readonly #state: RunTransaction = { state: 'open', handle: undefined, children: [], over: Promise.resolve({}) };
  /** Taken for the completion; it goes back to the run if that does not come to be. */
  #note: RunNote | undefined;
  #prepared: Prepared | undefined;
  #leaseLost = false;
  #timer: Timer | undefined;
  /** Called when the COMMIT has no answer while the lease is good. */
  #overdue: (() => void) | undefined;

  constructor(
    private readonly run: ConsumerRun,
    private readonly rt: Runtime,
    private readonly host: RunnerHost,
    private readonly work: (handle: unknown) => Promise<T>,
  ) {
    this.#where = `ctx.tx (${run.where})`;
  }

  /**
   * @throws TransactionsNotSupportedError, InvalidOptionsError, SecondTransactionError, JobEndedError before any I/O
   * @throws LeaseLostError, JobAbortedError after a rollback, and whatever the work throws
   * @throws UnknownOutcomeError when nobody could say in time whether it was committed
   */
  commit(using: unknown): Promise<T> {
    const committed = this.#commit(using);
    // A handler that does not await it must not end the process; the runner looks at the answer.
    this.#state.over = committed.then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
    return committed;
  }

  async #commit(using: unknown): Promise<T> {
    const { run, rt } = this;
    const { transactions, capabilities } = rt.store;
    if (!transactions) throw new TransactionsNotSupportedError(this.#where, capabilities.backend);
    if (run.transaction) throw new SecondTransactionError(this.#where, run.committed ? 'committed' : 'open');
    if (run.closed) throw run.abortReason ?? new JobEndedError(this.#where);
    const own = using === undefined ? undefined : openerOf(this.#where, using);
    run.transaction = this.#state;
    let value: T;
    try {
      value = await this.#answered(transactions, own ?? (await transactions.opener()));
    } catch (error) {
      this.#rolledBack(error);
      throw error;
    } finally {
      this.#timer?.cancel();
    }
    await this.#committed(value);
    return value;
  }

  /** Runs the transaction. Past the lease's time its COMMIT is not waited for: the store is asked. */
  async #answered(transactions: JobTransactions, opener: TransactionOpener): Promise<T> {
    const overdue = new Promise<{ overdue: true }>((resolve) => {
      this.#overdue = () => resolve({ overdue: true });
    });
    let value: T | undefined;
    const answer = opener
      .run(async (handle, statements) => {
        value = await this.#prepare(transactions, handle, statements);
      })
      .then(
        () => ({}),
        (error: unknown) => ({ error }),
      );
    const ended: { error?: unknown; overdue?: true } = await Promise.race([answer, overdue]);
    if ('error' in ended || ended.overdue) {
      if (!this.run.committing) throw ended.error;
      await this.#lookUp(transactions, ended.error);
    }
    return value as T;
  }

  async #prepare(transactions: JobTransactions, handle: unknown, statements: TransactionStatements): Promise<T> {
    const { run, rt } = this;
    this.#state.handle = handle;
    this.#stopIfTold();
    const value = await this.work(handle);
    await statements.flush?.();
    this.#stopIfTold();
    const outcome = this.#completion(value);
    const pending = await transactions.complete(statements, { queue: run.spec.queue, outcome });
    if (!pending) {
      this.#leaseLost = true;
      throw new LeaseLostError(this.#where);
    }
    this.#stopIfTold();
    this.#prepared = { outcome, pending };
    this.#state.state = 'committing';
    this.#timer = rt.clock.timer(Math.max(0, run.deadline - rt.clock.monotonic()), () => this.#overdue?.());
    return value;
  }

  /** A COMMIT after this would change what somebody else has decided. A shutdown decides nothing: it waits. */
  #stopIfTold(): void {
    const { run } = this;
    if (run.closed) throw run.abortReason ?? new JobEndedError(this.#where);
    if (!run.discarded) return;
    throw new OqronError('DISCARDED', `${this.#where}: ${run.discarded.reason ?? 'the handler discarded the job'}`);
  }

  #completion(value: T): Completion['outcome'] {
    const { run, rt } = this;
    const { id, fence } = run.job;
    let result: string | undefined;
    try {
      result = encodeResult(run, value, this.#where);
    } catch (error) {
      // Another attempt would give the same result, which cannot be kept.
      if (!isA(error, InvalidPayloadError) && !isA(error, PayloadTooLargeError)) throw error;
      throw new NonRetryableError(error.message, { cause: error });
    }
    rt.notes.forget(run);
    this.#note = run.takeNote();
    const children = [...(this.#note?.children ?? []), ...this.#state.children];
    const note = children.length > 0 ? { ...this.#note, children } : this.#note;
    return { kind: 'complete', id, fence, result, ...(note ? { note } : {}) };
  }

  /**
   * Returns when the lease says that the transaction was committed.
   *
   * @throws what ended it, LeaseLostError, UnknownOutcomeError
   */
  async #lookUp(transactions: JobTransactions, cause: unknown): Promise<void> {
    const { run, rt } = this;
    const lease = { queue: run.spec.queue, id: run.job.id, fence: run.job.fence };
    const began = rt.clock.monotonic();
    for (;;) {
      try {
        switch (await transactions.fateOf(lease)) {
          case 'completed':
            return;
          case 'held':
            throw cause ?? new OqronError('TX_ROLLED_BACK', `${this.#where}: the transaction was rolled back`);
          case 'lost':
            this.#leaseLost = true;
            throw new LeaseLostError(this.#where);
          case 'gone':
            this.#leaseLost = true;
            throw this.#unknown(began, cause);
          case 'busy':
            break;
        }
      } catch (error) {
        if (!isA(error, StoreUnreachableError)) throw error;
      }
      if (rt.clock.monotonic() >= run.deadline) {
        this.#leaseLost = true;
        throw this.#unknown(began, cause);
      }
      await new Promise<void>((go) => rt.clock.timer(LOOK_AGAIN_MS, go));
    }
  }

  #unknown(began: number, cause: unknown): UnknownOutcomeError {
    return new UnknownOutcomeError(this.#where, Math.round(this.rt.clock.monotonic() - began), { cause });
  }

  #rolledBack(error: unknown): void {
    const { run, rt } = this;
    run.transaction = undefined;
    if (run.closed) return;
    if (this.#note) {
      run.putBack(this.#note);
      rt.notes.noted(run);
    }
    if (!this.#leaseLost) return;
    rt.keeper.remove(run);
    this.host.leaseLost(run, 'lost', error instanceof Error ? error.message : undefined);
  }

  async #committed(value: T): Promise<void> {
    const { run, rt } = this;
    const { outcome, pending } = this.#prepared as Prepared;
    this.#state.state = 'committed';
    run.closed = true;
    run.measureMemory();
    this.host.committed(run, outcome, value, pending.now);
    try {
      emitCascaded(rt.events, await pending.committed());
    } catch (error) {
      // The next claim or sweep does it.
      rt.events.report(this.#where, error);
    }
  }
}

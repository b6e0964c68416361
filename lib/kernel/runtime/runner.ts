import type { Outcome, ReleaseReason } from '../ports/job-store.js';
import type { ConsumerRun } from './consumer.js';

/** Where endings go. */
export interface RunnerHost {
  /** The attempt has an outcome to record. Called at most once per run. */
  ended(run: ConsumerRun, outcome: Outcome, value: unknown, thrown: unknown): void;
  /** A transaction has recorded the outcome already, at `now` (ms, store time). The handler still runs. */
  committed(run: ConsumerRun, outcome: Outcome, value: unknown, now: number): void;
  /** The handler of a committed run has returned, or is not waited for any more. */
  leave(run: ConsumerRun): void;
  leaseLost(run: ConsumerRun, why: 'lost' | 'cancelled', detail?: string): void;
  /** A call of a handler is over, or its grace is: its slot may be used again. */
  slotFreed(): void;
  /** It took a job whose name it does not know: another process may. */
  tookUnknown(): void;
  /** False once the loop ends: a handler that was not called yet is not called any more. */
  mayBegin(): boolean;
}

/** Turns claimed jobs into calls of handlers, and what becomes of those into endings. */
export interface Runner {
  /** Calls that were told to stop, did not within their grace, and no longer hold a slot. */
  readonly zombies: number;
  /** Begins a claimed job, perhaps together with the next ones. */
  start(run: ConsumerRun): void;
  /** Hands back a job that was claimed and must not begin. */
  giveBack(run: ConsumerRun, reason: ReleaseReason): void;
  /** No more jobs of this claim follow. */
  flush(): void;
  /** Ends a run because the process ends. */
  release(run: ConsumerRun): void;
  /** The run is over, its handler perhaps not: the call keeps its slot until it returns or its grace ends. */
  awaitReturn(run: ConsumerRun): void;
}

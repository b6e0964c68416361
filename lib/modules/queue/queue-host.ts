import type { EventBus } from '../../kernel/events.js';
import type { JobHome } from '../../kernel/job/job.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { CallId, JobStore } from '../../kernel/ports/job-store.js';
import type { Signals } from '../../kernel/ports/signals.js';
import type { Enqueuer } from '../../kernel/runtime/enqueuer.js';
import type { FinishWaiter } from '../../kernel/runtime/finish-waiter.js';
import type { Instruments } from '../../kernel/runtime/instruments.js';
import type { TransactionLines } from '../../kernel/transactions/transaction-lines.js';
import type { ProducerPlan } from './new-job.js';

/** What a queue's producer side needs of a running engine. */
export interface QueueHost {
  readonly plan: ProducerPlan;
  readonly home: JobHome;
  readonly clock: Clock;
  readonly enqueuer: Enqueuer;
  readonly store: JobStore;
  readonly signals: Signals;
  readonly events: EventBus;
  readonly waiter: FinishWaiter;
  readonly instruments: Instruments;
  /** Keeps the order of what is added in one transaction. */
  readonly transactions: TransactionLines;
  newId(): string;
  /** Resolves when the store can be called. */
  ready(): Promise<void>;
  /** Sends a call to this queue, again if its reply is lost. */
  call<T>(where: string, send: (call: CallId) => Promise<T>): Promise<T>;
}

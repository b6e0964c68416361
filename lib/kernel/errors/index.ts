export { OqronError } from './oqron-error.js';
export {
  InvalidOptionsError,
  InvalidPayloadError,
  ModuleNotAvailableError,
  PayloadTooLargeError,
} from './input-errors.js';
export { JobEndedError, JobTimeoutError, NonRetryableError, ReleaseError, RetryLaterError } from './job-errors.js';
export { JobAbortedError, type AbortKind } from './abort-reason.js';
export {
  BatchRejectedError,
  CallRefusedError,
  StoreFullError,
  StoreUnreachableError,
  StrategyMismatchError,
  TransactionsNotSupportedError,
  UnknownOutcomeError,
} from './store-errors.js';
export { AlreadyRetriedError, EngineStateError, QueueNotFoundError, TriggerLoadError } from './engine-errors.js';
export { LockNotHeldError, ReadOnlyNamespaceError } from './adapter-errors.js';
export { AmbiguousJobError } from './lookup-errors.js';
export { QueueDisabledError, TooManyHeldJobsError, UnknownParentError } from './enqueue-errors.js';
export {
  DrainTimeoutError,
  JobCancelledError,
  JobFailedError,
  JobNotFoundError,
  JobStateError,
  WaitTimeoutError,
} from './outcome-errors.js';
export { LeaseLostError, SecondTransactionError } from './transaction-errors.js';

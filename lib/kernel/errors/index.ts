export { OqronError } from './oqron-error.js';
export {
  InvalidOptionsError,
  InvalidPayloadError,
  ModuleNotAvailableError,
  PayloadTooLargeError,
} from './input-errors.js';
export { JobTimeoutError, NonRetryableError, ReleaseError, RetryLaterError } from './job-errors.js';
export { JobAbortedError, type AbortKind } from './abort-reason.js';
export {
  BatchRejectedError,
  CallRefusedError,
  StoreFullError,
  StoreUnreachableError,
  StrategyMismatchError,
  UnknownOutcomeError,
} from './store-errors.js';
export { EngineStateError } from './engine-errors.js';

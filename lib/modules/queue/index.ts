export { queueDefinition, type QueueDefinition } from './definition.js';
export {
  defineQueue,
  isContract,
  overContract,
  type PayloadOf,
  type QueueContract,
  type ResultOf,
} from './define-queue.js';
export { JobHandle, type CancelOutcome, type WaitOptions } from './job-handle.js';
export type { QueueHost } from './queue-host.js';
export { Queue, type JobPage, type JobSearch, type PageRequest } from './queue.js';
export type {
  BulkItem,
  DeadLetterOptions,
  DeduplicationOptions,
  DefaultJobOptions,
  ExecutionOptions,
  JobOptions,
  NamedHandlers,
  OptionsAfter,
  ParentJob,
  PayloadFor,
  QueueOptions,
  RateOptions,
  RetryOptions,
  SharedQueueOptions,
} from './queue.types.js';

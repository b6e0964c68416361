export { queueDefinition, type QueueDefinition } from './definition.js';
export {
  defineQueue,
  isContract,
  overContract,
  type PayloadOf,
  type QueueContract,
  type ResultOf,
} from './define-queue.js';
export { JobHandle, type CancelOutcome } from './job-handle.js';
export { Queue, type JobPage, type QueueHost } from './queue.js';
export type {
  BulkItem,
  DeduplicationOptions,
  DefaultJobOptions,
  ExecutionOptions,
  JobOptions,
  NamedHandlers,
  OptionsAfter,
  ParentJob,
  PayloadFor,
  QueueOptions,
  RetryOptions,
  SharedQueueOptions,
} from './queue.types.js';

export { OqronEngine } from './engine/oqron-engine.js';
export type { EngineParts } from './engine/engine-parts.js';
export type { EngineHealth } from './engine/health.js';
export type { LivenessOptions } from './engine/liveness.js';
export { OqronKit } from './engine/oqronkit.js';
export { queue, worker } from './engine/factories.js';
export { defineConfig, type OqronConfig, type StoreMode } from './engine/config.js';
export type { LogThreshold } from './engine/console-logger.js';
export {
  cronModule,
  queueModule,
  rateLimitModule,
  scheduleModule,
  webhookModule,
  workerModule,
  type ModuleEntry,
  type ModuleFactory,
  type ModuleName,
  type ModuleOptions,
  type ModuleSelection,
} from './engine/modules.js';
export type { DefinitionStatus } from './engine/registry.js';
export { OqronManager } from './engine/manager/oqron-manager.js';
export type * from './engine/manager/manager.types.js';
export type { VerifyOptions } from './engine/manager/verify.js';
export {
  createAdapters,
  createBrokerAdapter,
  createLockAdapter,
  createStorageAdapter,
  type AdapterOptions,
  type AdaptersOptions,
  type LockAdapter,
  type OqronAdapters,
} from './engine/adapters.js';
export { createBroker, createLock, createStorage } from './engine/custom-adapters.js';
export { OqronContainer } from './engine/container.js';
export type { EngineAdapters } from './engine/engine-adapters.js';
export { cron, schedule, webhook } from './engine/not-landed.js';

export {
  defineQueue,
  JobHandle,
  Queue,
  type BulkItem,
  type CancelOutcome,
  type DeadLetterOptions,
  type DeduplicationOptions,
  type DefaultJobOptions,
  type ExecutionOptions,
  type JobOptions,
  type JobPage,
  type JobSearch,
  type NamedHandlers,
  type OptionsAfter,
  type PageRequest,
  type ParentJob,
  type PayloadFor,
  type PayloadOf,
  type QueueContract,
  type QueueOptions,
  type RateOptions,
  type ResultOf,
  type RetryOptions,
  type SharedQueueOptions,
  type WaitOptions,
} from './modules/queue/index.js';
export type { Worker, WorkerOptions } from './modules/worker/index.js';

export * from './kernel/errors/index.js';
export {
  EventBus,
  type BriefError,
  type ClusterEventName,
  type ClusterEvents,
  type ClusterListener,
  type EngineEventName,
  type EngineEvents,
  type EngineListener,
  type JobEvent,
  type ListenOptions,
  type MemoryFigures,
} from './kernel/events.js';
export type { BackoffFn, BackoffOptions, BackoffType } from './kernel/job/backoff.js';
export { jsonCodec, type Codec } from './kernel/job/codec.js';
export type { Duration } from './kernel/job/duration.js';
export type { Job, JobAddress, JobOwnOptions, JobTimelineEntry } from './kernel/job/job.js';
export type { JobTarget } from './kernel/job/job-target.js';
export type { KeepOption } from './kernel/job/retention.js';
export { isFinal, JOB_STATUSES, type FinalStatus, type JobStatus, type QueueStrategy } from './kernel/job/states.js';
export type { JobHeaders, LogEntry, LogLevel, Progress, StoredError, TimelineEntry } from './kernel/job/stored-job.js';
export type { ErrorJudge, ErrorVerdict } from './kernel/runtime/attempt.js';
export type { ChildJob } from './kernel/runtime/child-jobs.js';
export type {
  AttemptEnding,
  BatchAnswer,
  BatchHandler,
  Condition,
  Handler,
  JobHooks,
  LimiterAnswer,
  RateLimiter,
} from './kernel/runtime/consumer.js';
export { JobContext, type JobLog } from './kernel/runtime/job-context.js';
export type {
  EnqueueCall,
  EnqueuedJob,
  InstrumentedEngine,
  InstrumentedJob,
  OqronInstrumentation,
  RunningJob,
  SettledAttempt,
} from './kernel/runtime/instrumentation.js';
export { OqronContext, runWithCorrelation } from './kernel/runtime/oqron-context.js';
export type { LeadershipHealth } from './kernel/runtime/leader.js';
export type { ParentResult } from './kernel/runtime/parent-results.js';
export type { SchemaIssue, SchemaResult, StandardSchema } from './kernel/standard-schema.js';

export type { Backend, HistoryLimits } from './kernel/ports/backend.js';
export type { BrokerStrategy, IBrokerEngine } from './kernel/ports/broker.js';
export type { Clock, Random, Timer } from './kernel/ports/clock.js';
export type { CallId, EnqueueOptions, StoreOptions } from './kernel/ports/calls.js';
export type * from './kernel/ports/job-admin.js';
export type * from './kernel/ports/job-store.js';
export type * from './kernel/ports/leader.js';
export type { ILockAdapter } from './kernel/ports/lock.js';
export type { Logger } from './kernel/ports/logger.js';
export type { Signals, SignalMessage } from './kernel/ports/signals.js';
export type { IStorageEngine, StorageCondition, StorageListOptions } from './kernel/ports/storage.js';
export type {
  DrizzleTransaction,
  KnexTransaction,
  KyselyTransaction,
  MikroOrmTransaction,
  PrismaTransaction,
  TransactionClient,
  TransactionHandle,
  TransactionOpener,
  TransactionRow,
  TransactionStatements,
} from './kernel/ports/transaction.js';
export type {
  JobTransactionClient,
  TransactionOf,
  TransactionResult,
} from './kernel/transactions/transaction-types.js';
export { systemClock, systemRandom } from './kernel/ports/system-clock.js';

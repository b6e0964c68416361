import { z } from 'zod';
import type { BackoffFn } from '../../kernel/job/backoff.js';
import type { Codec } from '../../kernel/job/codec.js';
import type { Job } from '../../kernel/job/job.js';
import { MAX_BATCH_ITEMS, MAX_ID_BYTES, MAX_PRIORITY } from '../../kernel/job/limits.js';
import { DEDUPLICATION_MODES, PARENT_FAILURE_POLICIES } from '../../kernel/ports/new-job.js';
import type { TransactionHandle } from '../../kernel/ports/transaction.js';
import type { DisabledBehavior } from '../../kernel/ports/job-admin.js';
import type { BatchHandler, Condition, Handler, JobHooks, RateLimiter } from '../../kernel/runtime/consumer.js';
import { transactionProblem } from '../../kernel/transactions/transaction-client.js';
import { isStandardSchema, type StandardSchema } from '../../kernel/standard-schema.js';
import { duration, fn, integer, jobId, name, positiveDuration, strict } from '../../kernel/validation.js';

const MAX_COUNT = 1_000_000_000;
const MAX_TAGS = 16;
/** Jobs that one job may wait for. */
const MAX_PARENTS = 1_000;

const backoffType = z.enum(['fixed', 'exponential', 'custom']);

const keep = z.union(
  [
    z.boolean(),
    integer(0, MAX_COUNT),
    strict({ age: z.number().min(0).optional(), count: integer(0, MAX_COUNT).optional() }),
  ],
  'expected true (remove now), false (keep), a number to keep, or { age: seconds, count }',
);

const history = z.union([z.boolean(), integer(0, MAX_COUNT)], 'expected true, false or a number to keep');

const priority = integer(0, MAX_PRIORITY);

const text = (max: number) => z.string().min(1).max(max);

const tags = z.array(text(128)).max(MAX_TAGS);

const retries = strict({
  max: integer(0, 1_000_000).optional(),
  strategy: backoffType.optional(),
  baseDelay: duration.optional(),
  maxDelay: duration.optional(),
  backoffFn: fn<BackoffFn>().optional(),
}).refine((value) => value.strategy !== 'custom' || value.backoffFn !== undefined, {
  path: ['backoffFn'],
  message: "strategy 'custom' needs a function",
});

const codec = z.custom<Codec>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    'encode' in value &&
    'decode' in value &&
    typeof value.encode === 'function' &&
    typeof value.decode === 'function',
  'expected an object with encode(value) and decode(text)',
);

const schema = z.custom<StandardSchema>(isStandardSchema, 'expected a schema that follows Standard Schema v1');

const disabledBehavior: readonly DisabledBehavior[] = ['hold', 'skip', 'reject'];

const rate = strict({ max: integer(1, MAX_COUNT), duration: positiveDuration });

const rateLimiter = z.custom<RateLimiter>(
  (value) => typeof value === 'object' && value !== null && 'check' in value && typeof value.check === 'function',
  'expected an object with check(ctx)',
);

const deadLetterShape = { enabled: z.boolean().optional(), queue: name.optional() };

/** What a contract, a producer and a consumer may say. */
const sharedShape = {
  strategy: z.enum(['fifo', 'lifo', 'priority']).optional(),
  retries: retries.optional(),
  timeout: positiveDuration.optional(),
  removeOnComplete: keep.optional(),
  removeOnFail: keep.optional(),
  keepHistory: history.optional(),
  keepFailedHistory: history.optional(),
  priority: priority.optional(),
  tags: tags.optional(),
  codec: codec.optional(),
  schema: schema.optional(),
  disabledBehavior: z.enum(disabledBehavior).optional(),
  maxHeldJobs: integer(0, MAX_COUNT).optional(),
};

/** What a consumer may say. */
const executionShape = {
  ...sharedShape,
  concurrency: integer(1, 100_000).optional(),
  maxActive: integer(1, MAX_COUNT).optional(),
  rate: rate.optional(),
  throttle: rate.optional(),
  rateLimiter: rateLimiter.optional(),
  condition: fn<Condition>().optional(),
  guaranteedWorker: z.boolean().optional(),
  heartbeatMs: positiveDuration.optional(),
  lockTtlMs: positiveDuration.optional(),
  pollIntervalMs: positiveDuration.optional(),
  prefetch: z.literal(['auto', false]).optional(),
  maxStalledCount: integer(0, 1_000).optional(),
  abortGraceMs: duration.optional(),
  hooks: strict({
    beforeRun: fn<NonNullable<JobHooks['beforeRun']>>().optional(),
    onSuccess: fn<NonNullable<JobHooks['onSuccess']>>().optional(),
    onFail: fn<NonNullable<JobHooks['onFail']>>().optional(),
    onError: fn<NonNullable<JobHooks['onError']>>().optional(),
    afterRun: fn<NonNullable<JobHooks['afterRun']>>().optional(),
  }).optional(),
  deadLetter: strict({ ...deadLetterShape, onDead: fn<(job: Job) => unknown>().optional() }).optional(),
  handler: fn<Handler>().optional(),
  handlers: z.record(name, fn<Handler>()).optional(),
  processBatch: fn<BatchHandler>().optional(),
  batchSize: integer(1, MAX_BATCH_ITEMS).optional(),
  version: integer(1, MAX_COUNT).optional(),
};

/** What a consumer's options must be like as a whole. */
function consumerProblems(
  where: string,
  value: { handler?: unknown; handlers?: unknown; processBatch?: unknown; deadLetter?: { queue?: string } },
): string[] {
  const problems: string[] = [];
  if (value.processBatch !== undefined && (value.handler !== undefined || value.handlers !== undefined)) {
    problems.push('processBatch: it takes every job; leave it out, or handler and handlers');
  }
  if (value.deadLetter?.queue === where) {
    problems.push('deadLetter.queue: a queue cannot be its own dead letter queue; leave it out to keep them here');
  }
  return problems;
}

export const contractSchema = strict(sharedShape);

export const queueSchema = strict({
  ...executionShape,
  name,
  status: z.enum(['active', 'paused']).optional(),
}).superRefine((value, ctx) => {
  for (const problem of consumerProblems(value.name, value)) ctx.addIssue(problem);
});

export const workerSchema = strict({ ...executionShape, topic: name }).superRefine((value, ctx) => {
  for (const problem of consumerProblems(value.topic, value)) ctx.addIssue(problem);
  if (value.handler === undefined && value.handlers === undefined && value.processBatch === undefined) {
    ctx.addIssue('a worker needs a handler, handlers by job name, or processBatch');
  }
});

const commonJobShape = {
  priority: priority.optional(),
  delay: duration.optional(),
  attempts: integer(0, 1_000_000).optional(),
  backoff: strict({ type: backoffType, delay: duration, maxDelay: duration.optional() }).optional(),
  removeOnComplete: keep.optional(),
  removeOnFail: keep.optional(),
  correlationId: text(256).optional(),
  timeout: positiveDuration.optional(),
  tags: tags.optional(),
};

/** A handle fits: of an object only its id and its queue are looked at. */
const parent = z.union(
  [jobId, z.object({ id: jobId, queueName: name })],
  'expected an id, or a job with id and queueName',
);

const deduplication = strict({
  key: text(MAX_ID_BYTES).refine((key) => Buffer.byteLength(key) <= MAX_ID_BYTES, `at most ${MAX_ID_BYTES} bytes`),
  mode: z.enum(DEDUPLICATION_MODES),
  ttl: positiveDuration.optional(),
}).refine((value) => value.mode !== 'throttle' || value.ttl !== undefined, {
  path: ['ttl'],
  message: "mode 'throttle' needs a ttl: how long the first stands",
});

const transaction = z.custom<TransactionHandle>().superRefine((value, ctx) => {
  const problem = transactionProblem(value);
  if (problem !== undefined) ctx.addIssue(problem);
});

export const jobOptionsSchema = strict({
  jobId: jobId.optional(),
  name: name.optional(),
  ...commonJobShape,
  dependsOn: z.array(parent).max(MAX_PARENTS).optional(),
  parentFailurePolicy: z.enum(PARENT_FAILURE_POLICIES).optional(),
  deduplication: deduplication.optional(),
  tx: transaction.optional(),
}).refine(
  ({ deduplication: dedup, delay }) => dedup?.mode !== 'debounce' || dedup.ttl !== undefined || delay !== undefined,
  { path: ['deduplication'], message: "mode 'debounce' needs a ttl, or a delay of the job that begins anew" },
);

/** What may hold for every job: anything that is not about one job. */
export const defaultJobOptionsSchema = strict(commonJobShape);

/** What modules and `defaultJobOptions` may set for everybody. */
export const moduleShape = {
  concurrency: executionShape.concurrency,
  guaranteedWorker: executionShape.guaranteedWorker,
  heartbeatMs: executionShape.heartbeatMs,
  lockTtlMs: executionShape.lockTtlMs,
  pollIntervalMs: executionShape.pollIntervalMs,
  prefetch: executionShape.prefetch,
  maxStalledCount: executionShape.maxStalledCount,
  abortGraceMs: executionShape.abortGraceMs,
  deadLetter: strict(deadLetterShape).optional(),
  retries: sharedShape.retries,
  timeout: sharedShape.timeout,
  removeOnComplete: sharedShape.removeOnComplete,
  removeOnFail: sharedShape.removeOnFail,
};

export type SharedSettings = z.output<typeof contractSchema>;
export type QueueSettings = z.output<typeof queueSchema>;
export type WorkerSettings = z.output<typeof workerSchema>;
export type JobSettings = z.output<typeof jobOptionsSchema>;
export type DefaultJobSettings = z.output<typeof defaultJobOptionsSchema>;

import { z } from 'zod';
import type { BackoffFn } from '../../kernel/job/backoff.js';
import type { Codec } from '../../kernel/job/codec.js';
import { MAX_ID_BYTES, MAX_PRIORITY } from '../../kernel/job/limits.js';
import { DEDUPLICATION_MODES, PARENT_FAILURE_POLICIES } from '../../kernel/ports/new-job.js';
import type { Handler, JobHooks } from '../../kernel/runtime/consumer.js';
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
};

/** What a consumer may say. */
const executionShape = {
  ...sharedShape,
  concurrency: integer(1, 100_000).optional(),
  guaranteedWorker: z.boolean().optional(),
  heartbeatMs: positiveDuration.optional(),
  lockTtlMs: positiveDuration.optional(),
  pollIntervalMs: positiveDuration.optional(),
  maxStalledCount: integer(0, 1_000).optional(),
  abortGraceMs: duration.optional(),
  hooks: strict({
    onSuccess: fn<NonNullable<JobHooks['onSuccess']>>().optional(),
    onFail: fn<NonNullable<JobHooks['onFail']>>().optional(),
  }).optional(),
  handler: fn<Handler>().optional(),
  handlers: z.record(name, fn<Handler>()).optional(),
};

export const contractSchema = strict(sharedShape);

export const queueSchema = strict({ ...executionShape, name, status: z.enum(['active', 'paused']).optional() });

export const workerSchema = strict({ ...executionShape, topic: name }).refine(
  (value) => value.handler !== undefined || value.handlers !== undefined,
  'a worker needs a handler (or handlers by job name)',
);

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

export const jobOptionsSchema = strict({
  jobId: jobId.optional(),
  name: name.optional(),
  ...commonJobShape,
  dependsOn: z.array(parent).max(MAX_PARENTS).optional(),
  parentFailurePolicy: z.enum(PARENT_FAILURE_POLICIES).optional(),
  deduplication: deduplication.optional(),
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
  maxStalledCount: executionShape.maxStalledCount,
  abortGraceMs: executionShape.abortGraceMs,
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

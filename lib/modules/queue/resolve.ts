import { createHash } from 'node:crypto';
import { DEFAULT_BACKOFF, type BackoffOptions } from '../../kernel/job/backoff.js';
import { jsonCodec } from '../../kernel/job/codec.js';
import { DEFAULT_LIMITS } from '../../kernel/job/limits.js';
import {
  DEFAULT_KEEP,
  toRetention,
  type ConsumerKeep,
  type KeepOption,
  type Retention,
} from '../../kernel/job/retention.js';
import type { AttemptOptions } from '../../kernel/job/stored-job.js';
import type { LeasePolicy, RateLimit } from '../../kernel/ports/job-store.js';
import type { ConsumerSpec, Handler } from '../../kernel/runtime/consumer.js';
import type { DefaultJobSettings, QueueSettings, SharedSettings, WorkerSettings } from './options.schema.js';

/** What holds for everybody in this engine: the module's options before `defaultJobOptions`. */
export interface EngineDefaults {
  readonly module: Partial<Omit<QueueSettings, 'name' | 'handler' | 'handlers' | 'hooks' | 'status'>>;
  readonly job: DefaultJobSettings;
  /** Largest result, encoded. @default 64 KiB */
  readonly resultBytes?: number;
}

const DEFAULT_RETRIES = 3;
const DEFAULT_HEARTBEAT_MS = 5_000;
const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_POLL_MS = 1_000;
const DEFAULT_MAX_STALLED = 3;
const DEFAULT_ABORT_GRACE_MS = 5_000;
const DEFAULT_BATCH_SIZE = 10;

/** What a definition says about attempts; what it leaves out stays unset. */
export function attemptOptions(settings: Pick<SharedSettings, 'retries' | 'timeout'>): AttemptOptions {
  const { retries, timeout } = settings;
  const backoff = retries && backoffOf(retries);
  return {
    ...(retries?.max === undefined ? {} : { attempts: retries.max + 1 }),
    ...(backoff ? { backoff } : {}),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

/** A definition that names any part of the backoff gets the defaults for the others. */
function backoffOf(retries: NonNullable<SharedSettings['retries']>): BackoffOptions | undefined {
  const { strategy, baseDelay, maxDelay, backoffFn } = retries;
  if (strategy === undefined && baseDelay === undefined && maxDelay === undefined && !backoffFn) return undefined;
  return {
    type: strategy ?? (backoffFn ? 'custom' : DEFAULT_BACKOFF.type),
    delay: baseDelay ?? DEFAULT_BACKOFF.delay,
    maxDelay: maxDelay ?? DEFAULT_BACKOFF.maxDelay,
  };
}

/** The retention rules that a definition sets; `keepHistory` is an alias that the explicit option overrides. */
export function keepOf(settings: SharedSettings): { completed?: Retention; failed?: Retention } {
  const completed = settings.removeOnComplete ?? alias(settings.keepHistory);
  const failed = settings.removeOnFail ?? alias(settings.keepFailedHistory);
  return {
    ...(completed === undefined ? {} : { completed: toRetention(completed) }),
    ...(failed === undefined ? {} : { failed: toRetention(failed) }),
  };
}

function alias(history: number | boolean | undefined): KeepOption | undefined {
  return typeof history === 'boolean' ? !history : history;
}

/** A consumer's definition with every default filled in, by precedence. */
export function consumerSpec(
  kind: 'queue' | 'worker',
  queue: string,
  settings: Omit<QueueSettings, 'name'> | Omit<WorkerSettings, 'topic'>,
  { module, job, resultBytes = DEFAULT_LIMITS.resultBytes }: EngineDefaults,
): ConsumerSpec {
  const own = attemptOptions(settings);
  const byModule = attemptOptions(module);
  const backoff = byModule.backoff ?? job.backoff ?? DEFAULT_BACKOFF;
  const timeoutMs = byModule.timeoutMs ?? job.timeout;
  const pick = <K extends 'heartbeatMs' | 'lockTtlMs' | 'pollIntervalMs' | 'maxStalledCount' | 'abortGraceMs'>(
    key: K,
    otherwise: number,
  ): number => settings[key] ?? module[key] ?? otherwise;
  const handlers = new Map<string, Handler>(Object.entries(settings.handlers ?? {}));
  const { handler } = settings;
  const backoffFn = settings.retries?.backoffFn ?? module.retries?.backoffFn;
  return {
    queue,
    kind,
    concurrency: settings.concurrency ?? module.concurrency ?? (kind === 'queue' ? 5 : 1),
    batchSize: settings.processBatch ? (settings.batchSize ?? DEFAULT_BATCH_SIZE) : 1,
    prefetch: (settings.prefetch ?? module.prefetch ?? 'auto') === 'auto',
    leaseMs: pick('lockTtlMs', DEFAULT_LEASE_MS),
    heartbeatMs: pick('heartbeatMs', DEFAULT_HEARTBEAT_MS),
    pollIntervalMs: pick('pollIntervalMs', DEFAULT_POLL_MS),
    abortGraceMs: pick('abortGraceMs', DEFAULT_ABORT_GRACE_MS),
    policy: leasePolicy({
      guaranteedWorker: settings.guaranteedWorker ?? module.guaranteedWorker ?? true,
      maxStalledCount: pick('maxStalledCount', DEFAULT_MAX_STALLED),
      stallBackoff: stallBackoff(own.backoff ?? backoff),
      keep: { ...keepOf(settings), defaults: defaultKeep(module, job) },
      ...deadLetterOf(queue, settings.deadLetter, module.deadLetter),
    }),
    ...limitsOf(settings),
    ...(settings.throttle ? { throttle: toRate(settings.throttle) } : {}),
    ...gatesOf(settings),
    own,
    fallback: {
      attempts: Math.max(1, byModule.attempts ?? job.attempts ?? DEFAULT_RETRIES + 1),
      backoff,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    },
    ...(backoffFn ? { backoffFn } : {}),
    codec: settings.codec ?? jsonCodec,
    resultBytes,
    handlerFor: (name) => handlers.get(name) ?? handler,
    knownNames: [...handlers.keys()],
    ...(settings.processBatch ? { processBatch: settings.processBatch } : {}),
    hooks: settings.hooks ?? {},
    ...(settings.deadLetter?.onDead ? { onDead: settings.deadLetter.onDead } : {}),
  };
}

type ConsumerSettings = Parameters<typeof consumerSpec>[2];

function deadLetterOf(
  name: string,
  own: ConsumerSettings['deadLetter'],
  module: EngineDefaults['module']['deadLetter'],
): Pick<LeasePolicy, 'deadLetter'> {
  if (!(own?.enabled ?? module?.enabled ?? true)) return {};
  const queue = own?.queue ?? module?.queue;
  // What a module says for all must not send a dead letter queue's own failures round in a circle.
  return { deadLetter: queue === undefined || queue === name ? {} : { queue } };
}

function limitsOf({ maxActive, rate }: ConsumerSettings): Pick<ConsumerSpec, 'limits'> {
  if (maxActive === undefined && !rate) return {};
  return {
    limits: { ...(maxActive === undefined ? {} : { maxActive }), ...(rate ? { rate: toRate(rate) } : {}) },
  };
}

function toRate({ max, duration }: NonNullable<ConsumerSettings['rate']>): RateLimit {
  return { max, durationMs: duration };
}

/** Nothing at all where nothing stands before the handler: most jobs take the short way. */
function gatesOf({ rateLimiter, condition, schema, hooks }: ConsumerSettings): Pick<ConsumerSpec, 'gates'> {
  const beforeRun = hooks?.beforeRun;
  if (!rateLimiter && !condition && !schema && !beforeRun) return {};
  return {
    gates: {
      ...(rateLimiter ? { rateLimiter } : {}),
      ...(beforeRun ? { beforeRun } : {}),
      ...(condition ? { condition } : {}),
      ...(schema ? { schema } : {}),
    },
  };
}

function defaultKeep(module: EngineDefaults['module'], job: DefaultJobSettings): ConsumerKeep['defaults'] {
  const completed = module.removeOnComplete ?? job.removeOnComplete;
  const failed = module.removeOnFail ?? job.removeOnFail;
  return {
    completed: completed === undefined ? DEFAULT_KEEP.completed : toRetention(completed),
    failed: failed === undefined ? DEFAULT_KEEP.failed : toRetention(failed),
  };
}

function stallBackoff(backoff: BackoffOptions): LeasePolicy['stallBackoff'] {
  return { delayMs: backoff.delay, maxDelayMs: backoff.maxDelay ?? DEFAULT_BACKOFF.maxDelay };
}

function leasePolicy(policy: Omit<LeasePolicy, 'key'>): LeasePolicy {
  // A digest: the key travels with every claim.
  return { ...policy, key: createHash('sha256').update(JSON.stringify(policy)).digest('base64url').slice(0, 22) };
}

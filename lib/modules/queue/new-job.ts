import { InvalidOptionsError, InvalidPayloadError, PayloadTooLargeError } from '../../kernel/errors/index.js';
import type { Codec } from '../../kernel/job/codec.js';
import {
  toRetention,
  type JobKeep,
  type KeepOption,
  type KeepRule,
  type Retention,
} from '../../kernel/job/retention.js';
import { nameProblem } from '../../kernel/job/ids.js';
import { isA, textOf } from '../../kernel/job/stored-error.js';
import type { AttemptOptions, JobMeta } from '../../kernel/job/stored-job.js';
import type { NewJob } from '../../kernel/ports/job-store.js';
import { parseOptions } from '../../kernel/validation.js';
import { jobOptionsSchema, type DefaultJobSettings, type JobSettings } from './options.schema.js';

/** The name of a job that names none. */
export const DEFAULT_JOB_NAME = 'default';

/** What a producer puts on every job of its queue, worked out once. */
export interface ProducerPlan {
  readonly queue: string;
  readonly codec: Codec;
  readonly payloadBytes: number;
  readonly attempts: AttemptOptions | undefined;
  readonly keep: { readonly completed?: Retention; readonly failed?: Retention };
  readonly priority: number | undefined;
  readonly tags: readonly string[];
  readonly defaults: DefaultJobSettings;
}

const NO_OPTIONS: JobSettings = {};

/** Checks one job and turns it into what the store takes. Throws before anything is sent. */
export function newJob(plan: ProducerPlan, name: string, data: unknown, options: unknown, newId: () => string): NewJob {
  const where = `Queue.add (queue "${plan.queue}")`;
  if (name !== DEFAULT_JOB_NAME) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new InvalidOptionsError(where, [problem]);
  }
  const opts = options === undefined ? NO_OPTIONS : parseOptions(where, jobOptionsSchema, options);
  const text = encode(plan, where, data);
  const keep = jobKeep(opts, plan);
  return {
    id: opts.jobId ?? newId(),
    idGiven: opts.jobId !== undefined,
    name,
    ...(text === undefined ? {} : { data: text }),
    meta: jobMeta(opts, plan),
    priority: opts.priority ?? plan.priority ?? plan.defaults.priority ?? 0,
    delayMs: opts.delay ?? plan.defaults.delay ?? 0,
    ...(keep ? { keep } : {}),
  };
}

function encode({ codec, payloadBytes }: ProducerPlan, where: string, data: unknown): string | undefined {
  let text: string | undefined;
  try {
    text = codec.encode(data);
  } catch (error) {
    if (isA(error, InvalidPayloadError)) throw new InvalidPayloadError(where, error.message, { cause: error });
    throw new InvalidPayloadError(where, `the codec threw: ${textOf(error)}`, { cause: error });
  }
  if (text === undefined) return undefined;
  if (typeof text !== 'string') throw new InvalidPayloadError(where, 'the codec did not answer a string');
  // UTF-8 has at most three bytes per character of a JavaScript string: measure only when it could be too large.
  if (text.length * 3 <= payloadBytes) return text;
  const bytes = Buffer.byteLength(text);
  if (bytes > payloadBytes) throw new PayloadTooLargeError(where, 'payload', bytes, payloadBytes);
  return text;
}

function jobMeta(opts: JobSettings, plan: ProducerPlan): JobMeta {
  const job = attemptsOf(opts);
  const correlationId = opts.correlationId ?? plan.defaults.correlationId;
  const tags = opts.tags?.length ? [...new Set([...plan.tags, ...opts.tags])] : plan.tags;
  return {
    ...(job ? { job } : {}),
    ...(plan.attempts ? { producer: plan.attempts } : {}),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(tags.length > 0 ? { tags } : {}),
  };
}

function attemptsOf({ attempts, backoff, timeout }: JobSettings): AttemptOptions | undefined {
  if (attempts === undefined && backoff === undefined && timeout === undefined) return undefined;
  return {
    ...(attempts === undefined ? {} : { attempts: Math.max(1, attempts) }),
    ...(backoff === undefined ? {} : { backoff }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

function jobKeep(opts: JobSettings, plan: ProducerPlan): JobKeep | undefined {
  const completed = rule(opts.removeOnComplete, plan.keep.completed);
  const failed = rule(opts.removeOnFail, plan.keep.failed);
  if (!completed && !failed) return undefined;
  return { ...(completed ? { completed } : {}), ...(failed ? { failed } : {}) };
}

function rule(own: KeepOption | undefined, producer: Retention | undefined): KeepRule | undefined {
  if (own !== undefined) return { ...toRetention(own), from: 'job' };
  return producer && { ...producer, from: 'producer' };
}

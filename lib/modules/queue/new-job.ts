import { InvalidOptionsError, InvalidPayloadError, PayloadTooLargeError } from '../../kernel/errors/index.js';
import type { Codec } from '../../kernel/job/codec.js';
import type { ParentJob } from '../../kernel/job/job-options.js';
import {
  toRetention,
  type JobKeep,
  type KeepOption,
  type KeepRule,
  type Retention,
} from '../../kernel/job/retention.js';
import { DEFAULT_JOB_NAME, nameProblem } from '../../kernel/job/ids.js';
import { isA, textOf } from '../../kernel/job/stored-error.js';
import type { AttemptOptions, JobMeta, OwnOptions } from '../../kernel/job/stored-job.js';
import type { Deduplication, NewJob, ParentFailurePolicy } from '../../kernel/ports/job-store.js';
import type { TransactionHandle } from '../../kernel/ports/transaction.js';
import { textOfIssues, type SchemaResult, type StandardSchema } from '../../kernel/standard-schema.js';
import { parseOptions } from '../../kernel/validation.js';
import { jobOptionsSchema, type DefaultJobSettings, type JobSettings } from './options.schema.js';

/** What a producer puts on every job of its queue, worked out once. */
export interface ProducerPlan {
  readonly queue: string;
  readonly codec: Codec;
  readonly schema?: StandardSchema;
  readonly payloadBytes: number;
  readonly attempts: AttemptOptions | undefined;
  readonly keep: { readonly completed?: Retention; readonly failed?: Retention };
  readonly priority: number | undefined;
  readonly tags: readonly string[];
  readonly defaults: DefaultJobSettings;
}

/** Where a job comes from. What its own options say comes first. */
export interface Lineage {
  /** The job whose handler adds it. */
  readonly parentId?: string;
  readonly correlationId?: string;
  readonly triggeredBy?: string;
}

/** A job that was checked and encoded, and what is still to be found out about it. */
export interface JobDraft {
  readonly where: string;
  readonly job: NewJob;
  /** The jobs that it waits for, as they were given: bare ids have to be looked up. */
  readonly parents?: { readonly given: readonly ParentJob[]; readonly policy: ParentFailurePolicy };
  /** Rejects when an asynchronous schema refuses the payload. */
  readonly checked?: Promise<void>;
  /** The transaction in which it is to be added. */
  readonly tx?: TransactionHandle;
}

const NO_OPTIONS: JobSettings = {};
const NO_META: JobMeta = Object.freeze({});

/**
 * Checks one job and turns it into what the store takes. Throws before anything is sent; the payload is encoded before
 * anything is awaited, so the caller may change the object as soon as this returns.
 *
 * @throws InvalidOptionsError, InvalidPayloadError, PayloadTooLargeError
 */
export function newJob(
  plan: ProducerPlan,
  name: string | undefined,
  data: unknown,
  options: unknown,
  newId: () => string,
  lineage?: Lineage,
): JobDraft {
  const where = `Queue.add (queue "${plan.queue}")`;
  const opts = options === undefined ? NO_OPTIONS : parseOptions(where, jobOptionsSchema, options);
  const called = nameOf(where, name, opts.name);
  const text = encodePayload(plan, where, data);
  const checked = checkPayload(plan, where, text);
  const keep = jobKeep(opts, plan);
  const { dependsOn, deduplication, tx } = opts;
  const job: NewJob = {
    id: opts.jobId ?? newId(),
    idGiven: opts.jobId !== undefined,
    name: called,
    ...(text === undefined ? {} : { data: text }),
    meta: jobMeta(opts, plan, lineage),
    priority: opts.priority ?? plan.priority ?? plan.defaults.priority ?? 0,
    delayMs: delayOf(opts) ?? plan.defaults.delay ?? 0,
    ...(keep ? { keep } : {}),
    ...(deduplication ? { dedup: dedupOf(deduplication, opts.delay) } : {}),
  };
  if (!checked && !dependsOn?.length && !tx) return { where, job };
  if (dependsOn) refuseSelf(where, plan.queue, job, dependsOn);
  return {
    where,
    job,
    ...(dependsOn?.length ? { parents: { given: dependsOn, policy: opts.parentFailurePolicy ?? 'block' } } : {}),
    ...(checked ? { checked } : {}),
    ...(tx ? { tx } : {}),
  };
}

function nameOf(where: string, given: string | undefined, option: string | undefined): string {
  const name = given ?? option ?? DEFAULT_JOB_NAME;
  if (name !== DEFAULT_JOB_NAME) {
    const problem = nameProblem(name);
    if (problem !== undefined) throw new InvalidOptionsError(where, [problem]);
  }
  if (option !== undefined && option !== name) {
    throw new InvalidOptionsError(where, [`the job is given two names, "${name}" and, in its options, "${option}"`]);
  }
  return name;
}

/**
 * The payload as text, for `add` and `updateData`.
 *
 * @throws InvalidPayloadError, PayloadTooLargeError
 */
export function encodePayload(
  { codec, payloadBytes }: Pick<ProducerPlan, 'codec' | 'payloadBytes'>,
  where: string,
  data: unknown,
): string | undefined {
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

/**
 * Asks the queue's schema. It judges what the handler's side will read, not the caller's object: that one may change
 * while an asynchronous schema looks at it, and may hold what the codec turns into something else (a Date).
 *
 * @throws InvalidPayloadError, or answers a promise that rejects with it; the promise need not be awaited
 */
export function checkPayload(
  { codec, schema }: Pick<ProducerPlan, 'codec' | 'schema'>,
  where: string,
  text: string | undefined,
): Promise<void> | undefined {
  if (!schema) return undefined;
  const failed = (error: unknown): never => {
    throw new InvalidPayloadError(where, `the schema threw: ${textOf(error)}`, { cause: error });
  };
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema['~standard'].validate(text === undefined ? undefined : codec.decode(text));
  } catch (error) {
    return failed(error);
  }
  if (!('then' in result)) {
    refuseIssues(where, result);
    return undefined;
  }
  const checked = Promise.resolve(result)
    .catch(failed)
    .then((answer) => refuseIssues(where, answer));
  // Another item of the same call may throw first, and then nobody looks at this one.
  checked.catch(() => undefined);
  return checked;
}

function refuseIssues(where: string, { issues }: SchemaResult<unknown>): void {
  if (!issues) return;
  throw new InvalidPayloadError(where, `the schema refuses the payload: ${textOfIssues(issues)}`, { issues });
}

/** A job cannot wait for itself; a bare id of its own can only be meant so, or it would be ambiguous. */
function refuseSelf(where: string, queue: string, { id, idGiven }: NewJob, parents: readonly ParentJob[]): void {
  if (!idGiven) return;
  const self = parents.some((parent) =>
    typeof parent === 'string' ? parent === id : parent.id === id && parent.queueName === queue,
  );
  if (!self) return;
  throw new InvalidOptionsError(where, [
    `dependsOn: job "${id}" cannot wait for itself; to mean a job of this id in another queue, give { queueName, id }`,
  ]);
}

/** A debounced job waits for its delay, or for `ttl`, from the last add on. */
function delayOf({ delay, deduplication }: JobSettings): number | undefined {
  return delay ?? (deduplication?.mode === 'debounce' ? deduplication.ttl : undefined);
}

function dedupOf(
  { key, mode, ttl }: NonNullable<JobSettings['deduplication']>,
  delay: number | undefined,
): Deduplication {
  // As the delay of a debounced job, `ttl` begins anew with each add; the key must not be forgotten meanwhile.
  const isDelay = mode === 'debounce' && delay === undefined;
  return { key, mode, ...(ttl === undefined || isDelay ? {} : { ttlMs: ttl }) };
}

function jobMeta(opts: JobSettings, plan: ProducerPlan, lineage: Lineage | undefined): JobMeta {
  const job = opts === NO_OPTIONS ? undefined : ownOptions(opts);
  const correlationId = opts.correlationId ?? lineage?.correlationId ?? plan.defaults.correlationId;
  const tags = opts.tags?.length ? [...new Set([...plan.tags, ...opts.tags])] : plan.tags;
  if (!job && !plan.attempts && correlationId === undefined && tags.length === 0 && !lineage) return NO_META;
  return {
    ...(job ? { job } : {}),
    ...(plan.attempts ? { producer: plan.attempts } : {}),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(tags.length > 0 ? { tags } : {}),
    ...(lineage?.triggeredBy === undefined ? {} : { triggeredBy: lineage.triggeredBy }),
    ...(lineage?.parentId === undefined ? {} : { parentId: lineage.parentId }),
  };
}

/** What the job itself asks for, or nothing when it asks for nothing. */
function ownOptions(opts: JobSettings): OwnOptions | undefined {
  const { attempts, backoff, timeout, priority, delay, removeOnComplete, removeOnFail } = opts;
  const { deduplication, parentFailurePolicy } = opts;
  let own: Mutable<OwnOptions> | undefined;
  // Field by field: spreading optional parts together costs more than all the rest of an add.
  if (attempts !== undefined) (own ??= {}).attempts = Math.max(1, attempts);
  if (backoff) (own ??= {}).backoff = backoff;
  if (timeout !== undefined) (own ??= {}).timeoutMs = timeout;
  if (priority !== undefined) (own ??= {}).priority = priority;
  if (delay !== undefined) (own ??= {}).delayMs = delay;
  if (removeOnComplete !== undefined) (own ??= {}).removeOnComplete = removeOnComplete;
  if (removeOnFail !== undefined) (own ??= {}).removeOnFail = removeOnFail;
  if (parentFailurePolicy) (own ??= {}).parentFailurePolicy = parentFailurePolicy;
  if (deduplication) (own ??= {}).deduplication = askedDedup(deduplication);
  return own;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function askedDedup({ key, mode, ttl }: NonNullable<JobSettings['deduplication']>): OwnOptions['deduplication'] {
  return { key, mode, ...(ttl === undefined ? {} : { ttlMs: ttl }) };
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

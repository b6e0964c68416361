import type { FindReply, FindRequest } from '../kernel/ports/job-admin.js';
import type {
  ClaimRequest,
  JobNote,
  LeasePolicy,
  NewJob,
  Outcome,
  ParentFailurePolicy,
  ReleaseReason,
  SweptJob,
} from '../kernel/ports/job-store.js';

export type StoredJob = FindReply['jobs'][number];
export type JobStatus = FindRequest['status'];
export type StoredError = NonNullable<SweptJob['error']>;
export type JobMeta = NewJob['meta'];
export type Progress = NonNullable<JobNote['progress']>;
export type LogEntry = NonNullable<JobNote['logs']>[number];
export type JobKeep = NonNullable<NewJob['keep']>;
export type JobRef = NonNullable<NewJob['parents']>['refs'][number];
export type DeduplicationMode = NonNullable<NewJob['dedup']>['mode'];
export type ConsumerKeep = LeasePolicy['keep'];
/** A job under a lease, as far as an outcome must name it. */
export type Held = { readonly id: string; readonly fence: number };
export type ClaimOptions = Partial<Omit<ClaimRequest, 'call' | 'queue' | 'count'>>;

/** Keeps every finished job. */
export const KEEP_ALL = { count: null, ageMs: null } as const;
/** Removes a job as it finishes. */
export const KEEP_NONE = { count: 0, ageMs: null } as const;

export const LEASE_MS = 30_000;
export const MIB = 1024 * 1024;
export const MAX_ITEMS = 1_000;

/** A plain job; `overrides` are the subject of the case. */
export function job(id: string, overrides: Partial<NewJob> = {}): NewJob {
  return { id, idGiven: true, name: 'default', meta: {}, priority: 0, delayMs: 0, ...overrides };
}

/** `count` jobs whose ids sort like their order. */
export function jobs(count: number, overrides: Partial<NewJob> = {}, prefix = 'job-'): NewJob[] {
  return Array.from({ length: count }, (_, i) => job(`${prefix}${String(i).padStart(5, '0')}`, overrides));
}

/** Names a job. In a list of parents, `'a'` is short for the job of that id in `mail`. */
export function ref(of: string | JobRef): JobRef {
  return typeof of === 'string' ? { queue: 'mail', id: of } : of;
}

/** A job that waits for others. */
export function child(
  id: string,
  parents: readonly (string | JobRef)[],
  policyOfParents: ParentFailurePolicy = 'block',
  overrides: Partial<NewJob> = {},
): NewJob {
  return job(id, { ...overrides, parents: { refs: parents.map(ref), policy: policyOfParents } });
}

/** A job with a deduplication key, `k` unless the case needs several. */
export function keyed(
  id: string,
  mode: DeduplicationMode,
  overrides: Partial<NewJob> & { key?: string; ttlMs?: number } = {},
): NewJob {
  const { key = 'k', ttlMs, ...rest } = overrides;
  return job(id, { ...rest, dedup: { key, mode, ...(ttlMs !== undefined && { ttlMs }) } });
}

/** A consumer's rules. The key follows from the content, since equal keys mean equal policies. */
export function policy(overrides: Partial<Omit<LeasePolicy, 'key'>> = {}): LeasePolicy {
  const rules = {
    guaranteedWorker: true,
    maxStalledCount: 3,
    stallBackoff: { delayMs: 1_000, maxDelayMs: 60_000 },
    keep: { defaults: { completed: KEEP_ALL, failed: KEEP_ALL } },
    ...overrides,
  };
  return { key: JSON.stringify(rules), ...rules };
}

/** A policy in which the consumer says what to keep. */
export function keeping(keep: Partial<ConsumerKeep>): LeasePolicy {
  return policy({ keep: { defaults: { completed: KEEP_ALL, failed: KEEP_ALL }, ...keep } });
}

export function storedError(message: string, extra: Partial<StoredError> = {}): StoredError {
  return { name: 'Error', message, ...extra };
}

type OutcomeOf<K extends Outcome['kind']> = Extract<Outcome, { kind: K }>;
type Extra<K extends Outcome['kind']> = Partial<Omit<OutcomeOf<K>, 'id' | 'fence' | 'kind'>>;

export function complete({ id, fence }: Held, extra: Extra<'complete'> = {}): Outcome {
  return { kind: 'complete', id, fence, ...extra };
}

export function fail({ id, fence }: Held, extra: Extra<'fail'> = {}): Outcome {
  return { kind: 'fail', id, fence, error: storedError('it failed'), ...extra };
}

export function retry({ id, fence }: Held, delayMs: number, extra: Extra<'retry'> = {}): Outcome {
  return { kind: 'retry', id, fence, error: storedError('try again'), delayMs, ...extra };
}

export function release(
  { id, fence }: Held,
  delayMs = 0,
  reason: ReleaseReason = 'released',
  extra: Extra<'release'> = {},
): Outcome {
  return { kind: 'release', id, fence, delayMs, reason, ...extra };
}

/** Numbers below n that look random and are the same on every run and every backend. */
export function sequence(seed: number): (n: number) => number {
  let state = seed;
  return (n) => (state = (state * 48_271) % 2_147_483_647) % n;
}

export function ids(list: readonly { readonly id: string }[]): string[] {
  return list.map(({ id }) => id);
}

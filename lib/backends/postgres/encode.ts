import { createHash } from 'node:crypto';
import type { Retention } from '../../kernel/job/retention.js';
import { summaryOf } from '../../kernel/job/stall-errors.js';
import type {
  ClaimRequest,
  DeduplicationMode,
  JobNote,
  LeasePolicy,
  NewJob,
  Outcome,
  ParentFailurePolicy,
  ThenJob,
} from '../../kernel/ports/job-store.js';
import type { LeaseNumbers } from './lease-numbers.js';

const MODES: readonly DeduplicationMode[] = ['while-unfinished', 'throttle', 'debounce', 'replace', 'keep-last'];
const POLICIES: readonly ParentFailurePolicy[] = ['block', 'cascade-fail', 'ignore'];

const SPECIAL = /["\\]/;
const EACH_SPECIAL = /["\\]/g;

/**
 * An array as PostgreSQL reads it. The client would write it, too, at several times the cost, and calls carry hundreds of
 * elements.
 */
function textArray(list: readonly (string | null)[]): string {
  let text = '';
  for (const one of list) {
    if (one === null) text += ',NULL';
    else text += SPECIAL.test(one) ? `,"${one.replaceAll(EACH_SPECIAL, '\\$&')}"` : `,"${one}"`;
  }
  return `{${text.slice(1)}}`;
}

export function numberArray(list: readonly (number | null)[]): string {
  let text = '';
  for (const one of list) text += one === null ? ',NULL' : `,${one}`;
  return `{${text.slice(1)}}`;
}

/** A list that is not sent when nobody has anything to say in it. */
function optional<T>(
  jobs: readonly NewJob[],
  of: (job: NewJob) => T | undefined,
  write: (list: (T | null)[]) => string,
): string | null {
  return jobs.some((job) => of(job) !== undefined) ? write(jobs.map((job) => of(job) ?? null)) : null;
}

function metaText({ meta }: NewJob): string | null {
  const text = JSON.stringify(meta);
  return text === '{}' ? null : text;
}

function keepText({ keep }: NewJob): string | undefined {
  return keep && JSON.stringify(keep);
}

/** Key and parents, see add_v1. */
function tieOf({ dedup, parents }: NewJob): object | undefined {
  if (!dedup && !parents) return undefined;
  return {
    ...(dedup && { u: { k: dedup.key, m: MODES.indexOf(dedup.mode), t: dedup.ttlMs } }),
    ...(parents && { x: { p: POLICIES.indexOf(parents.policy), r: parents.refs.map(({ queue, id }) => [queue, id]) } }),
  };
}

/** An enqueue of these jobs must lock links first: it makes some. */
export function hasLinks(jobs: readonly NewJob[]): boolean {
  return jobs.some(({ dedup, parents }) => parents !== undefined || dedup?.mode === 'keep-last');
}

/** The jobs of an enqueue, from `p_ids` to `p_links`. */
export function jobLists(jobs: readonly NewJob[]): unknown[] {
  const ties: Record<string, object> = {};
  let tied = false;
  for (const [i, job] of jobs.entries()) {
    const tie = tieOf(job);
    if (!tie) continue;
    ties[i] = tie;
    tied = true;
  }
  return [
    textArray(jobs.map(({ id }) => id)),
    textArray(jobs.map(({ name }) => name)),
    textArray(jobs.map(metaText)),
    textArray(jobs.map(({ data }) => data ?? null)),
    optional(jobs, ({ priority }) => priority || undefined, numberArray),
    optional(jobs, ({ delayMs }) => delayMs || undefined, numberArray),
    optional(jobs, ({ runAt }) => runAt, numberArray),
    optional(jobs, keepText, textArray),
    tied ? JSON.stringify(ties) : null,
    hasLinks(jobs),
  ];
}

/** A job that follows, see outcome_v1. */
function follower({ queue, job }: ThenJob): unknown[] {
  const { id, name, data, priority, delayMs, runAt } = job;
  return [queue, id, name, metaText(job), data, priority, delayMs, runAt, keepText(job), tieOf(job)];
}

/** Policies are few and long: each is encoded once. By identity, so that what callers throw away goes here, too. */
const policies = new WeakMap<LeasePolicy, { readonly key: string; readonly body: string }>();

function policyText(policy: LeasePolicy): { readonly key: string; readonly body: string } {
  let text = policies.get(policy);
  if (!text) {
    const { guaranteedWorker, maxStalledCount, stallBackoff, keep, deadLetter } = policy;
    const rule = (own: Retention | undefined, otherwise: Retention): unknown[] => {
      const { count, ageMs } = own ?? otherwise;
      return [own !== undefined, count, ageMs];
    };
    const body = JSON.stringify([
      guaranteedWorker,
      maxStalledCount,
      stallBackoff.delayMs,
      stallBackoff.maxDelayMs,
      ...rule(keep.completed, keep.defaults.completed),
      ...rule(keep.failed, keep.defaults.failed),
      deadLetter !== undefined,
      deadLetter?.queue ?? null,
    ]);
    // The key comes from what is stored: a caller's key may be long, and must not be able to name another policy.
    text = { key: createHash('sha1').update(body).digest('base64').slice(0, 20), body };
    policies.set(policy, text);
  }
  return text;
}

/** What a claim knows of its queue, see taken_v1. */
export interface ClaimHints {
  readonly look: boolean;
  readonly from: number;
  readonly returned: number;
}

/** One request of claim_v1. A claim of a settle has no call of its own. */
export function claimList(
  queue: string,
  call: ClaimRequest['call'] | undefined,
  request: Omit<ClaimRequest, 'call' | 'queue'>,
  { look, from, returned }: ClaimHints,
): unknown[] {
  const { count, leaseMs, owner, policy, alone, limits } = request;
  const { key, body } = policyText(policy);
  return [
    queue,
    call?.client,
    call?.n,
    call?.acked,
    count,
    leaseMs,
    owner,
    key,
    body,
    alone === true,
    limits?.maxActive,
    limits?.rate?.max,
    limits?.rate?.durationMs,
    look,
    from,
    returned,
  ];
}

export function noteOf({ progress, logs, children }: Omit<JobNote, 'queue' | 'id' | 'fence'>): object {
  return {
    ...(progress && { p: JSON.stringify(progress) }),
    ...(logs && logs.length > 0 && { l: logs.map((line) => JSON.stringify(line)) }),
    ...(children && children.length > 0 && { c: children.map(({ queue, id }) => [queue, id]) }),
  };
}

const KINDS: Readonly<Record<Outcome['kind'], string>> = { complete: 'c', fail: 'f', retry: 't', release: 'l' };

/** An outcome with more than a result, see outcome_v1. `at`: its place among all. */
function oddOutcome(outcome: Outcome, at: number): object {
  const { id, fence, kind, note } = outcome;
  return {
    i: at,
    id,
    f: fence,
    k: KINDS[kind],
    ...(note && { n: noteOf(note) }),
    ...(kind === 'complete' && { r: outcome.result }),
    ...((kind === 'fail' || kind === 'retry') && {
      e: JSON.stringify(outcome.error),
      s: summaryOf(outcome.error),
    }),
    ...((kind === 'retry' || kind === 'release') && { d: outcome.delayMs }),
    ...(kind === 'release' && { y: outcome.reason }),
    ...('then' in outcome && outcome.then && { t: outcome.then.map(follower) }),
  };
}

/** The outcomes of a settle, from `p_seqs` to `p_keys`. */
export function outcomeLists(outcomes: readonly Outcome[], numbers: LeaseNumbers): unknown[] {
  const seqs = outcomes.map(({ fence, id }) => numbers.of(fence, id));
  const numberOf = (at: number): number => seqs[at] ?? 0;
  // Jobs mostly end in the order in which they were claimed.
  const inOrder = seqs.every((seq, at) => seq > numberOf(at - 1));
  const alone = inOrder ? undefined : withoutOwn(seqs);
  const plain: number[] = [];
  const odd: object[] = [];
  const then: ThenJob[] = [];
  for (let at = 0; at < outcomes.length; at += 1) {
    const outcome = outcomes[at] as Outcome;
    const follow = 'then' in outcome ? outcome.then : undefined;
    if (follow) then.push(...follow);
    if (outcome.kind === 'complete' && !outcome.note && !follow?.length && !alone?.has(numberOf(at))) plain.push(at);
    else odd.push(oddOutcome(outcome, at));
  }
  if (!inOrder) plain.sort((a, b) => numberOf(a) - numberOf(b));
  const results = plain.map((at) => resultOf(outcomes[at]));
  const keys = then.flatMap(({ queue, job }) => (job.dedup ? [[queue, job.dedup.key]] : []));
  return [
    numberArray(plain.map(numberOf)),
    numberArray(plain.map((at) => outcomes[at]?.fence ?? 0)),
    numberArray(plain),
    results.some((result) => result !== null) ? textArray(results) : null,
    odd.length > 0 ? JSON.stringify(odd) : null,
    hasLinks(then.map(({ job }) => job)),
    keys.length > 0 ? JSON.stringify(keys) : null,
  ];
}

/** Numbers that stand for no job (0) or for several outcomes: those go one by one. */
function withoutOwn(seqs: readonly number[]): ReadonlySet<number> {
  const seen = new Set<number>();
  const found = new Set([0]);
  for (const seq of seqs) {
    if (seen.has(seq)) found.add(seq);
    seen.add(seq);
  }
  return found;
}

function resultOf(outcome: Outcome | undefined): string | null {
  return outcome?.kind === 'complete' ? (outcome.result ?? null) : null;
}

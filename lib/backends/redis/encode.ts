import { createHash } from 'node:crypto';
import type { JobKeep, Retention } from '../../kernel/job/retention.js';
import { DEFAULT_JOB_NAME } from '../../kernel/job/ids.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { summaryOf } from '../../kernel/job/stall-errors.js';
import type { QueueStrategy } from '../../kernel/job/states.js';
import type { JobRef, StoredError } from '../../kernel/job/stored-job.js';
import type { DisabledBehavior } from '../../kernel/ports/job-admin.js';
import type {
  ClaimRequest,
  DeduplicationMode,
  JobNote,
  LeasePolicy,
  NewJob,
  Outcome,
  ParentFailurePolicy,
} from '../../kernel/ports/job-store.js';
import type { Arg } from './script-runner.js';

/** What a look into another slot found behind the id of a parent (see scripts/peek.lua). */
export interface ParentState {
  readonly state: string;
  readonly birth: number;
  /** The id of its last run. */
  readonly last: string;
}

export type ParentStates = (ref: JobRef) => ParentState | undefined;

const MODES: Readonly<Record<DeduplicationMode, string>> = {
  'while-unfinished': 'w',
  throttle: 't',
  debounce: 'd',
  replace: 'r',
  'keep-last': 'k',
};

const POLICIES: Readonly<Record<ParentFailurePolicy, string>> = { block: 'b', 'cascade-fail': 'f', ignore: 'i' };

export const STRATEGIES: readonly (QueueStrategy | undefined)[] = [undefined, 'fifo', 'lifo', 'priority'];
export const BEHAVIORS: readonly DisabledBehavior[] = ['hold', 'skip', 'reject'];

/**
 * Name, meta and payload in one text that no script looks into: JSON of the first two, which has no line break, then
 * the payload behind one. No line break = no payload. A job of the default name without meta, as nearly all are, has
 * nothing before it.
 */
function envelope({ name, meta, data }: Pick<NewJob, 'name' | 'meta' | 'data'>): string {
  const head = name === DEFAULT_JOB_NAME && isEmpty(meta) ? '' : JSON.stringify([name, meta]);
  return data === undefined ? head : `${head}\n${data}`;
}

function isEmpty(meta: object): boolean {
  for (const _ in meta) return false;
  return true;
}

/** Of the ids that we make. */
const ID_LENGTH = 36;
/** Divides jobs that travel as one text. */
const MARK = '\x1e';

/** Nobody chose the id, and the job asks for nothing: nearly all are like that. */
function isBare({ id, idGiven, data, priority, delayMs, runAt, keep, dedup, parents }: NewJob): boolean {
  if (idGiven || priority !== 0 || delayMs !== 0 || runAt !== undefined || keep || dedup || parents) return false;
  return id.length === ID_LENGTH && !data?.includes(MARK);
}

/**
 * The arguments of the jobs of one call: number of groups, sizes, jobs. Where all jobs are bare they are two texts,
 * whatever their number: each argument of its own costs about as much as what a bare job has to say.
 */
export function pushGroups(
  args: Arg[],
  queue: string,
  groups: readonly (readonly NewJob[])[],
  stateOf?: ParentStates,
): void {
  if (groups.every((group) => group.every(isBare))) {
    const jobs = groups.flatMap((group) => group.map((job) => job.id + envelope(job)));
    const sizes = groups.every(({ length }) => length === 1) ? '' : groups.map(({ length }) => length).join();
    args.push(-groups.length, sizes, jobs.join(MARK));
    return;
  }
  args.push(groups.length);
  for (const group of groups) args.push(group.length);
  for (const group of groups) for (const job of group) pushJob(args, queue, job, stateOf);
}

/** The arguments of one job, see scripts/common/create.lua. */
function pushJob(args: Arg[], queue: string, job: NewJob, stateOf?: ParentStates): void {
  args.push(job.id, envelope(job));
  const { priority, delayMs, runAt, keep, dedup, parents } = job;
  if (priority === 0 && delayMs === 0 && runAt === undefined && !keep && !dedup && !parents) {
    args.push('');
    return;
  }
  const flags = `${dedup ? 'd' : ''}${parents ? 'p' : ''}`;
  args.push(`${priority}|${delayMs}|${runAt ?? ''}|${keepText(keep)}|${flags}`);
  if (dedup) args.push(dedup.key, MODES[dedup.mode], dedup.ttlMs ?? '');
  if (!parents) return;
  args.push(POLICIES[parents.policy], parents.refs.length);
  for (const ref of parents.refs) {
    const found = ref.queue === queue ? undefined : stateOf?.(ref);
    args.push(ref.queue, ref.id, found?.state ?? '', found?.birth ?? '', found?.last ?? '');
  }
}

function keepText(keep: JobKeep | undefined): string {
  if (!keep) return '';
  const one = (rule: JobKeep['completed']): string =>
    rule ? `${rule.from === 'job' ? 'j' : 'p'}${ruleText(rule)}` : '';
  return `${one(keep.completed)};${one(keep.failed)}`;
}

function ruleText({ count, ageMs }: Retention): string {
  return `${count ?? ''},${ageMs ?? ''}`;
}

/** Policies are few and long: each is encoded once. By identity, so that what callers throw away goes here, too. */
const policies = new WeakMap<LeasePolicy, { readonly key: string; readonly rules: string }>();

function policyText(policy: LeasePolicy): { readonly key: string; readonly rules: string } {
  let text = policies.get(policy);
  if (!text) {
    const { guaranteedWorker, maxStalledCount, stallBackoff, keep, deadLetter } = policy;
    const optional = (rule: Retention | undefined): string => (rule ? ruleText(rule) : '');
    const rules = [
      guaranteedWorker ? 1 : 0,
      maxStalledCount,
      stallBackoff.delayMs,
      stallBackoff.maxDelayMs,
      optional(keep.completed),
      optional(keep.failed),
      ruleText(keep.defaults.completed),
      ruleText(keep.defaults.failed),
      deadLetter ? `=${deadLetter.queue ?? ''}` : '',
    ].join(';');
    // The key comes from what is stored: a caller's key may be long, and must not be able to name another policy.
    text = { key: createHash('sha1').update(rules).digest('base64').slice(0, 10), rules };
    policies.set(policy, text);
  }
  return text;
}

/** The arguments of a claim, see readClaim in scripts/common/lease.lua. */
export function pushClaim(args: Arg[], request: Omit<ClaimRequest, 'call' | 'queue'>): void {
  const { count, leaseMs, owner, policy, alone, limits } = request;
  const { key, rules } = policyText(policy);
  args.push(count, leaseMs, owner, key, rules, alone ? 1 : 0);
  args.push(limits?.maxActive ?? '', limits?.rate?.max ?? '', limits?.rate?.durationMs ?? '');
}

const KINDS: Readonly<Record<Outcome['kind'], string>> = { complete: 'c', fail: 'f', retry: 't', release: 'l' };

/** The arguments of all outcomes of one call. Plain completions, which nearly all are, are one text. */
export function pushOutcomes(args: Arg[], outcomes: readonly Outcome[]): void {
  if (outcomes.length > 0 && outcomes.length <= MAX_BATCH_ITEMS && outcomes.every(isPlain)) {
    args.push(-outcomes.length, outcomes.map(plainText).join(MARK));
    return;
  }
  args.push(outcomes.length);
  for (const { id } of outcomes) args.push(id);
  for (const outcome of outcomes) pushOutcome(args, outcome);
}

function isPlain(outcome: Outcome): boolean {
  if (outcome.kind !== 'complete' || outcome.note || (outcome.then?.length ?? 0) > 0) return false;
  return !outcome.result?.includes(MARK);
}

function plainText(outcome: Outcome): string {
  const { id, fence } = outcome;
  const result = outcome.kind === 'complete' ? outcome.result : undefined;
  return result === undefined ? `${id}\n${fence}` : `${id}\n${fence}\n${result}`;
}

/** The arguments of one outcome but its id, see scripts/settle.lua. */
function pushOutcome(args: Arg[], outcome: Outcome): void {
  const rest: Arg[] = [];
  let letters = KINDS[outcome.kind];
  if (outcome.note) letters += pushNote(rest, outcome.note);
  if (outcome.kind === 'complete' && outcome.result !== undefined) {
    letters += 'R';
    rest.push(outcome.result);
  }
  if (outcome.kind === 'fail' || outcome.kind === 'retry') {
    letters += 'E';
    rest.push(errorText(outcome.error), summaryOf(outcome.error));
  }
  if (outcome.kind === 'retry' || outcome.kind === 'release') {
    letters += 'D';
    rest.push(outcome.delayMs);
  }
  if (outcome.kind === 'release') {
    letters += 'Y';
    rest.push(outcome.reason);
  }
  if ('then' in outcome && outcome.then && outcome.then.length > 0) {
    letters += 'T';
    rest.push(outcome.then.length);
    for (const { queue, job } of outcome.then) {
      const one: Arg[] = [];
      pushJob(one, queue, job);
      rest.push(queue, one.length, ...one);
    }
  }
  args.push(outcome.fence, letters);
  for (const arg of rest) args.push(arg);
}

/** The arguments of progress, logs and children; answers the letters that announce them. */
export function pushNote(args: Arg[], { progress, logs, children }: Omit<JobNote, 'queue' | 'id' | 'fence'>): string {
  let letters = '';
  if (progress) {
    letters += 'P';
    args.push(JSON.stringify(progress));
  }
  if (logs && logs.length > 0) {
    letters += 'L';
    args.push(logs.length, ...logs.map((line) => JSON.stringify(line)));
  }
  if (children && children.length > 0) {
    letters += 'C';
    args.push(children.length, ...children.flatMap(({ queue, id }) => [queue, id]));
  }
  return letters;
}

function errorText(error: StoredError): string {
  return JSON.stringify(error);
}

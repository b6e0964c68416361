import assert from 'node:assert/strict';
import type { FindReply } from '../../lib/kernel/ports/job-admin.js';
import type { JobStore } from '../../lib/kernel/ports/job-store.js';
import { inTurn, QUEUES, type MJob, type Model, type QueueName } from './model.js';
import type { JobStatus, Ref } from './model-types.js';

type Stored = FindReply['jobs'][number];

const STATUSES: readonly JobStatus[] = [
  'waiting',
  'delayed',
  'waiting-children',
  'paused',
  'active',
  'completed',
  'failed',
  'cancelled',
];
/** Entries of the timeline that the port dates exactly. */
const EVENTS = new Set(['attempt-failed', 'stalled', 'released', 'promoted']);

/** The rules of retention in the model's run: one for the consumers, and none of a job's own but "remove now". */
export const KEEP = {
  completed: { count: 3, ageMs: 60_000 },
  failed: { count: 4, ageMs: null },
} as const;

/** Compares everything that can be observed with the model, queue by queue. */
export async function look(model: Model, store: JobStore): Promise<void> {
  for (const queue of QUEUES) await lookAt(model, store, queue);
  for (const job of model.state.jobs) job.depended ||= model.isFinal(job) && model.dependants(job).length > 0;
}

async function lookAt(model: Model, store: JobStore, queue: QueueName): Promise<void> {
  const at = { now: model.now };
  const lists = new Map<JobStatus, MJob[]>();
  for (const status of STATUSES) {
    const { jobs, cursor } = await store.admin.find({ queue, status, limit: 1_000 }, at);
    assert.equal(cursor, undefined, 'a list of less than a page has a cursor');
    for (const stored of jobs) nameCopy(model, stored);
    const mine = jobs.map((stored) => compare(model, stored, status));
    assert.equal(new Set(mine).size, mine.length, `a ${status} job of ${queue} is listed twice`);
    lists.set(status, mine);
  }
  for (const job of model.jobsOf(queue)) {
    if (lists.get(job.status)?.includes(job)) continue;
    assert.ok(mayBePurged(model, job), `${job.status} job "${job.id}" of ${queue} is gone`);
    job.gone = true;
  }
  mustBePurged(model, queue);
  order(model, queue, lists);
  const counts = Object.fromEntries(STATUSES.map((status) => [status, lists.get(status)?.length]));
  assert.deepEqual({ ...(await store.admin.counts(queue, at)) }, counts, `counts of ${queue}`);
  const { problems, checked } = await store.admin.verify({ queue, limit: 1_000 }, at);
  assert.deepEqual(problems, []);
  assert.equal(checked, [...lists.values()].flat().length, `verify of ${queue} did not look at every job`);
  await record(model, store, queue);
}

/** Gives a dead letter's copy the id that the store has chosen. */
export function nameCopy(model: Model, { queue, id, origin }: Stored): void {
  if (!origin || model.find({ queue, id })) return;
  const same = (ref: Ref | undefined): boolean => ref?.queue === origin.queue && ref.id === origin.id;
  const copy = model.state.jobs.find((job) => job.id === '' && job.queue === queue && same(job.origin));
  if (copy) copy.id = id;
}

function compare(model: Model, stored: Stored, status: JobStatus): MJob {
  const job = model.find(stored);
  assert.ok(job, `${stored.status} job "${stored.id}" of ${stored.queue} should not be there`);
  const mine = mineOf(model, job);
  const theirs = theirsOf(model, stored, job);
  if (JSON.stringify(mine) !== JSON.stringify(theirs)) assert.deepEqual(theirs, mine, `job "${job.id}"`);
  assert.equal(stored.status, status, `job "${job.id}" stands on the list of ${status} jobs`);
  return job;
}

function mineOf(model: Model, job: MJob): unknown[] {
  const parents = model.linksTo(job).filter(({ hidden }) => !hidden);
  return [
    ...[job.id, job.status, job.name, job.data, JSON.stringify(job.meta), job.priority, job.attempt, job.stalls],
    ...[job.fence, job.createdAt, job.runAt, job.startedAt, job.finishedAt, job.result, job.error],
    ...[job.status === 'active' ? job.owner : undefined, job.status === 'cancelled' ? job.reason : undefined],
    ...[job.progress?.percent, job.logs.join(), job.events.join(), job.from, job.again, job.dead],
    ...[job.origin && text(job.origin), job.key],
    parents.map(({ ref }) => text(ref)).join(),
    childrenOf(model, job.children),
  ].map((value) => value ?? null);
}

function theirsOf(model: Model, job: Stored, mine: MJob): unknown[] {
  return [
    ...[job.id, job.status, job.name, job.data, JSON.stringify(job.meta), job.priority, job.attempt, job.stalledCount],
    ...[job.fence, job.createdAt, job.runAt, job.startedAt, job.finishedAt, job.result],
    job.error?.code ?? job.error?.message,
    // Who ran it last may stay on a record that has ended, but not on one that waits.
    ...[model.isFinal(mine) ? undefined : job.owner, job.status === 'cancelled' ? job.reason : undefined],
    ...[job.progress?.percent, job.logs.map(({ message }) => message).join()],
    job.timeline
      .map(({ event }) => event)
      .filter((event) => EVENTS.has(event))
      .join(),
    ...[job.retriedFromId, job.retriedById, job.dead ?? false, job.origin && text(job.origin), job.dedupKey],
    (job.parents ?? []).map(text).join(),
    childrenOf(model, job.children ?? []),
  ].map((value) => value ?? null);
}

/** Whether children that are gone are still named is the store's affair, and so is their order. */
function childrenOf(model: Model, children: readonly Ref[]): string {
  return children
    .filter((ref) => model.find(ref))
    .map(text)
    .toSorted()
    .join();
}

export function text({ queue, id }: Ref): string {
  return `${queue}/${id}`;
}

function ruleOf(job: MJob): { count: number | null; ageMs: number | null } {
  return KEEP[job.status === 'completed' ? 'completed' : 'failed'];
}

function isRemovedAtOnce(job: MJob): boolean {
  return job.status === 'completed' && job.keep?.completed?.count === 0;
}

/** Does some rule allow that this job is gone? */
export function mayBePurged(model: Model, job: MJob): boolean {
  if (!model.isFinal(job) || model.dependants(job).length > 0) return false;
  if (isRemovedAtOnce(job)) return true;
  const { count, ageMs } = ruleOf(job);
  if (ageMs !== null && (job.finishedAt ?? 0) <= model.now - ageMs) return true;
  const newer = model.state.jobs.filter(
    (other) =>
      other !== job &&
      other.queue === job.queue &&
      other.status === job.status &&
      (!other.gone || model.ended.includes(other)) &&
      (other.finishedAt ?? 0) >= (job.finishedAt ?? 0),
  );
  return count !== null && newer.length >= count;
}

/** Does some rule demand that a job is gone which is still there? Jobs that were kept for others may take longer. */
function mustBePurged(model: Model, queue: QueueName): void {
  for (const status of ['completed', 'failed'] as const) {
    const free = model.jobsOf(queue, status).filter((job) => !job.depended);
    const stayed = free.find(isRemovedAtOnce);
    assert.ok(!stayed, `"${stayed?.id}" was to be removed as it finished`);
    const ended = model.ended.filter((job) => job.queue === queue && job.status === status);
    const ruled = ended.some(isRuled);
    const { count, ageMs } = KEEP[status];
    // Jobs that ended by another rule, a moment later in the same call, come on top.
    const most = count + ended.filter((job) => !isRuled(job)).length;
    if (ruled) assert.ok(free.length <= most, `${free.length} ${status} jobs of ${queue} are kept`);
    if (!ruled && !model.swept) continue;
    const old = free.find((job) => ageMs !== null && (job.finishedAt ?? 0) <= model.now - ageMs);
    const known = ruled || model.state.jobs.some((job) => job.queue === queue && job.ruled === status);
    assert.ok(!old || !known, `"${old?.id}" is too old`);
  }
  for (const job of model.ended) if (isRuled(job)) job.ruled = job.status;
}

/** It ended by the consumer's rule, at once. */
function isRuled({ policy, depended, keep }: MJob): boolean {
  return policy !== undefined && !depended && !keep;
}

/** Checks the order of each list, and adopts it where the port leaves it open. */
function order(model: Model, queue: QueueName, lists: Map<JobStatus, MJob[]>): void {
  const waiting = lists.get('waiting') ?? [];
  const backwards = model.queue(queue).strategy === 'lifo';
  for (const suspect of [false, true]) {
    const some = waiting.filter((job) => job.suspect === suspect);
    inTurn(model, some, `the waiting jobs of ${queue}`);
    adopt(some, ({ rank }) => rank, backwards ? -1 : 1);
  }
  rising(lists.get('delayed') ?? [], ({ runAt, ord }) => [runAt, ord]);
  adopt(lists.get('delayed') ?? [], ({ runAt }) => runAt);
  rising(lists.get('paused') ?? [], ({ ord }) => [ord, 0]);
  adopt(lists.get('paused') ?? [], () => 0);
  rising(lists.get('active') ?? [], ({ until }) => [until, 0]);
  for (const status of ['completed', 'failed', 'cancelled'] as const) {
    rising(lists.get(status) ?? [], ({ finishedAt }) => [-(finishedAt ?? 0), 0]);
  }
}

function rising(jobs: readonly MJob[], keys: (job: MJob) => [number, number]): void {
  for (const [i, job] of jobs.entries()) {
    const next = jobs[i + 1];
    if (!next) return;
    const [a, b] = [keys(job), keys(next)];
    assert.ok(a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]), `${job.status} "${next.id}" stands behind "${job.id}"`);
  }
}

/** Equal turns are told apart from now on, unless something else has put these jobs in order. */
function adopt(jobs: readonly MJob[], place: (job: MJob) => number, sign: 1 | -1 = 1): void {
  const turns = new Map<number, MJob[]>();
  for (const job of jobs) turns.set(job.ord, [...(turns.get(job.ord) ?? []), job]);
  for (const equal of turns.values()) {
    if (equal.some((job) => place(job) !== place(equal[0] as MJob))) continue;
    for (const [step, job] of equal.entries()) job.ord += sign * step * 1e-4;
  }
}

async function record(model: Model, store: JobStore, queue: QueueName): Promise<void> {
  const stored = await store.admin.record(queue, { now: model.now });
  const { strategy, paused, disabled, behavior, maxHeld, version } = model.queue(queue);
  const mine = [strategy ?? 'fifo', paused, disabled, behavior, maxHeld, version];
  const theirs = [
    ...[stored?.strategy ?? 'fifo', stored?.paused ?? false, stored?.disabled ?? false],
    ...[stored?.disabledBehavior ?? 'hold', stored?.maxHeldJobs ?? 10_000, stored?.version ?? 0],
  ];
  assert.deepEqual(theirs, mine, `the record of ${queue}`);
}

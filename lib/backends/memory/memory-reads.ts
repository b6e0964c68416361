import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { matchesFilter } from '../../kernel/job/job-filter.js';
import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { isFinal, type JobStatus } from '../../kernel/job/states.js';
import type {
  FindReply,
  FindRequest,
  VerifyProblem,
  VerifyReply,
  VerifyRequest,
} from '../../kernel/ports/job-admin.js';
import type { MemoryJob } from './memory-job.js';
import type { MemoryQueue } from './memory-queue.js';
import type { OrderedSet } from './ordered-set.js';

/** Sets that are read as one, in the order of their keys. */
type Merged = readonly OrderedSet<MemoryJob>[];

interface Place {
  readonly set: number;
  readonly k1: number;
  readonly k2: number;
}

/** One page of the jobs of one state. */
export function findJobs(queue: MemoryQueue | undefined, request: FindRequest): FindReply {
  const { status, limit, cursor, filter } = request;
  let from = cursor === undefined ? undefined : parseCursor('JobAdmin.find', cursor);
  const jobs: MemoryJob[] = [];
  if (!queue) return { jobs: [] };
  const size = Math.min(limit, MAX_BATCH_ITEMS);
  const descending = isFinal(status) || (status === 'waiting' && queue.strategy === 'lifo');
  const walk = walkFrom(setsOf(queue, status), from, descending);
  let seen = 0;
  for (const { job, place } of walk) {
    if (!filter || matchesFilter(filter, job, job.dead && job.retriedById === undefined)) jobs.push(job);
    from = place;
    seen += 1;
    if (jobs.length === size || seen === MAX_BATCH_ITEMS) {
      return { jobs: jobs.map((one) => one.toStored(queue.name)), cursor: `${from.set}:${from.k1}:${from.k2}` };
    }
  }
  return { jobs: jobs.map((one) => one.toStored(queue.name)) };
}

/** One page of the jobs of a queue, held against what must be true of every job. */
export function verifyJobs(
  queue: MemoryQueue | undefined,
  { limit, cursor }: VerifyRequest,
  find: (queue: string) => MemoryQueue | undefined,
): VerifyReply {
  const from = cursor === undefined ? undefined : parseCursor('JobAdmin.verify', cursor);
  const problems: VerifyProblem[] = [];
  if (!queue) return { problems, checked: 0 };
  const size = Math.min(limit, MAX_BATCH_ITEMS);
  const sets = allSets(queue);
  let checked = 0;
  for (const { job, place } of walkFrom(
    sets.map(({ set }) => [set]),
    from,
    false,
  )) {
    problems.push(...problemsOf(queue, job, sets[place.set]?.status, find));
    checked += 1;
    if (checked === size) return { problems, checked, cursor: `${place.set}:${place.k1}:${place.k2}` };
  }
  const placed = sets.reduce((sum, { set }) => sum + set.size, 0);
  if (placed !== queue.jobs.size) {
    const detail = `${queue.jobs.size} records, ${placed} entries in sets`;
    problems.push({ queue: queue.name, kind: placed < queue.jobs.size ? 'orphan' : 'count', detail });
  }
  return { problems, checked };
}

function problemsOf(
  queue: MemoryQueue,
  job: MemoryJob,
  status: JobStatus | undefined,
  find: (queue: string) => MemoryQueue | undefined,
): VerifyProblem[] {
  const problems: VerifyProblem[] = [];
  const report = (kind: VerifyProblem['kind'], detail: string): void => {
    problems.push({ queue: queue.name, id: job.id, kind, detail });
  };
  if (queue.jobs.get(job.id) !== job) report('ghost', `an entry of "${status}" has no record`);
  if (job.status !== status) report('wrong-set', `the record says "${job.status}", its set "${status}"`);
  if (job.status === 'waiting-children' && job.ties?.waitsFor.size === 0) report('stuck', 'it waits for no parent');
  for (const link of job.ties?.waitsFor ?? []) {
    // A job that later got the id of a removed parent is none of its parents.
    const parent = link.gone ? undefined : find(link.parent.queue)?.jobs.get(link.parent.id);
    const name = `parent "${link.parent.id}" of queue "${link.parent.queue}"`;
    if (parent?.status === 'completed') report('stuck', `it waits for ${name}, which completed`);
    else if (parent && !isFinal(parent.status) && !parent.ties?.dependants.has(link)) {
      report('broken-link', `${name} does not know of it`);
    } else if (!parent && link.policy !== 'block') report('stuck', `it waits for ${name}, which is gone`);
  }
  for (const { child, childQueue } of job.ties?.dependants ?? []) {
    if (isFinal(child.status) || childQueue.jobs.get(child.id) !== child) {
      report('broken-link', `its dependant "${child.id}" of queue "${childQueue.name}" has ended or is gone`);
    }
  }
  return problems;
}

function* walkFrom(
  groups: readonly Merged[],
  from: Place | undefined,
  descending: boolean,
): Generator<{ job: MemoryJob; place: Place }> {
  for (let at = from?.set ?? 0; at < groups.length; at += 1) {
    const merged = groups[at] as Merged;
    const start = from && at === from.set ? from : undefined;
    let job = nearest(merged, (set) => (start ? step(set, start, descending) : end(set, descending)), descending);
    while (job) {
      const place = { set: at, k1: job.k1, k2: job.k2 };
      yield { job, place };
      job = nearest(merged, (set) => step(set, place, descending), descending);
    }
  }
}

function nearest(
  sets: Merged,
  of: (set: OrderedSet<MemoryJob>) => MemoryJob | undefined,
  descending: boolean,
): MemoryJob | undefined {
  let best: MemoryJob | undefined;
  for (const set of sets) {
    const job = of(set);
    if (!job) continue;
    const before = !best || (job.k1 - best.k1 || job.k2 - best.k2) < 0;
    if (!best || before !== descending) best = job;
  }
  return best;
}

function end(set: OrderedSet<MemoryJob>, descending: boolean): MemoryJob | undefined {
  return descending ? set.last() : set.first();
}

function step(set: OrderedSet<MemoryJob>, { k1, k2 }: Place, descending: boolean): MemoryJob | undefined {
  return descending ? set.before(k1, k2) : set.after(k1, k2);
}

function setsOf(queue: MemoryQueue, status: JobStatus): Merged[] {
  switch (status) {
    case 'waiting':
      return [[queue.ready], [queue.suspects]];
    case 'delayed':
      return [[queue.delayed]];
    case 'waiting-children':
      return [[queue.blocked]];
    case 'paused':
      return [[queue.held]];
    case 'active':
      return [[queue.leased]];
    case 'completed':
    case 'failed':
    case 'cancelled':
      return [[queue.history.done[status], queue.history.kept[status]]];
  }
}

function allSets(queue: MemoryQueue): { set: OrderedSet<MemoryJob>; status: JobStatus }[] {
  const { done, kept } = queue.history;
  return [
    { set: queue.ready, status: 'waiting' },
    { set: queue.suspects, status: 'waiting' },
    { set: queue.delayed, status: 'delayed' },
    { set: queue.blocked, status: 'waiting-children' },
    { set: queue.held, status: 'paused' },
    { set: queue.leased, status: 'active' },
    ...(['completed', 'failed', 'cancelled'] as const).flatMap((status) => [
      { set: done[status], status },
      { set: kept[status], status },
    ]),
  ];
}

function parseCursor(where: string, cursor: string): Place {
  const parts = /^(\d{1,2}):(\d{1,16}):(\d{1,16})$/.exec(cursor);
  if (!parts) {
    throw new InvalidOptionsError(where, [`cursor ${JSON.stringify(cursor)} did not come from a page before`]);
  }
  return { set: Number(parts[1]), k1: Number(parts[2]), k2: Number(parts[3]) };
}

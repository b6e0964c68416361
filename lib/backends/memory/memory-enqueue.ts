import type { JobRef } from '../../kernel/job/stored-job.js';
import type { EnqueueRefusal, EnqueueResult, NewJob } from '../../kernel/ports/job-store.js';
import { resultOf, type DedupVerdict } from './memory-dedup.js';
import { lastRun } from './memory-links.js';
import type { MemoryQueue } from './memory-queue.js';

/** Adds a group: all of it, or, when anything of it is refused, nothing. */
export function addGroup(
  queue: MemoryQueue,
  group: readonly NewJob[],
  now: number,
  find: (queue: string) => MemoryQueue | undefined,
): EnqueueResult[] {
  const refused = refusalOf(queue, group, now, find);
  if (refused)
    return group.map(({ id }) => ({ id, created: false, status: 'waiting', createdAt: 0, runAt: 0, refused }));
  return group.map((input) => addOne(queue, input, now));
}

/** Adds a job that must not get lost: a follow-up, a dead letter. A disabled queue holds it whatever it does otherwise. */
export function addAlways(queue: MemoryQueue, input: NewJob, now: number): EnqueueResult {
  return settled(queue, input, now) ?? created(queue, input, now);
}

function addOne(queue: MemoryQueue, input: NewJob, now: number): EnqueueResult {
  // The ordinary job, which nearly all are, in as few steps as can be.
  if (!input.dedup && !queue.disabled) {
    const same = queue.jobs.get(input.id);
    if (same) return resultOf(same);
    const { id, status, createdAt, runAt } = queue.add(input, now);
    return { id, created: true, status, createdAt, runAt };
  }
  const standing = settled(queue, input, now);
  if (standing) return standing;
  if (queue.disabled && queue.disabledBehavior === 'skip') {
    return { id: input.id, created: false, status: 'waiting', createdAt: now, runAt: now, skipped: true };
  }
  return created(queue, input, now);
}

/** The answer when the id, or the key, is taken. */
function settled(queue: MemoryQueue, input: NewJob, now: number): EnqueueResult | undefined {
  const same = queue.jobs.get(input.id);
  if (same) return resultOf(same);
  const verdict = input.dedup && queue.dedup.judge(input.dedup, now);
  if (verdict?.kind === 'stands') return verdict.result;
  if (verdict?.kind !== 'replace') return undefined;
  const { job } = verdict;
  queue.rewrite(job, { data: input.data, name: input.name, meta: input.meta }, now);
  if (input.dedup?.mode === 'debounce') {
    queue.postpone(job, input.runAt ?? now + input.delayMs, now);
    queue.dedup.hold(job, input.dedup, now);
  }
  return resultOf(job);
}

function created(queue: MemoryQueue, input: NewJob, now: number): EnqueueResult {
  const verdict: DedupVerdict | undefined = input.dedup && queue.dedup.judge(input.dedup, now);
  const job = queue.add(input, now, verdict?.kind === 'after' ? verdict.job : undefined);
  return { ...resultOf(job), created: true };
}

/** Why the group as a whole cannot be added. */
function refusalOf(
  queue: MemoryQueue,
  group: readonly NewJob[],
  now: number,
  find: (queue: string) => MemoryQueue | undefined,
): EnqueueRefusal | undefined {
  if (!queue.disabled && !hasParents(group)) return undefined;
  const skips = queue.disabled && queue.disabledBehavior === 'skip';
  const ids = new Set<string>();
  const keys = new Set<string>();
  const failing = new Set<string>();
  let fresh = 0;
  for (const { id, dedup, parents } of group) {
    if (queue.jobs.has(id) || ids.has(id)) continue;
    const verdict = dedup && queue.dedup.judge(dedup, now);
    if (dedup && (keys.has(dedup.key) || verdict?.kind === 'stands' || verdict?.kind === 'replace')) continue;
    for (const parent of parents?.refs ?? []) {
      const before = parent.queue === queue.name && ids.has(parent.id);
      if (!before && !find(parent.queue)?.jobs.has(parent.id)) return { why: 'unknown-parent', parent };
      if (parents?.policy !== 'cascade-fail') continue;
      if (before ? failing.has(parent.id) : hasFailed(lastRun(find, parent), find)) failing.add(id);
    }
    ids.add(id);
    // What is dropped holds no key, and what is added as failed only one that outlives it; neither is held.
    if (dedup && !skips && (dedup.mode === 'throttle' || !failing.has(id))) keys.add(dedup.key);
    if (!failing.has(id) || skips || queue.disabledBehavior === 'reject') fresh += 1;
  }
  if (!queue.disabled || fresh === 0) return undefined;
  if (queue.disabledBehavior === 'reject') return { why: 'disabled' };
  const tooMany = queue.disabledBehavior === 'hold' && queue.held.size + fresh > queue.maxHeldJobs;
  return tooMany ? { why: 'held-full', limit: queue.maxHeldJobs } : undefined;
}

function hasFailed({ queue, id }: JobRef, find: (queue: string) => MemoryQueue | undefined): boolean {
  const status = find(queue)?.jobs.get(id)?.status;
  return status === 'failed' || status === 'cancelled';
}

function hasParents(group: readonly NewJob[]): boolean {
  for (const { parents } of group) if (parents) return true;
  return false;
}

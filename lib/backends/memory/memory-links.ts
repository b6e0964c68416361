import { parentFailedError } from '../../kernel/job/parent-errors.js';
import { isFinal, type FinalStatus } from '../../kernel/job/states.js';
import type { JobRef, StoredError } from '../../kernel/job/stored-job.js';
import type { CascadedJob, ParentFailurePolicy, ParentLinks } from '../../kernel/ports/job-store.js';
import { nameChild, tiesOf, type Link, type LinkedQueue, type MemoryJob } from './memory-job.js';

const NONE: readonly never[] = [];

/** Failures that one call reports at most. */
const MAX_REPORTED = 1_000;

/**
 * The dependencies of one store. A job that ends is put on a list and its dependants are told when the transition is
 * otherwise complete: a cascade of any depth is a loop, not a recursion.
 */
export class MemoryLinks {
  #ended: { readonly queue: LinkedQueue; readonly job: MemoryJob }[] = [];
  #cascaded: CascadedJob[] = [];
  readonly #touched = new Set<string>();

  constructor(private readonly find: (queue: string) => LinkedQueue | undefined) {}

  /** Links a new job to its parents. Answers why it must fail at once, if it must. */
  attach(queue: LinkedQueue, job: MemoryJob, { refs, policy }: ParentLinks): StoredError | undefined {
    let fatal: (JobRef & { how: FinalStatus | 'removed' }) | undefined;
    for (const named of refs) {
      const ref = lastRun(this.find, named);
      const link = this.#tie(queue, job, ref, policy, false);
      const parent = this.#jobOf(ref);
      const state = parent?.status ?? 'failed';
      if (state === 'completed' || (isFinal(state) && policy === 'ignore')) job.ties?.waitsFor.delete(link);
      else if (isFinal(state) && policy === 'cascade-fail') fatal ??= { ...ref, how: parent ? state : 'removed' };
    }
    return fatal && parentFailedError(fatal, fatal.how);
  }

  /** Lets `job` wait until `parent`, of the same queue, has ended in any way. */
  follow(queue: LinkedQueue, job: MemoryJob, parent: MemoryJob): void {
    this.#tie(queue, job, { queue: queue.name, id: parent.id }, 'ignore', true);
  }

  /** A retry: whoever still waits for the old job waits for the new one, which waits for what has not finished. */
  inherit(queue: LinkedQueue, old: MemoryJob, again: MemoryJob, now: number): void {
    if (!old.ties) return;
    for (const { parent, policy, hidden } of old.ties.links) {
      if (hidden) continue;
      const link = this.#tie(queue, again, parent, policy, false);
      if (isFinal(this.#jobOf(parent)?.status ?? 'failed')) again.ties?.waitsFor.delete(link);
    }
    for (const link of old.ties.dependants) {
      if (!link.child.ties?.waitsFor.has(link)) continue;
      old.ties.dependants.delete(link);
      link.parent = { queue: queue.name, id: again.id };
      tiesOf(again).dependants.add(link);
      nameChild(again, { queue: link.childQueue.name, id: link.child.id });
    }
    if (old.ties.dependants.size === 0) queue.history.letGo(old, now);
  }

  /** A job with ties has ended: completed, failed, cancelled or removed. */
  ended(queue: LinkedQueue, job: MemoryJob): void {
    // It waits for nobody any more: a parent that ends in the same transition must not end it again.
    job.ties?.waitsFor.clear();
    this.#ended.push({ queue, job });
  }

  /** Tells everybody whom the ended jobs concern; answers which jobs failed because of them. */
  run(now: number): CascadedJob[] {
    if (this.#ended.length === 0) return [];
    // The list grows while it is walked: a cascade appends the jobs that it ends.
    for (const { queue, job } of this.#ended) {
      this.#leaveParents(job, now);
      this.#tellDependants(queue, job, now);
    }
    this.#ended = [];
    const cascaded = this.#cascaded;
    this.#cascaded = [];
    return cascaded;
  }

  /** Something happened in this queue on the way of a call to another one. */
  touch(queue: LinkedQueue): void {
    this.#touched.add(queue.name);
  }

  /** The queues in which jobs may have become ready on the way. */
  takeTouched(): readonly string[] {
    if (this.#touched.size === 0) return NONE;
    const names = [...this.#touched];
    this.#touched.clear();
    return names;
  }

  #tie(queue: LinkedQueue, child: MemoryJob, ref: JobRef, policy: ParentFailurePolicy, hidden: boolean): Link {
    const link: Link = { parent: ref, child, childQueue: queue, policy, gone: false, hidden };
    const ties = tiesOf(child);
    ties.links.push(link);
    ties.waitsFor.add(link);
    const parent = this.#jobOf(ref);
    if (!parent) return link;
    tiesOf(parent).dependants.add(link);
    if (!hidden) nameChild(parent, { queue: queue.name, id: child.id });
    if (isFinal(parent.status)) this.find(ref.queue)?.history.hold(parent);
    return link;
  }

  /** It needs its parents no more: they may be purged. */
  #leaveParents({ ties }: MemoryJob, now: number): void {
    for (const link of ties?.links ?? []) {
      ties?.waitsFor.delete(link);
      this.#unlink(link, now);
    }
  }

  #unlink(link: Link, now: number): void {
    const parent = this.#jobOf(link.parent);
    if (!parent?.ties?.dependants.delete(link)) return;
    if (parent.ties.dependants.size === 0) this.find(link.parent.queue)?.history.letGo(parent, now);
  }

  #tellDependants(queue: LinkedQueue, job: MemoryJob, now: number): void {
    for (const link of job.ties?.dependants ?? []) {
      const { child, childQueue, policy, hidden } = link;
      if (hidden) job.ties?.dependants.delete(link);
      if (!child.ties?.waitsFor.has(link)) continue;
      link.gone = !isFinal(job.status);
      if (job.status === 'completed' || policy === 'ignore') {
        childQueue.release(child, link, now);
        this.#touched.add(childQueue.name);
      } else if (policy === 'cascade-fail') {
        const how = isFinal(job.status) ? job.status : 'removed';
        child.reason = undefined;
        child.error = parentFailedError({ queue: queue.name, id: job.id }, how);
        childQueue.finish(child, 'failed', now);
        this.#touched.add(childQueue.name);
        if (this.#cascaded.length < MAX_REPORTED) {
          this.#cascaded.push({ queue: childQueue.name, id: child.id, name: child.name, error: child.error });
        }
      }
    }
    if (job.ties?.dependants.size === 0) queue.history.letGo(job, now);
  }

  #jobOf({ queue, id }: JobRef): MemoryJob | undefined {
    return this.find(queue)?.jobs.get(id);
  }
}

/**
 * A job that was run again because it had not completed is meant by its last run. Runs only point forward, so the walk
 * ends. One that completed counts as it is, whoever wanted to see it run once more.
 */
export function lastRun(find: (queue: string) => LinkedQueue | undefined, ref: JobRef): JobRef {
  const jobs = find(ref.queue)?.jobs;
  let last = ref;
  for (let job = jobs?.get(ref.id); job; job = job.retriedById === undefined ? undefined : jobs?.get(job.retriedById)) {
    last = { queue: ref.queue, id: job.id };
    if (job.status === 'completed') break;
  }
  return last;
}

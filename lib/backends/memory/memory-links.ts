import { parentFailedError } from '../../kernel/job/parent-errors.js';
import { isFinal, type FinalStatus } from '../../kernel/job/states.js';
import type { JobRef, StoredError } from '../../kernel/job/stored-job.js';
import type { CascadedJob, ParentFailurePolicy, ParentLinks } from '../../kernel/ports/job-store.js';
import type { MemoryJob } from './memory-job.js';
import type { MemoryQueue } from './memory-queue.js';

/** Children that a record names at most. */
const MAX_CHILDREN = 1_000;
/** Failures that one call reports at most. */
const MAX_REPORTED = 1_000;

/** One edge of the graph, known to both ends. */
export interface Link {
  /** The parent as it is called now: a retry takes its links over. */
  parent: JobRef;
  readonly child: MemoryJob;
  readonly childQueue: MemoryQueue;
  readonly policy: ParentFailurePolicy;
  /** The parent was removed before it completed; a later job of its id is another one. */
  gone: boolean;
  /** Made by deduplication: not the user's dependency, so nobody is shown it, and it holds nothing from being purged. */
  readonly hidden: boolean;
}

/** What binds a job to others. */
export interface Ties {
  /** To its parents, in the order in which they were given. */
  readonly links: Link[];
  /** The part of `links` that still holds it. A set, not a number: a number drifts. */
  readonly waitsFor: Set<Link>;
  /** From unfinished jobs that depend on it. */
  readonly dependants: Set<Link>;
  readonly children: JobRef[];
}

export function tiesOf(job: MemoryJob): Ties {
  return (job.ties ??= { links: [], waitsFor: new Set(), dependants: new Set(), children: [] });
}

/** The jobs that it waits or waited for. */
export function parentsOf({ ties }: MemoryJob): JobRef[] | undefined {
  const shown = ties?.links.filter(({ hidden }) => !hidden);
  return shown && shown.length > 0 ? shown.map(({ parent }) => parent) : undefined;
}

/** Records a child on its parent; the first thousand are kept. */
export function nameChild(parent: MemoryJob, child: JobRef): void {
  const { children } = tiesOf(parent);
  if (children.length >= MAX_CHILDREN) return;
  if (!children.some(({ queue, id }) => id === child.id && queue === child.queue)) children.push(child);
}

/**
 * The dependencies of one store. A job that ends is put on a list and its dependants are told when the transition is
 * otherwise complete: a cascade of any depth is a loop, not a recursion.
 */
export class MemoryLinks {
  #ended: { readonly queue: MemoryQueue; readonly job: MemoryJob }[] = [];
  #cascaded: CascadedJob[] = [];
  readonly #touched = new Set<MemoryQueue>();

  constructor(private readonly find: (queue: string) => MemoryQueue | undefined) {}

  /** Links a new job to its parents. Answers why it must fail at once, if it must. */
  attach(queue: MemoryQueue, job: MemoryJob, { refs, policy }: ParentLinks): StoredError | undefined {
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
  follow(queue: MemoryQueue, job: MemoryJob, parent: MemoryJob): void {
    this.#tie(queue, job, { queue: queue.name, id: parent.id }, 'ignore', true);
  }

  /** A retry: whoever still waits for the old job waits for the new one, which waits for what has not finished. */
  inherit(queue: MemoryQueue, old: MemoryJob, again: MemoryJob, now: number): void {
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
  ended(queue: MemoryQueue, job: MemoryJob): void {
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
  touch(queue: MemoryQueue): void {
    this.#touched.add(queue);
  }

  /** The queues in which jobs may have become ready on the way. */
  *touched(): Iterable<MemoryQueue> {
    yield* this.#touched;
    this.#touched.clear();
  }

  #tie(queue: MemoryQueue, child: MemoryJob, ref: JobRef, policy: ParentFailurePolicy, hidden: boolean): Link {
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

  #tellDependants(queue: MemoryQueue, job: MemoryJob, now: number): void {
    for (const link of job.ties?.dependants ?? []) {
      const { child, childQueue, policy, hidden } = link;
      if (hidden) job.ties?.dependants.delete(link);
      // In a diamond another parent may have ended the child a moment ago.
      if (!child.ties?.waitsFor.has(link) || isFinal(child.status)) continue;
      link.gone = !isFinal(job.status);
      if (job.status === 'completed' || policy === 'ignore') {
        childQueue.release(child, link, now);
        this.#touched.add(childQueue);
      } else if (policy === 'cascade-fail') {
        const how = isFinal(job.status) ? job.status : 'removed';
        child.reason = undefined;
        child.error = parentFailedError({ queue: queue.name, id: job.id }, how);
        childQueue.finish(child, 'failed', now);
        this.#touched.add(childQueue);
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

/** A job that was run again is meant by its last run. Runs only point forward, so the walk ends. */
export function lastRun(find: (queue: string) => MemoryQueue | undefined, ref: JobRef): JobRef {
  const jobs = find(ref.queue)?.jobs;
  let last = ref;
  for (let next = jobs?.get(ref.id)?.retriedById; next !== undefined;) {
    const run = jobs?.get(next);
    if (!run) break;
    last = { queue: ref.queue, id: next };
    next = run.retriedById;
  }
  return last;
}

import type { ClaimedJob, LeasePolicy, NewJob, ParentFailurePolicy } from '../../kernel/ports/job-store.js';
import type { JobKeep } from '../../kernel/job/retention.js';
import type { FinalStatus, JobStatus } from '../../kernel/job/states.js';
import type {
  JobMeta,
  JobRef,
  LogEntry,
  Progress,
  StoredError,
  StoredJob,
  TimelineEntry,
} from '../../kernel/job/stored-job.js';
import type { OrderedSet, Placed } from './ordered-set.js';

const NONE: readonly never[] = [];
/** Children that a record names at most. */
const MAX_CHILDREN = 1_000;

/** A queue as its links need it. */
export interface LinkedQueue {
  readonly name: string;
  readonly jobs: ReadonlyMap<string, MemoryJob>;
  readonly history: { hold(job: MemoryJob): void; letGo(job: MemoryJob, now: number): void };
  release(child: MemoryJob, link: Link, now: number): void;
  finish(job: MemoryJob, status: FinalStatus, now: number): void;
}

/** One edge of the graph, known to both ends. */
export interface Link {
  /** The parent as it is called now: a retry takes its links over. */
  parent: JobRef;
  readonly child: MemoryJob;
  readonly childQueue: LinkedQueue;
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

/** What few jobs have. Apart from the rest, because every field of every waiting job costs memory and collection. */
interface More {
  reason?: string | undefined;
  progress?: Progress | undefined;
  logs?: LogEntry[];
  timeline?: TimelineEntry[];
  unknownNameSince?: number | undefined;
  retriedFromId?: string | undefined;
  retriedById?: string | undefined;
  dead?: boolean;
  origin?: JobRef | undefined;
  dedupKey?: string | undefined;
}

/** One job and its place. `k1` and `k2` are its keys in the one set that holds it. */
export class MemoryJob implements Placed {
  k1 = 0;
  k2 = 0;
  set: OrderedSet<MemoryJob> | undefined;

  readonly id: string;
  name: string;
  data: string | undefined;
  meta: JobMeta;
  readonly keep: JobKeep | undefined;
  status: JobStatus = 'waiting';
  priority: number;
  /** Its turn among jobs of the same rank. */
  ord = 0;
  /** Its rank on the queue: the priority where the queue orders by it. */
  rank = 0;
  attempt = 0;
  stalledCount = 0;
  /** Stands at its stall cap: runs only alone. */
  suspect = false;
  fence = 0;
  /** The fence of the last outcome that counted. */
  settledFence: number | undefined;
  owner: string | undefined;
  policy: LeasePolicy | undefined;
  runAt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  result: string | undefined;
  error: StoredError | undefined;
  /** Its parents and dependants; most jobs have none. */
  ties: Ties | undefined;
  #more: More | undefined;

  constructor(
    input: NewJob,
    readonly createdAt: number,
    runAt: number,
  ) {
    this.id = input.id;
    this.name = input.name;
    this.data = input.data;
    this.meta = input.meta;
    this.keep = input.keep;
    this.priority = input.priority;
    this.runAt = runAt;
  }

  get reason(): string | undefined {
    return this.#more?.reason;
  }

  set reason(value: string | undefined) {
    if (this.#more || value !== undefined) this.more.reason = value;
  }

  get progress(): Progress | undefined {
    return this.#more?.progress;
  }

  set progress(value: Progress | undefined) {
    if (this.#more || value !== undefined) this.more.progress = value;
  }

  get unknownNameSince(): number | undefined {
    return this.#more?.unknownNameSince;
  }

  set unknownNameSince(value: number | undefined) {
    if (this.#more || value !== undefined) this.more.unknownNameSince = value;
  }

  get retriedFromId(): string | undefined {
    return this.#more?.retriedFromId;
  }

  set retriedFromId(value: string | undefined) {
    if (this.#more || value !== undefined) this.more.retriedFromId = value;
  }

  get retriedById(): string | undefined {
    return this.#more?.retriedById;
  }

  set retriedById(value: string | undefined) {
    if (this.#more || value !== undefined) this.more.retriedById = value;
  }

  get origin(): JobRef | undefined {
    return this.#more?.origin;
  }

  set origin(value: JobRef | undefined) {
    if (this.#more || value !== undefined) this.more.origin = value;
  }

  get dedupKey(): string | undefined {
    return this.#more?.dedupKey;
  }

  set dedupKey(value: string | undefined) {
    if (this.#more || value !== undefined) this.more.dedupKey = value;
  }

  /** It failed under a policy with dead letters. */
  get dead(): boolean {
    return this.#more?.dead === true;
  }

  set dead(value: boolean) {
    this.more.dead = value;
  }

  private get more(): More {
    return (this.#more ??= {});
  }

  note(entry: TimelineEntry, max: number): void {
    const timeline = (this.more.timeline ??= []);
    timeline.push(entry);
    if (timeline.length > max) timeline.splice(0, timeline.length - max);
  }

  log(entries: readonly LogEntry[], max: number): void {
    const logs = (this.more.logs ??= []);
    logs.push(...entries);
    if (logs.length > max) logs.splice(0, logs.length - max);
  }

  toClaimed(): ClaimedJob {
    return {
      id: this.id,
      name: this.name,
      data: this.data,
      meta: this.meta,
      priority: this.priority,
      fence: this.fence,
      attempt: this.attempt,
      stalledCount: this.stalledCount,
      createdAt: this.createdAt,
      runAt: this.runAt,
      progress: this.progress,
      unknownNameSince: this.unknownNameSince,
      parents: this.ties && parentsOf(this),
    };
  }

  toStored(queue: string): StoredJob {
    return {
      queue,
      id: this.id,
      name: this.name,
      status: this.status,
      data: this.data,
      meta: this.meta,
      priority: this.priority,
      attempt: this.attempt,
      stalledCount: this.stalledCount,
      fence: this.fence,
      owner: this.owner,
      createdAt: this.createdAt,
      runAt: this.runAt,
      startedAt: this.startedAt,
      finishedAt: this.finishedAt,
      result: this.result,
      error: this.error,
      reason: this.reason,
      progress: this.progress,
      logs: this.#more?.logs ? [...this.#more.logs] : NONE,
      timeline: this.#more?.timeline ? [...this.#more.timeline] : NONE,
      retriedFromId: this.retriedFromId,
      retriedById: this.retriedById,
      parents: parentsOf(this),
      children: this.ties?.children && [...this.ties.children],
      dead: this.dead,
      origin: this.origin,
      dedupKey: this.dedupKey,
    };
  }
}

/** Moves a job to its place in a set; it leaves the one that held it. */
export function place(job: MemoryJob, set: OrderedSet<MemoryJob>, k1: number, k2: number): void {
  job.set?.delete(job);
  job.k1 = k1;
  job.k2 = k2;
  job.set = set;
  set.add(job);
}

export function tiesOf(job: MemoryJob): Ties {
  return (job.ties ??= { links: [], waitsFor: new Set(), dependants: new Set(), children: [] });
}

/** The jobs that it waits or waited for. */
function parentsOf({ ties }: MemoryJob): JobRef[] | undefined {
  const shown = ties?.links.filter(({ hidden }) => !hidden);
  return shown && shown.length > 0 ? shown.map(({ parent }) => parent) : undefined;
}

/** Records a child on its parent; the first thousand are kept. */
export function nameChild(parent: MemoryJob, child: JobRef): void {
  const { children } = tiesOf(parent);
  if (children.length >= MAX_CHILDREN) return;
  if (!children.some(({ queue, id }) => id === child.id && queue === child.queue)) children.push(child);
}

import assert from 'node:assert/strict';
import type { DisabledBehavior, JobStatus, LeasePolicy, NewJob, Progress, QueueStrategy, Ref } from './model-types.js';

export const QUEUES = ['a', 'b', 'c', 'd'] as const;
export type QueueName = (typeof QUEUES)[number];

export interface MJob {
  readonly queue: QueueName;
  /** Empty until the store has named it: a dead letter's copy. */
  id: string;
  readonly n: number;
  name: string;
  data: string | undefined;
  meta: NewJob['meta'];
  priority: number;
  readonly keep: NewJob['keep'];
  status: JobStatus;
  gone: boolean;
  attempt: number;
  stalls: number;
  suspect: boolean;
  rank: number;
  ord: number;
  readonly createdAt: number;
  runAt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  until: number;
  fence: number;
  settled: number[];
  owner: string | undefined;
  policy: LeasePolicy | undefined;
  result: string | undefined;
  error: string | undefined;
  reason: string | undefined;
  progress: Progress | undefined;
  logs: string[];
  events: string[];
  unknownSince: number | undefined;
  from: string | undefined;
  again: string | undefined;
  children: Ref[];
  /** Somebody unfinished depended on it after it had ended: when it is purged is the store's affair. */
  depended: boolean;
  /** Its queue knows the consumer's rule for this state since it ended. */
  ruled: JobStatus | undefined;
  dead: boolean;
  origin: Ref | undefined;
  key: string | undefined;
}

/** `open`: the child still waits for the parent. `hidden`: made by keep-last. */
interface MLink {
  parent: MJob;
  ref: Ref;
  readonly child: MJob;
  readonly policy: 'block' | 'cascade-fail' | 'ignore';
  readonly hidden: boolean;
  open: boolean;
}

interface MKey {
  readonly job: MJob;
  readonly until: number;
  readonly throttle: boolean;
  readonly before?: MKey;
}

export interface MQueue {
  readonly name: QueueName;
  strategy: QueueStrategy | undefined;
  declared: boolean;
  paused: boolean;
  disabled: boolean;
  behavior: DisabledBehavior;
  maxHeld: number;
  version: number;
  keys: Map<string, MKey>;
  /** When leases began, for the rate. */
  starts: number[];
  maxFence: number;
}

interface State {
  now: number;
  jobs: MJob[];
  links: MLink[];
  queues: Map<QueueName, MQueue>;
  ords: number;
  tail: boolean;
}

type Result = { id: string; created: boolean } & (
  { status: JobStatus; createdAt: number; runAt: number } | { skipped: true } | { gone: true } | { refused: object }
);

const FINAL: readonly JobStatus[] = ['completed', 'failed', 'cancelled'];

class Refused extends Error {
  constructor(readonly why: object) {
    super('refused');
  }
}

/**
 * What the port promises, in arrays that are searched from end to end. It decides nothing about retention and nothing
 * about order among jobs that become ready together: there the store may choose, and `model-look` judges the choice.
 */
export class Model {
  state: State;
  /** What the call under way failed by cascade, and what it ended under a consumer's rule of retention. */
  cascaded: string[] = [];
  ended: MJob[] = [];
  /** All leases that were ever given: stale ones come from here. */
  readonly leases: { queue: QueueName; id: string; fence: number }[] = [];
  /** Ids for retries and follow-up jobs. */
  fresh = 0;
  /** A sweep over all queues has just run. */
  swept = false;
  #why: object | undefined;
  #together = false;

  constructor(now: number) {
    const queues = new Map<QueueName, MQueue>();
    for (const name of QUEUES) {
      queues.set(name, {
        name,
        strategy: undefined,
        declared: false,
        paused: false,
        disabled: false,
        behavior: 'hold',
        maxHeld: 10_000,
        version: 0,
        keys: new Map(),
        starts: [],
        maxFence: 0,
      });
    }
    this.state = { now, jobs: [], links: [], queues, ords: 0, tail: false };
  }

  get now(): number {
    return this.state.now;
  }

  queue(name: QueueName): MQueue {
    return this.state.queues.get(name) as MQueue;
  }

  jobsOf(name: QueueName, ...statuses: JobStatus[]): MJob[] {
    return this.state.jobs.filter(
      (job) => job.queue === name && !job.gone && (statuses.length === 0 || statuses.includes(job.status)),
    );
  }

  find({ queue, id }: Ref): MJob | undefined {
    return this.state.jobs.find((job) => job.queue === queue && job.id === id && !job.gone);
  }

  isFinal(job: MJob): boolean {
    return FINAL.includes(job.status);
  }

  linksTo(child: MJob): MLink[] {
    return this.state.links.filter((link) => link.child === child);
  }

  /** Unfinished jobs that a user made depend on this one. */
  dependants(job: MJob): MJob[] {
    return this.state.links
      .filter(({ parent, child, hidden }) => parent === job && !hidden && !child.gone && !this.isFinal(child))
      .map(({ child }) => child);
  }

  /** Runs the parts of one transition: in which order they become ready is left open. */
  together<T>(run: () => T): T {
    this.#together = true;
    try {
      return run();
    } finally {
      this.#together = false;
      this.state.tail = false;
    }
  }

  /** The next turn. */
  #ord(): number {
    if (this.#together) return this.#tail();
    this.state.tail = false;
    return (this.state.ords += 1);
  }

  /** One turn for all that becomes ready as a consequence: the port does not say in which order. */
  #tail(): number {
    if (!this.state.tail) this.state.ords += 1;
    this.state.tail = true;
    return this.state.ords;
  }

  addGroup(name: QueueName, group: readonly NewJob[]): Result[] {
    const before = copy(this.state);
    const seen = new Set<string>();
    try {
      this.#why = undefined;
      const results = group.map((input) => this.#addOne(this.queue(name), input, seen));
      // An unknown parent, wherever it stands in the group, comes before what the switched off queue has to say.
      if (this.#why) throw new Refused(this.#why);
      return results;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.state = before;
      return group.map(({ id }) => ({ id, created: false, refused: error.why }));
    }
  }

  #addOne(queue: MQueue, input: NewJob, seen: Set<string>): Result {
    const standing = this.#standing(queue, input);
    if (standing) return standing;
    if (seen.has(input.id)) return { id: input.id, created: false, skipped: true };
    const unknown = input.parents?.refs.find(
      (ref) => !this.find(ref) && !(ref.queue === queue.name && seen.has(ref.id)),
    );
    if (unknown) throw new Refused({ why: 'unknown-parent', parent: unknown });
    if (queue.disabled && queue.behavior === 'reject') this.#why ??= { why: 'disabled' };
    if (queue.disabled && queue.behavior === 'skip') {
      seen.add(input.id);
      return { id: input.id, created: false, skipped: true };
    }
    const made = this.create(queue, input);
    if (made.status === 'paused' && this.jobsOf(queue.name, 'paused').length > queue.maxHeld) {
      this.#why ??= { why: 'held-full', limit: queue.maxHeld };
    }
    return { ...resultOf(made), created: true };
  }

  /** A follow-up job: whatever the queue does, it is not lost. */
  addAlways(name: QueueName, input: NewJob): void {
    const queue = this.queue(name);
    if (!this.#standing(queue, input)) this.create(queue, input, true);
  }

  #standing(queue: MQueue, { id, name, data, meta, delayMs, runAt, dedup }: NewJob): Result | undefined {
    const same = this.find({ queue: queue.name, id });
    if (same) return resultOf(same);
    const key = dedup && this.#keyOf(queue, dedup.key);
    if (!key) return undefined;
    if (dedup.mode === 'throttle')
      return key.job.gone ? { id: key.job.id, created: false, gone: true } : resultOf(key.job);
    if (dedup.mode === 'while-unfinished') return resultOf(key.job);
    if (key.job.status === 'active') return undefined;
    Object.assign(key.job, { name, data, meta });
    if (dedup.mode === 'debounce') this.reschedule(key.job, Math.max(this.now, runAt ?? this.now + delayMs));
    return resultOf(key.job);
  }

  #keyOf(queue: MQueue, key: string): MKey | undefined {
    const entry = queue.keys.get(key);
    return entry && entry.until > this.now ? entry : undefined;
  }

  create(queue: MQueue, input: NewJob, consequence = false): MJob {
    const { now } = this;
    const { id, name, data, meta, priority, keep, dedup, parents } = input;
    const job: MJob = {
      ...{ queue: queue.name, id, n: this.state.jobs.length, name, data, meta, priority, keep, status: 'waiting' },
      ...{ gone: false, attempt: 0, stalls: 0, suspect: false, rank: 0, ord: 0, createdAt: now, until: 0, fence: 0 },
      runAt: Math.max(now, input.runAt ?? now + input.delayMs),
      ...{ startedAt: undefined, finishedAt: undefined, owner: undefined, policy: undefined, result: undefined },
      ...{ error: undefined, reason: undefined, progress: undefined, unknownSince: undefined, from: undefined },
      ...{ again: undefined, origin: undefined, key: undefined, settled: [], logs: [], events: [], children: [] },
      ...{ depended: false, ruled: undefined, dead: false },
    };
    this.state.jobs.push(job);
    if (dedup) {
      const before = this.#keyOf(queue, dedup.key);
      const until = dedup.ttlMs === undefined ? Infinity : now + dedup.ttlMs;
      const running = dedup.mode === 'keep-last' && before?.job.status === 'active' ? before : undefined;
      job.key = dedup.key;
      queue.keys.set(dedup.key, {
        job,
        until,
        throttle: dedup.mode === 'throttle',
        ...(running && { before: running }),
      });
      if (running) this.#link(running.job, job, 'ignore', true);
    }
    let failed = false;
    for (const ref of parents?.refs ?? []) {
      const parent = this.#lastRun(this.find(ref) as MJob);
      const link = this.#link(parent, job, parents?.policy ?? 'block', false);
      if (parent.status === 'completed' || (this.isFinal(parent) && link.policy === 'ignore')) link.open = false;
      else if (this.isFinal(parent) && link.policy === 'cascade-fail') failed = true;
    }
    if (failed) {
      job.error = 'PARENT_FAILED';
      this.end(job, 'failed');
    } else if (queue.disabled) {
      job.status = 'paused';
      job.ord = consequence ? this.#tail() : this.#ord();
    } else this.admit(job, consequence);
    return job;
  }

  /** A parent that was run again is meant by its last run. */
  #lastRun(job: MJob): MJob {
    const next = job.again !== undefined && this.find({ queue: job.queue, id: job.again });
    return next && job.status !== 'completed' ? this.#lastRun(next) : job;
  }

  #link(parent: MJob, child: MJob, policy: MLink['policy'], hidden: boolean): MLink {
    const link = { parent, ref: { queue: parent.queue, id: parent.id }, child, policy, hidden, open: true };
    this.state.links.push(link);
    if (!hidden) this.nameChild(parent, { queue: child.queue, id: child.id });
    return link;
  }

  nameChild(job: MJob, child: Ref): void {
    if (!job.children.some(({ queue, id }) => queue === child.queue && id === child.id)) job.children.push(child);
  }

  /** Puts a job that nothing has started where it belongs. */
  admit(job: MJob, consequence: boolean): void {
    if (this.linksTo(job).some(({ open }) => open)) job.status = 'waiting-children';
    else if (job.runAt > this.now) this.#delay(job, job.runAt, consequence);
    else {
      job.runAt = this.now;
      this.ready(job, true, consequence);
    }
  }

  ready(job: MJob, anew: boolean, consequence = false): void {
    if (anew) job.ord = consequence ? this.#tail() : this.#ord();
    job.rank = this.queue(job.queue).strategy === 'priority' ? job.priority : 0;
    job.status = 'waiting';
  }

  #delay(job: MJob, runAt: number, consequence = false): void {
    job.ord = consequence ? this.#tail() : this.#ord();
    job.runAt = runAt;
    job.status = 'delayed';
  }

  /** Later by `ms`, or now. */
  later(job: MJob, ms: number, anew: boolean): void {
    if (ms > 0) this.#delay(job, this.now + ms);
    else {
      job.runAt = this.now;
      this.ready(job, anew);
    }
  }

  reschedule(job: MJob, runAt: number): void {
    if (job.status === 'paused' || job.status === 'waiting-children') job.runAt = runAt;
    else this.later(job, runAt - this.now, true);
  }

  promoteDue(name: QueueName): void {
    const due = this.jobsOf(name, 'delayed').filter(({ runAt }) => runAt <= this.now);
    for (const job of due.toSorted((x, y) => x.runAt - y.runAt || x.ord - y.ord)) this.ready(job, true);
  }

  unhold(name: QueueName, limit: number): void {
    const held = this.jobsOf(name, 'paused').toSorted((x, y) => x.ord - y.ord);
    for (const job of held.slice(0, limit)) this.admit(job, false);
  }

  /** The one end of every job. */
  end(job: MJob, how: 'completed' | 'failed' | 'cancelled'): void {
    job.status = how;
    job.finishedAt = this.now;
    this.ended.push(job);
    if (this.dependants(job).length > 0) job.depended = true;
    const deadLetter = how === 'failed' ? job.policy?.deadLetter : undefined;
    job.dead ||= deadLetter !== undefined;
    if (deadLetter?.queue !== undefined) {
      const { name, data, meta, priority } = job;
      const input: NewJob = {
        id: '',
        idGiven: false,
        name,
        meta,
        priority,
        delayMs: 0,
        ...(data !== undefined && { data }),
      };
      const copy = this.create(this.queue(deadLetter.queue as QueueName), input, true);
      copy.origin = { queue: job.queue, id: job.id };
      copy.error = job.error;
    }
    this.#leave(job);
  }

  /** Deletes the record. */
  forget(job: MJob): void {
    job.gone = true;
    if (!this.isFinal(job)) this.#leave(job);
  }

  /** Frees its key, its parents, and those who wait for it. */
  #leave(job: MJob): void {
    const keys = this.queue(job.queue).keys;
    const held = job.key === undefined ? undefined : keys.get(job.key);
    if (job.key !== undefined && held?.job === job && !held.throttle) {
      const { before } = held;
      if (before && !before.job.gone && !this.isFinal(before.job)) keys.set(job.key, before);
      else keys.delete(job.key);
    }
    for (const link of this.linksTo(job)) link.open = false;
    for (const link of this.state.links.filter(({ parent, open }) => parent === job && open)) {
      if (!link.open) continue;
      if (job.status === 'completed' || link.policy === 'ignore') {
        link.open = false;
        if (link.child.status === 'waiting-children' && !this.linksTo(link.child).some(({ open }) => open)) {
          this.admit(link.child, true);
        }
      } else if (link.policy === 'cascade-fail') {
        link.child.error = 'PARENT_FAILED';
        this.cascaded.push(`${link.child.queue}/${link.child.id}`);
        this.end(link.child, 'failed');
      }
    }
  }

  /** Who waits for `job` waits for `again` from now on. */
  inherit(job: MJob, again: MJob): void {
    for (const { ref, parent, policy, hidden } of this.linksTo(job)) {
      if (hidden) continue;
      const link = this.#link(parent, again, policy, false);
      link.ref = ref;
      link.open = !parent.gone && !this.isFinal(parent);
    }
    for (const link of this.state.links) {
      if (link.parent !== job || !link.open || link.hidden) continue;
      link.parent = again;
      link.ref = { queue: again.queue, id: again.id };
      this.nameChild(again, { queue: link.child.queue, id: link.child.id });
    }
  }

  /** An expired lease is taken back. */
  stall(job: MJob): void {
    const { guaranteedWorker, maxStalledCount, stallBackoff } = job.policy as LeasePolicy;
    if (guaranteedWorker) {
      job.attempt -= 1;
      job.stalls += 1;
      job.events.push('stalled');
    }
    if (!guaranteedWorker || job.stalls > maxStalledCount) {
      job.error = guaranteedWorker ? 'STALLED_TOO_OFTEN' : 'CRASHED';
      this.end(job, 'failed');
      return;
    }
    job.suspect = job.stalls >= maxStalledCount;
    const wait = Math.min(stallBackoff.delayMs * 2 ** (job.stalls - 2), stallBackoff.maxDelayMs);
    this.later(job, job.stalls < 2 ? 0 : wait, job.stalls > 1);
  }

  /** What the rules say of the next one to be handed out: smaller is sooner. */
  turn(job: MJob): [number, number] {
    return this.queue(job.queue).strategy === 'lifo' ? [0, -job.ord] : [job.rank, job.ord];
  }

  closed(name: QueueName): boolean {
    return this.queue(name).paused || this.queue(name).disabled;
  }
}

/** A deep copy in which what was one object still is. (`structuredClone` would answer objects of another realm.) */
function copy<T>(value: T, known = new Map<unknown, unknown>()): T {
  if (typeof value !== 'object' || value === null) return value;
  const before = known.get(value);
  if (before !== undefined) return before as T;
  const made = Array.isArray(value) ? [] : value instanceof Map ? new Map() : {};
  known.set(value, made);
  if (value instanceof Map)
    for (const [key, item] of value) (made as Map<unknown, unknown>).set(key, copy(item, known));
  else for (const [key, item] of Object.entries(value)) Object.assign(made, { [key]: copy(item as unknown, known) });
  return made as T;
}

function resultOf({ id, status, createdAt, runAt }: MJob): Result {
  return { id, created: false, status, createdAt, runAt };
}

/** Asserts that these come in an order that the rules allow; equal turns may come either way. */
export function inTurn(model: Model, jobs: readonly MJob[], what: string): void {
  for (const [i, job] of jobs.entries()) {
    const next = jobs[i + 1];
    if (!next) return;
    const [a, b] = [model.turn(job), model.turn(next)];
    assert.ok(a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]), `${what}: "${next.id}" stands behind "${job.id}"`);
  }
}

import type { EngineInside } from '../engine/engine-inside.js';
import type { EngineEvents, EventBus } from '../kernel/events.js';
import type { Codec } from '../kernel/job/codec.js';
import { addressOf, jobOpts, type JobAddress, type JobOwnOptions } from '../kernel/job/job.js';
import { isFinal, type JobStatus } from '../kernel/job/states.js';
import type { StoredError } from '../kernel/job/stored-job.js';
import type { EnqueueResult, NewJob } from '../kernel/ports/new-job.js';

/** A job as it was added, whatever became of it since. @publicApi */
export interface EnqueuedJob<T = unknown> {
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  /** As its handler will read it: what the caller did to the object afterwards does not show. */
  readonly data: T;
  /** What the add asked for, durations in ms. */
  readonly options: JobOwnOptions;
  /** As it was added: `waiting`, `delayed`, `waiting-children`, ... */
  readonly status: JobStatus;
  readonly priority: number;
  readonly createdAt: number;
  /** When it may run (ms since 1970). */
  readonly runAt: number;
  readonly tags: readonly string[];
  readonly dependsOn: readonly JobAddress[];
  readonly correlationId?: string;
  readonly triggeredBy?: string;
  readonly parentId?: string;
}

/** What an engine has told of one job. */
export interface JobCourse {
  readonly seen: Set<JobStatus>;
  /** The state that it ended in. */
  ended?: JobStatus;
  result?: unknown;
  error?: StoredError;
  reason?: string | undefined;
  /** What the handler threw. */
  thrown?: unknown;
}

/** Remembers what jobs an engine added and what became of jobs, from the moment it is made. */
export class History {
  #enqueued: EnqueuedJob[] = [];
  readonly #courses = new Map<string, JobCourse>();
  readonly #waiting = new Set<() => void>();

  constructor({ events }: Pick<EngineInside, 'events'>) {
    const before = events.tap;
    events.tap = {
      added: (queue, job, result, codec) => {
        before?.added(queue, job, result, codec);
        this.#enqueued.push(enqueuedJob(queue, job, result, codec));
        this.#saw(queue, result.id, result.status);
      },
      failed: (queue, id, thrown) => {
        before?.failed(queue, id, thrown);
        this.#course(queue, id).thrown = thrown;
      },
    };
    const on: EventBus['on'] = (event, listener) => events.on(event, listener);
    on('job:start', ({ queue, id }) => this.#saw(queue, id, 'active'));
    on('job:retry', ({ queue, id, delayMs }) => this.#saw(queue, id, delayMs > 0 ? 'delayed' : 'waiting'));
    on('job:released', ({ queue, id, delayMs }) => this.#saw(queue, id, delayMs > 0 ? 'delayed' : 'waiting'));
    on('job:success', (event) => this.#succeeded(event));
    on('job:fail', ({ queue, id, error }) => {
      this.#course(queue, id).error = error;
      this.#saw(queue, id, 'failed');
    });
    on('job:cancelled', ({ queue, id, reason }) => {
      this.#course(queue, id).reason = reason;
      this.#saw(queue, id, 'cancelled');
    });
  }

  /** In the order in which they were added. */
  enqueued(queue?: string): EnqueuedJob[] {
    return this.#enqueued.filter((job) => queue === undefined || job.queue === queue);
  }

  course(queue: string, id: string): JobCourse | undefined {
    return this.#courses.get(keyOf(queue, id));
  }

  clear(): void {
    this.#enqueued = [];
    this.#courses.clear();
  }

  /** Calls `wake` at whatever happens next to any job; answers what ends that. */
  onChange(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => this.#waiting.delete(wake);
  }

  #succeeded({ queue, id, result }: EngineEvents['job:success']): void {
    this.#course(queue, id).result = result;
    this.#saw(queue, id, 'completed');
  }

  #course(queue: string, id: string): JobCourse {
    const key = keyOf(queue, id);
    let course = this.#courses.get(key);
    if (!course) this.#courses.set(key, (course = { seen: new Set() }));
    return course;
  }

  #saw(queue: string, id: string, status: JobStatus): void {
    const course = this.#course(queue, id);
    course.seen.add(status);
    if (isFinal(status)) course.ended = status;
    for (const wake of [...this.#waiting]) wake();
  }
}

function enqueuedJob(queue: string, job: NewJob, result: EnqueueResult, codec: Codec): EnqueuedJob {
  const { name, data, meta, priority, parents } = job;
  const { correlationId, triggeredBy, parentId, tags = [] } = meta;
  return {
    id: result.id,
    queue,
    name,
    data: data === undefined ? undefined : decoded(codec, data),
    options: jobOpts(meta),
    status: result.status,
    priority,
    createdAt: result.createdAt,
    runAt: result.runAt,
    tags,
    dependsOn: parents ? parents.refs.map(addressOf) : [],
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(triggeredBy === undefined ? {} : { triggeredBy }),
    ...(parentId === undefined ? {} : { parentId }),
  };
}

/** A codec that cannot read what it wrote must not hurt an add that the store has acknowledged. */
function decoded(codec: Codec, text: string): unknown {
  try {
    return codec.decode(text);
  } catch {
    return text;
  }
}

function keyOf(queue: string, id: string): string {
  return `${queue}\n${id}`;
}

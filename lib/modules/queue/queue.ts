import { InvalidOptionsError } from '../../kernel/errors/index.js';
import type { EventBus } from '../../kernel/events.js';
import { jobOpts, toJob } from '../../kernel/job/job.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MAX_TEXT_CHARS } from '../../kernel/job/limits.js';
import { JOB_STATUSES, type JobStatus } from '../../kernel/job/states.js';
import { safeText } from '../../kernel/job/text.js';
import type { JobCounts } from '../../kernel/ports/job-admin.js';
import type { CallId, EnqueueResult, JobStore, NewJob } from '../../kernel/ports/job-store.js';
import type { Signals } from '../../kernel/ports/signals.js';
import type { Enqueuer } from '../../kernel/runtime/enqueuer.js';
import { JobHandle, type CancelOutcome } from './job-handle.js';
import { DEFAULT_JOB_NAME, newJob, type ProducerPlan } from './new-job.js';
import type { BulkItem, JobOptions, OptionsAfter, PayloadFor } from './queue.types.js';

/** Chunks of one bulk call that wait to be sent at once: half of the jobs that may wait, or a large bulk would be refused. */
const MAX_CHUNKS_AT_ONCE = 50;

/** What a queue's producer side needs of a running engine. */
export interface QueueHost {
  readonly plan: ProducerPlan;
  readonly enqueuer: Enqueuer;
  readonly store: JobStore;
  readonly signals: Signals;
  readonly events: EventBus;
  newId(): string;
  /** Resolves when the store can be called. */
  ready(): Promise<void>;
  /** Sends a call to this queue, again if its reply is lost. */
  call<T>(where: string, send: (call: CallId) => Promise<T>): Promise<T>;
}

/** @publicApi */
export interface JobPage<T, R> {
  readonly jobs: JobHandle<T, R>[];
  /** Give it to the next call; absent on the last page. */
  readonly cursor?: string;
}

/**
 * The producer's side of a queue.
 *
 * @example
 * const mail = queue<{ to: string }>({ name: 'mail' });
 * const job = await mail.add({ to: 'ada@example.com' }, { delay: '10m' });
 * @publicApi
 */
export class Queue<T = unknown, R = unknown> {
  readonly #host: () => QueueHost;
  /** One function for all handles of this queue. */
  readonly #cancel = async (id: string, reason?: string): Promise<CancelOutcome> => {
    const host = await this.#connected();
    const why = reason === undefined ? undefined : safeText(reason, MAX_TEXT_CHARS);
    const reply = await host.call('Queue.cancel', (call) => host.store.admin.cancel(call, this.name, id, why));
    if (reply.verdict !== 'cancelled') return reply.verdict;
    const detail = why === undefined ? {} : { reason: why };
    if (reply.owner !== undefined && reply.fence !== undefined) {
      // The next heartbeat tells the owner too; the message only makes it prompt.
      await host.signals
        .send(reply.owner, { kind: 'cancel', queue: this.name, id, fence: reply.fence, ...detail })
        .catch((error: unknown) => host.events.report('Queue.cancel', error));
    }
    host.events.emit('job:cancelled', { queue: this.name, id, ...detail });
    return 'cancelled';
  };

  /** @internal Made by `queue()`, the engine or the Nest face. */
  constructor(
    readonly name: string,
    host: () => QueueHost,
  ) {
    this.#host = host;
  }

  /**
   * Adds a job. Resolves once the store acknowledged it. A first argument that is a string, followed by another
   * argument, is the job's name; so a payload that is itself a string and needs options is added with its name:
   * `add('default', text, opts)`.
   *
   * @throws InvalidOptionsError, InvalidPayloadError, PayloadTooLargeError before anything is sent
   * @throws StoreFullError, UnknownOutcomeError
   */
  add(data: T, ...opts: OptionsAfter<T>): Promise<JobHandle<T, R>>;
  add<N extends string>(name: N, data: PayloadFor<T, N>, opts?: JobOptions): Promise<JobHandle<T, R>>;
  async add(...args: readonly unknown[]): Promise<JobHandle<T, R>> {
    const named = typeof args[0] === 'string' && args.length > 1;
    const [name, data, opts] = named ? (args as [string, unknown, unknown?]) : [DEFAULT_JOB_NAME, args[0], args[1]];
    const host = this.#host();
    // Encoded before anything is awaited: the caller may change the object as soon as it has the promise.
    const job = newJob(host.plan, name, data, opts, host.newId);
    await host.ready();
    const [result] = await host.enqueuer.add([job]);
    return this.#handle(host, job, result as EnqueueResult, data as T);
  }

  /**
   * Adds many jobs in order: all or nothing for each chunk of at most 1 000 items and 1 MiB. Every item is checked
   * before the first chunk is sent.
   */
  async addBulk(items: readonly BulkItem<T>[]): Promise<JobHandle<T, R>[]> {
    const host = this.#host();
    const jobs = items.map((item, i) => {
      try {
        return newJob(host.plan, item.name ?? DEFAULT_JOB_NAME, item.data, item.opts, host.newId);
      } catch (error) {
        throw inItem(error, i);
      }
    });
    await host.ready();
    const cut = chunks(jobs);
    const results: EnqueueResult[] = [];
    for (let at = 0; at < cut.length; at += MAX_CHUNKS_AT_ONCE) {
      const sent = cut.slice(at, at + MAX_CHUNKS_AT_ONCE).map((chunk) => host.enqueuer.add(chunk));
      for (const answers of await Promise.all(sent)) results.push(...answers);
    }
    const handles: JobHandle<T, R>[] = [];
    for (const [i, job] of jobs.entries()) {
      const handle = this.#handle(host, job, results[i] as EnqueueResult, (items[i] as BulkItem<T>).data);
      handles.push(handle instanceof Promise ? await handle : handle);
    }
    return handles;
  }

  /** One job with its record as it is now, or `undefined`. */
  async getJob(id: string): Promise<JobHandle<T, R> | undefined> {
    const host = await this.#connected();
    const stored = await host.store.admin.get(this.name, id);
    return stored && JobHandle.of<T, R>(toJob(stored, host.plan.codec), false, this.#cancel);
  }

  /**
   * One page of the jobs of one state: waiting in the order of their turn, delayed by due time, finished newest first.
   * `limit` is 1 to 1 000, 100 by default.
   */
  async getJobs(request: { status: JobStatus; limit?: number; cursor?: string }): Promise<JobPage<T, R>> {
    const host = await this.#connected();
    const { status, limit = 100, cursor } = request;
    const problems: string[] = [];
    if (!JOB_STATUSES.includes(status)) problems.push(`status: expected one of ${JOB_STATUSES.join(', ')}`);
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_BATCH_ITEMS) {
      problems.push(`limit: expected a whole number from 1 to ${MAX_BATCH_ITEMS}`);
    }
    if (problems.length > 0) throw new InvalidOptionsError(`Queue.getJobs (queue "${this.name}")`, problems);
    const page = await host.store.admin.find({
      queue: this.name,
      status,
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return {
      jobs: page.jobs.map((stored) => JobHandle.of<T, R>(toJob(stored, host.plan.codec), false, this.#cancel)),
      ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
    };
  }

  /** Jobs per state. */
  async counts(): Promise<JobCounts> {
    const host = await this.#connected();
    return host.store.admin.counts(this.name);
  }

  /** Jobs of one state, or of all. */
  async count(status?: JobStatus): Promise<number> {
    const counts = await this.counts();
    return status ? counts[status] : Object.values(counts).reduce((sum, n) => sum + n, 0);
  }

  /** Stops handing out jobs to every process, until resumed. Running jobs finish. Survives restarts. */
  async pause(): Promise<void> {
    const host = await this.#connected();
    const changed = await host.call('Queue.pause', (call) => host.store.admin.pause(call, this.name));
    if (changed) host.events.emit('queue:paused', { queue: this.name });
  }

  async resume(): Promise<void> {
    const host = await this.#connected();
    const changed = await host.call('Queue.resume', (call) => host.store.admin.resume(call, this.name));
    if (changed) host.events.emit('queue:resumed', { queue: this.name });
  }

  async isPaused(): Promise<boolean> {
    const host = await this.#connected();
    return (await host.store.admin.record(this.name))?.paused ?? false;
  }

  async #connected(): Promise<QueueHost> {
    const host = this.#host();
    await host.ready();
    return host;
  }

  /** The handle of what the store answered; the record of a job that was there before is read. */
  #handle(host: QueueHost, job: NewJob, result: EnqueueResult, data: T): JobHandle<T, R> | Promise<JobHandle<T, R>> {
    const { id, created, status, createdAt, runAt } = result;
    if (!created) return this.#standing(host, job, result, data);
    if (host.events.has('job:added')) host.events.emit('job:added', { queue: this.name, id, name: job.name, status });
    const { tags = [], correlationId } = job.meta;
    const opts = jobOpts(job.meta);
    const { name, priority } = job;
    const base = { id, queueName: this.name, name, status, data, opts, priority, createdAt, runAt, tags };
    const handle = new JobHandle<T, R>(base, created, this.#cancel);
    return correlationId === undefined ? handle : Object.assign(handle, { correlationId });
  }

  async #standing(host: QueueHost, job: NewJob, result: EnqueueResult, data: T): Promise<JobHandle<T, R>> {
    const stored = await host.store.admin.get(this.name, result.id);
    if (stored) return JobHandle.of<T, R>(toJob(stored, host.plan.codec), false, this.#cancel);
    // Removed in the meantime: what the answer said of it is all there is.
    const { id, status, createdAt, runAt } = result;
    const { name, priority } = job;
    const base = { id, queueName: this.name, name, status, data, opts: {}, priority, createdAt, runAt, tags: [] };
    return new JobHandle<T, R>(base, false, this.#cancel);
  }
}

function inItem(error: unknown, index: number): unknown {
  if (error instanceof InvalidOptionsError) {
    return new InvalidOptionsError(`Queue.addBulk, item ${index}`, error.problems);
  }
  if (error instanceof Error) error.message = `item ${index}: ${error.message}`;
  return error;
}

function chunks(jobs: readonly NewJob[]): NewJob[][] {
  const cut: NewJob[][] = [];
  let bytes = 0;
  for (const job of jobs) {
    const size = job.data?.length ?? 0;
    const last = cut.at(-1);
    if (last && last.length < MAX_BATCH_ITEMS && bytes + size <= MAX_BATCH_BYTES) {
      last.push(job);
      bytes += size;
    } else {
      cut.push([job]);
      bytes = size;
    }
  }
  return cut;
}

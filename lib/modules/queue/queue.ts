import { JobNotFoundError } from '../../kernel/errors/index.js';
import type { Duration } from '../../kernel/job/duration.js';
import { addressOf, jobOpts, toJob, type Job } from '../../kernel/job/job.js';
import { isFinal, type JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type { JobCounts, JobFilter } from '../../kernel/ports/job-admin.js';
import type { JobMeta } from '../../kernel/job/stored-job.js';
import { errorOf } from '../../kernel/runtime/finish-waiter.js';
import { parseOptions } from '../../kernel/validation.js';
import { accepted, addMany, addSpecial, inItem, isPlain, type Added } from './adding.js';
import {
  cancelJob,
  changeDelay,
  drainQueue,
  findDead,
  obliterateQueue,
  pauseQueue,
  redriveJobs,
  resumeQueue,
  updateData,
} from './admin.js';
import { lineageHere, sendTold } from './instrumented.js';
import { JobHandle, type FreshJob, type JobActions } from './job-handle.js';
import { checkPayload, encodePayload, newJob, type Lineage } from './new-job.js';
import type { QueueHost } from './queue-host.js';
import type { BulkItem, JobOptions, OptionsAfter, PayloadFor } from './queue.types.js';
import { readBack } from './read-back.js';
import {
  deadLettersSchema,
  delaySchema,
  drainSchema,
  getJobsSchema,
  obliterateSchema,
  redriveSchema,
  waitSchema,
} from './requests.js';

/** What jobs of a list must be like; everything given must hold. Instants are ms since 1970, or a `Date`. @publicApi */
export interface JobSearch extends Omit<JobFilter, 'dead' | 'createdFrom' | 'createdTo'> {
  /** Added at or after this instant. */
  readonly createdFrom?: number | Date;
  /** Added before this instant. */
  readonly createdTo?: number | Date;
}

/** @publicApi */
export interface PageRequest {
  /** Jobs per page, 1 to 1 000. @default 100 */
  readonly limit?: number;
  /** Where the page before ended. */
  readonly cursor?: string;
  /** Of a filtered list each page looks at 1 000 jobs at most: it may be short, or empty, and still have a cursor. */
  readonly filter?: JobSearch;
}

/** @publicApi */
export interface JobPage<T, R> {
  readonly jobs: JobHandle<T, R>[];
  /** Give it to the next call; absent on the last page. */
  readonly cursor?: string;
}

/**
 * The producer's side of a queue. Every call rejects with `EngineStateError` once the engine was stopped, and with
 * `StoreUnreachableError` (a read) or `UnknownOutcomeError` (a write) while the store does not answer.
 *
 * @example
 * const mail = queue<{ to: string }>({ name: 'mail' });
 * const job = await mail.add({ to: 'ada@example.com' }, { delay: '10m' });
 * @publicApi
 */
export class Queue<T = unknown, R = unknown> {
  readonly #host: () => QueueHost;
  readonly #actions: JobActions = {
    cancel: async (id, reason) => cancelJob(await this.#connected(), id, reason),
    wait: (job, options) => this.#wait(job, options),
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
   * @throws UnknownParentError, AmbiguousJobError for what `dependsOn` names
   * @throws QueueDisabledError, TooManyHeldJobsError while the queue is disabled
   * @throws StoreFullError, UnknownOutcomeError
   */
  add(data: T, ...opts: OptionsAfter<T>): Promise<JobHandle<T, R>>;
  add<N extends string>(name: N, data: PayloadFor<T, N>, opts?: JobOptions): Promise<JobHandle<T, R>>;
  add(...args: readonly unknown[]): Promise<JobHandle<T, R>> {
    const named = typeof args[0] === 'string' && args.length > 1;
    const [name, data, opts] = named ? (args as [string, unknown, unknown?]) : [undefined, args[0], args[1]];
    return this.addFrom(undefined, name, data as T, opts);
  }

  /** @internal Adds a job on behalf of another one. `options` are checked. */
  async addFrom(
    lineage: Lineage | undefined,
    name: string | undefined,
    data: T,
    options: unknown,
  ): Promise<JobHandle<T, R>> {
    const host = this.#host();
    // Encoded before anything is awaited: the caller may change the object as soon as it has the promise.
    const draft = newJob(host.plan, name, data, options, host.newId, lineageHere(host, lineage));
    if (host.instruments.adds) {
      return sendTold(host, [draft], false, async ([told = draft]) =>
        this.#handle(host, await addSpecial(host, told), data),
      );
    }
    if (!isPlain(draft)) return this.#handle(host, await addSpecial(host, draft), data);
    // Inline: each asynchronous function in between would cost every add.
    await host.ready();
    return this.#handle(host, accepted(host, draft, draft.job, await host.enqueuer.add([draft.job])), data);
  }

  /**
   * Adds many jobs in order: all or nothing for each chunk of at most 1 000 items and 1 MiB. Every item is checked
   * before the first chunk is sent. An item may depend on an earlier one of the same call by its `jobId`. `tx` adds them
   * all in your own transaction, as the option of that name does for one.
   *
   * @throws what {@link add} throws; an error that is about one item says which
   */
  async addBulk(items: readonly BulkItem<T>[], { tx }: Pick<JobOptions, 'tx'> = {}): Promise<JobHandle<T, R>[]> {
    const host = this.#host();
    const lineage = lineageHere(host);
    const drafts = items.map((item, i) => {
      try {
        const opts = tx === undefined ? item.opts : { tx, ...item.opts };
        return newJob(host.plan, item.name, item.data, opts, host.newId, lineage);
      } catch (error) {
        throw inItem(error, i);
      }
    });
    const handles: JobHandle<T, R>[] = [];
    const many = host.instruments.adds
      ? await sendTold(host, drafts, true, (told) => addMany(host, told))
      : await addMany(host, drafts);
    for (const [i, added] of many.entries()) {
      const handle = this.#handle(host, added, (items[i] as BulkItem<T>).data);
      handles.push(handle instanceof Promise ? await handle : handle);
    }
    return handles;
  }

  /** One job with its record as it is now, or `undefined`. */
  async getJob(id: string): Promise<JobHandle<T, R> | undefined> {
    const host = await this.#connected();
    const stored = await host.store.admin.get(this.name, id);
    return stored && this.#read(host, stored);
  }

  /**
   * One page of the jobs of one state: waiting in the order of their turn, delayed by due time, finished newest first.
   *
   * @throws InvalidOptionsError
   */
  async getJobs(
    request: PageRequest & { readonly status: JobStatus; readonly filter?: JobSearch & Pick<JobFilter, 'dead'> },
  ): Promise<JobPage<T, R>> {
    const checked = parseOptions(this.#where('getJobs'), getJobsSchema, request);
    const host = await this.#connected();
    return this.#page(host, await host.store.admin.find({ queue: this.name, ...checked }));
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

  /**
   * Gives a job that has not started another payload, checked like that of `add`. What runs already,
   * or has ended, keeps its own.
   *
   * @throws InvalidPayloadError, PayloadTooLargeError before anything is sent
   * @throws JobNotFoundError, JobStateError
   * @example
   * await mail.updateData(job.id, { to: 'grace@example.com' });
   */
  async updateData(id: string, data: T): Promise<void> {
    const { plan } = this.#host();
    const where = this.#where('updateData');
    const text = encodePayload(plan, where, data);
    await checkPayload(plan, where, text);
    await updateData(await this.#connected(), id, text);
  }

  /**
   * Sets when a job that has not started may run, from now: ms, or a text such as `'5m'`; 0 = at once.
   *
   * @throws InvalidOptionsError, JobNotFoundError, JobStateError
   */
  async changeDelay(id: string, delay: Duration): Promise<void> {
    const delayMs = parseOptions(this.#where('changeDelay'), delaySchema, delay);
    await changeDelay(await this.#connected(), id, delayMs);
  }

  /** Stops handing out jobs to every process, until resumed. Running jobs finish. Survives restarts. */
  async pause(): Promise<void> {
    await pauseQueue(await this.#connected());
  }

  async resume(): Promise<void> {
    await resumeQueue(await this.#connected());
  }

  async isPaused(): Promise<boolean> {
    const host = await this.#connected();
    return (await host.store.admin.record(this.name))?.paused ?? false;
  }

  /** True while the queue is switched off: nothing is handed out, new jobs are treated by its `disabledBehavior`. */
  async isDisabled(): Promise<boolean> {
    const host = await this.#connected();
    return (await host.store.admin.record(this.name))?.disabled ?? false;
  }

  /**
   * Pauses the queue and resolves when nothing of it runs any more, in any process. It stays paused: `resume` it.
   *
   * @throws InvalidOptionsError
   * @throws DrainTimeoutError when jobs still run after `timeout` (no default: it waits); the queue stays paused
   * @throws EngineStateError when the engine is stopped meanwhile
   * @example
   * await mail.drain({ timeout: '1m' });
   * await migrate();
   * await mail.resume();
   */
  async drain(options: { readonly timeout?: Duration } = {}): Promise<void> {
    const { timeout } = parseOptions(this.#where('drain'), drainSchema, options);
    await this.#connected();
    await drainQueue(this.#host, timeout);
  }

  /**
   * Deletes the jobs of the queue, finished ones too, and answers how many. Running ones are spared unless `force`:
   * then their handlers are told to stop as having lost their job. Jobs that depend on deleted ones take them for
   * failed. The queue and its settings stay. Jobs that are added meanwhile may stay, or be deleted.
   *
   * @throws InvalidOptionsError
   */
  async obliterate(options: { readonly force?: boolean } = {}): Promise<number> {
    const { force } = parseOptions(this.#where('obliterate'), obliterateSchema, options);
    return obliterateQueue(await this.#connected(), force);
  }

  /**
   * One page of the jobs that failed for good and were not run again, the last one first.
   *
   * @throws InvalidOptionsError
   */
  async deadLetters(request: PageRequest = {}): Promise<JobPage<T, R>> {
    const checked = parseOptions(this.#where('deadLetters'), deadLettersSchema, request);
    const host = await this.#connected();
    return this.#page(host, await findDead(host, checked));
  }

  /**
   * Runs dead letters again: each as a new job with the same payload, and both records name each other. Takes the last
   * `limit` (1 to 10 000, 1 000 by default), adds the oldest of them first, and answers the ids of the new jobs. Jobs
   * that wait for an old one (policy `block`) wait for the new one.
   *
   * @throws InvalidOptionsError
   * @example
   * const ids = await mail.redrive({ filter: { name: 'welcome', createdFrom: Date.now() - 3_600_000 } });
   */
  async redrive(request: { readonly limit?: number; readonly filter?: JobSearch } = {}): Promise<string[]> {
    const { limit, filter } = parseOptions(this.#where('redrive'), redriveSchema, request);
    return redriveJobs(await this.#connected(), limit, filter);
  }

  /** @internal The handle of a record that was read elsewhere. */
  handleOf(stored: StoredJob, created = false): JobHandle<T, R> {
    return this.#read(this.#host(), stored, created);
  }

  async #connected(): Promise<QueueHost> {
    const host = this.#host();
    await host.ready();
    return host;
  }

  #where(method: string): string {
    return `Queue.${method} (queue "${this.name}")`;
  }

  #page(host: QueueHost, { jobs, cursor }: { jobs: readonly StoredJob[]; cursor?: string }): JobPage<T, R> {
    return {
      jobs: jobs.map((stored) => this.#read(host, stored)),
      ...(cursor === undefined ? {} : { cursor }),
    };
  }

  #read(host: QueueHost, stored: StoredJob, created = false): JobHandle<T, R> {
    return JobHandle.of<T, R>(toJob(stored, host.plan.codec, host.home), created, this.#actions);
  }

  /** The handle of what the store answered; the record of a job that was there before, or that has ended, is read. */
  #handle(host: QueueHost, added: Added, data: T): JobHandle<T, R> | Promise<JobHandle<T, R>> {
    const { job, result } = added;
    const { id, created, status } = result;
    if (!created) return result.skipped ? this.#skipped(host, added, data) : this.#standing(host, added, data);
    if (!added.uncommitted) host.events.tap?.added(this.name, job, result, host.plan.codec);
    if (!added.uncommitted && host.events.has('job:added'))
      host.events.emit('job:added', { queue: this.name, id, name: job.name, status });
    if (status === 'failed') return this.#bornFailed(host, added, data);
    const handle = new JobHandle<T, R>(this.#fresh(host, added, data), created, this.#actions);
    const { correlationId, triggeredBy, parentId } = job.meta;
    const extra = job.parents ?? job.dedup ?? correlationId ?? triggeredBy ?? parentId ?? job.meta.job?.attempts;
    return extra === undefined ? handle : Object.assign(handle, extraOf(added));
  }

  #fresh(host: QueueHost, { job, result }: Added, data: T): FreshJob<T, R> {
    const { id, status, createdAt, runAt } = result;
    const { name, priority, meta } = job;
    const { project, environment } = host.home;
    const { tags = [] } = meta;
    const opts = jobOpts(meta);
    const queueName = this.name;
    return { id, queueName, name, project, environment, status, data, opts, priority, createdAt, runAt, tags };
  }

  #skipped(host: QueueHost, added: Added, data: T): JobHandle<T, R> {
    return JobHandle.of<T, R>({ ...this.#fresh(host, added, data), skipped: true }, false, this.#actions);
  }

  async #standing(host: QueueHost, added: Added, data: T): Promise<JobHandle<T, R>> {
    const stored = await readBack(host.store.admin, this.name, added.result.id);
    if (stored) return this.#read(host, stored);
    // Removed in the meantime, or out of reach: what the answer said of it is all there is.
    return new JobHandle<T, R>({ ...this.#fresh(host, added, data), opts: {}, tags: [] }, false, this.#actions);
  }

  /** A parent had failed already, and the policy is `cascade-fail`: the job ended as it was added. */
  async #bornFailed(host: QueueHost, added: Added, data: T): Promise<JobHandle<T, R>> {
    const { id } = added.result;
    const { name } = added.job;
    const stored = await readBack(host.store.admin, this.name, id);
    const error = stored?.error ?? { name: 'ParentFailedError', code: 'PARENT_FAILED', message: 'a parent had failed' };
    host.events.emit('job:fail', { queue: this.name, id, name, attempt: 0, error });
    return stored
      ? this.#read(host, stored, true)
      : JobHandle.of<T, R>({ ...this.#fresh(host, added, data), ...extraOf(added), error }, true, this.#actions);
  }

  async #wait(job: Parameters<JobActions['wait']>[0], options: unknown): Promise<unknown> {
    const where = 'JobHandle.waitUntilFinished';
    const { timeout } = parseOptions(where, waitSchema, options ?? {});
    if (job.skipped) throw new JobNotFoundError(where, this.name, job.id, 'The queue is disabled and dropped it.');
    // A final state is final, so what the handle read is what there will ever be; if it did read the record.
    const read = job.finishedAt !== undefined || job.error !== undefined;
    if (isFinal(job.status) && read) return resultOf(job, job.status);
    const host = await this.#connected();
    return host.waiter.wait(this.name, job.id, host.plan.codec, timeout);
  }
}

function resultOf({ queueName, id, error, reason, returnValue }: Job, status: Parameters<typeof errorOf>[2]['status']) {
  const failure = errorOf(queueName, id, {
    status,
    ...(error ? { error } : {}),
    ...(reason === undefined ? {} : { reason }),
  });
  if (failure) throw failure;
  return returnValue;
}

/** What only some jobs have. */
function extraOf({ job }: Added): Partial<Job<never, never>> {
  const { correlationId, triggeredBy, parentId, job: own }: JobMeta = job.meta;
  return {
    ...(job.parents ? { dependsOn: job.parents.refs.map(addressOf) } : {}),
    ...(job.dedup ? { deduplicationKey: job.dedup.key } : {}),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(triggeredBy === undefined ? {} : { triggeredBy }),
    ...(parentId === undefined ? {} : { parentId }),
    ...(own?.attempts === undefined ? {} : { maxAttempts: own.attempts }),
  };
}

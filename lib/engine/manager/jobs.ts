import { AlreadyRetriedError, AmbiguousJobError, JobNotFoundError, JobStateError } from '../../kernel/errors/index.js';
import { emitCascaded } from '../../kernel/events.js';
import { MAX_BATCH_ITEMS, MAX_PRIORITY } from '../../kernel/job/limits.js';
import { JOB_STATUSES, isFinal, type JobStatus } from '../../kernel/job/states.js';
import type { StoredJob } from '../../kernel/job/stored-job.js';
import type { ChangeReply, RetryReply } from '../../kernel/ports/job-admin.js';
import type { CallId } from '../../kernel/ports/job-store.js';
import { integer, parseOptions } from '../../kernel/validation.js';
import { cancelJob } from '../../modules/queue/admin.js';
import type { CancelOutcome, JobHandle } from '../../modules/queue/index.js';
import { readBack } from '../../modules/queue/read-back.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { checkId, checkLimit, knownQueue, type ManagerHost } from './manager-host.js';
import type { JobLocation, RetryAllResult } from './manager.types.js';

const FAILED: readonly JobStatus[] = ['failed'];
const FINAL: readonly JobStatus[] = JOB_STATUSES.filter(isFinal);
const NOT_STARTED: readonly JobStatus[] = ['waiting', 'delayed', 'waiting-children', 'paused'];
const NOT_RUNNING: readonly JobStatus[] = JOB_STATUSES.filter((status) => status !== 'active');

/** Retries of one page that travel at once: less than a lane carries, so that others get through. */
const RETRIES_AT_ONCE = 8;
/** Failed jobs that one `retryAllFailed` looks at, and the reads that it takes for them. */
const MAX_INSPECTED = 10_000;
const MAX_READS = 100;
/** Links of a retry chain that are followed in each direction. */
const MAX_CHAIN = 100;

const priorityRange = integer(0, MAX_PRIORITY);

/** What the manager does with single jobs, and with all failed ones. */
export class JobsManager {
  constructor(private readonly host: ManagerHost) {}

  async get(id: string, location?: JobLocation): Promise<JobHandle | undefined> {
    const where = 'OqronManager.getJob';
    const queue = await this.#locate(where, id, location);
    return queue === undefined ? undefined : this.host.queue(queue).getJob(id);
  }

  async cancel(id: string, reason?: string, location?: JobLocation): Promise<CancelOutcome> {
    const where = 'OqronManager.cancelJob';
    const queue = await this.#locate(where, id, location);
    return queue === undefined ? 'unknown' : cancelJob(this.host.queueHost(queue), id, reason);
  }

  retry(id: string, location?: JobLocation): Promise<JobHandle> {
    return this.#runAgain('OqronManager.retryJob', id, FAILED, location);
  }

  rerun(id: string, location?: JobLocation): Promise<JobHandle> {
    return this.#runAgain('OqronManager.rerunJob', id, FINAL, location);
  }

  async retryAllFailed(
    queue: string,
    { limit: wanted = MAX_BATCH_ITEMS, cursor: given }: { readonly limit?: number; readonly cursor?: string } = {},
  ): Promise<RetryAllResult> {
    const where = 'OqronManager.retryAllFailed';
    const limit = checkLimit(where, wanted);
    let page = given === undefined ? undefined : decodeCursor(where, given).page;
    await knownQueue(this.host, where, queue);
    let retried = 0;
    let inspected = 0;
    for (let reads = 0; retried < limit && inspected < MAX_INSPECTED && reads < MAX_READS; reads += 1) {
      const reply = await this.host.store.admin.find({
        queue,
        status: 'failed',
        limit: limit - retried,
        ...(page === undefined ? {} : { cursor: page }),
      });
      // The list begins with the newest; of those that are run again together, the oldest goes first.
      const open = reply.jobs.filter((job) => job.retriedById === undefined).toReversed();
      for (let at = 0; at < open.length; at += RETRIES_AT_ONCE) {
        const done = open.slice(at, at + RETRIES_AT_ONCE).map((job) => this.#retryFailed(where, job));
        retried += (await Promise.all(done)).filter(Boolean).length;
      }
      inspected += reply.jobs.length;
      page = reply.cursor;
      if (page === undefined) break;
    }
    const result = { retried, skipped: inspected - retried, more: page !== undefined };
    return page === undefined ? result : { ...result, cursor: encodeCursor({ queue, page }) };
  }

  /** Oldest first. */
  async chain(id: string, location?: JobLocation): Promise<JobHandle[]> {
    const where = 'OqronManager.getRetryChain';
    const queue = await this.#mustLocate(where, id, location);
    const job = await this.#mustRead(where, queue, id);
    const before = await this.#follow(job, 'retriedFromId');
    const after = await this.#follow(job, 'retriedById');
    const handleOf = this.host.handles(queue);
    return [...before.toReversed(), job, ...after].map((one) => handleOf(one));
  }

  promote(id: string, location?: JobLocation): Promise<void> {
    return this.#change(
      'OqronManager.promoteJob',
      id,
      location,
      ['delayed'],
      (queue) => (call) => this.host.store.admin.promote(call, queue, id),
    );
  }

  async changePriority(id: string, priority: number, location?: JobLocation): Promise<void> {
    const where = 'OqronManager.changePriority';
    parseOptions(where, priorityRange, priority);
    await this.#change(
      where,
      id,
      location,
      NOT_STARTED,
      (queue) => (call) => this.host.store.admin.changePriority(call, queue, id, priority),
    );
  }

  remove(id: string, location?: JobLocation): Promise<void> {
    return this.#change(
      'OqronManager.removeJob',
      id,
      location,
      NOT_RUNNING,
      (queue) => (call) => this.host.store.admin.remove(call, queue, id),
    );
  }

  /** The queue that holds the job, or `undefined`. @throws AmbiguousJobError */
  async #locate(where: string, id: string, { queue }: JobLocation = {}): Promise<string | undefined> {
    checkId(where, id);
    if (queue !== undefined) {
      await knownQueue(this.host, where, queue);
      return queue;
    }
    await this.host.ready(where);
    const [queues = []] = await this.host.store.admin.locate([id]);
    if (queues.length > 1) throw new AmbiguousJobError(where, id, queues);
    return queues[0];
  }

  async #mustLocate(where: string, id: string, location?: JobLocation): Promise<string> {
    const queue = await this.#locate(where, id, location);
    if (queue === undefined) throw new JobNotFoundError(where, undefined, id);
    return queue;
  }

  async #mustRead(where: string, queue: string, id: string): Promise<StoredJob> {
    const job = await this.host.store.admin.get(queue, id);
    if (!job) throw new JobNotFoundError(where, queue, id);
    return job;
  }

  async #runAgain(where: string, id: string, from: readonly JobStatus[], location?: JobLocation): Promise<JobHandle> {
    const queue = await this.#mustLocate(where, id, location);
    const old = await this.#mustRead(where, queue, id);
    const reply = await this.#sendRetry(where, queue, id, from);
    if (reply.verdict === 'unknown') throw new JobNotFoundError(where, queue, id);
    if (reply.verdict === 'refused') {
      if (reply.retriedById !== undefined) throw new AlreadyRetriedError(where, queue, id, reply.retriedById);
      throw new JobStateError(where, queue, id, reply.status, from);
    }
    // It may have run and been removed since, or be out of reach: then what it began as is all there is.
    const fresh = (await readBack(this.host.store.admin, queue, reply.id)) ?? successorOf(old, reply.id);
    this.#added(fresh);
    return this.host.handles(queue)(fresh, true);
  }

  async #retryFailed(where: string, old: StoredJob): Promise<boolean> {
    const reply = await this.#sendRetry(where, old.queue, old.id, FAILED);
    if (reply.verdict !== 'done') return false;
    if (this.host.events.has('job:added')) {
      this.#added((await readBack(this.host.store.admin, old.queue, reply.id)) ?? successorOf(old, reply.id));
    }
    return true;
  }

  #sendRetry(where: string, queue: string, id: string, from: readonly JobStatus[]): Promise<RetryReply> {
    const newId = this.host.newId();
    return this.host.call(where, queue, (call) => this.host.store.admin.retry(call, queue, id, { newId, from }));
  }

  #added({ queue, id, name, status }: StoredJob): void {
    this.host.events.emit('job:added', { queue, id, name, status });
  }

  async #follow(job: StoredJob, link: 'retriedFromId' | 'retriedById'): Promise<StoredJob[]> {
    const found: StoredJob[] = [];
    for (let id = job[link]; id !== undefined && found.length < MAX_CHAIN; id = found.at(-1)?.[link]) {
      const next = await this.host.store.admin.get(job.queue, id);
      if (!next) break;
      found.push(next);
    }
    return found;
  }

  async #change(
    where: string,
    id: string,
    location: JobLocation | undefined,
    allowed: readonly JobStatus[],
    send: (queue: string) => (call: CallId) => Promise<ChangeReply>,
  ): Promise<void> {
    const queue = await this.#mustLocate(where, id, location);
    const reply = await this.host.call(where, queue, send(queue));
    if (reply.verdict === 'unknown') throw new JobNotFoundError(where, queue, id);
    if (reply.verdict === 'refused') throw new JobStateError(where, queue, id, reply.status, allowed);
    emitCascaded(this.host.events, reply.cascaded);
  }
}

/** A job that was run again, as it was the moment it was added. */
function successorOf(old: StoredJob, id: string): StoredJob {
  const { queue, name, data, meta, priority, createdAt, runAt } = old;
  return {
    ...{ queue, id, name, meta, priority, createdAt, runAt },
    ...(data === undefined ? {} : { data }),
    ...{ status: 'waiting', attempt: 0, stalledCount: 0, fence: 0, logs: [], timeline: [], retriedFromId: old.id },
  };
}

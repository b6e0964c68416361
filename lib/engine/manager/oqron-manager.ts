import { EngineStateError } from '../../kernel/errors/index.js';
import type { Duration } from '../../kernel/job/duration.js';
import type { VerifyProblem } from '../../kernel/ports/job-admin.js';
import type { CancelOutcome, JobHandle, JobPage } from '../../modules/queue/index.js';
import type { OqronConfig } from '../config.js';
import { JobsManager } from './jobs.js';
import { ping, queueLag } from './lag.js';
import type { ManagerHost } from './manager-host.js';
import type {
  InstanceType,
  JobLocation,
  JobQuery,
  ModuleInfo,
  QueueInfo,
  QueueInfoPage,
  QueueLag,
  RetryAllResult,
  SystemStats,
  VerifyPage,
} from './manager.types.js';
import { ModulesManager } from './modules.js';
import { queryJobs } from './query.js';
import { QueuesManager } from './queues.js';
import { systemStats } from './stats.js';
import { verifyAll, verifyPage, type VerifyOptions } from './verify.js';

/** The managers of engines, by the configuration that the engine was given. Forgotten with it. */
const managers = new WeakMap<object, OqronManager>();

/** @internal Makes the manager of an engine, to be found by the engine's configuration too. */
export function createManager(config: OqronConfig, host: ManagerHost): OqronManager {
  const manager = new OqronManager(host);
  // Of engines that were made of one object, the last is meant: a program that starts anew has only that one.
  managers.set(config, manager);
  return manager;
}

/**
 * Looks at jobs, queues and modules, and changes them, for people and their tools. What it changes holds for every
 * process that shares the store.
 *
 * Every operation is bounded: lists come in pages, and a call that could be about everything says where it stopped.
 * Jobs are named by their id; one that jobs of several queues have needs `{ queue }` too.
 *
 * Any method rejects with `EngineStateError` after the engine was stopped, and with `InvalidOptionsError` for ids,
 * limits and cursors that are none.
 *
 * @example
 * const manager = OqronManager.from(OqronKit.getConfig()); // or engine.manager
 * const { jobs } = await manager.queryJobs({ status: 'failed', tag: 'eu' });
 * for (const job of jobs) await manager.retryJob(job.id);
 * @publicApi
 */
export class OqronManager {
  readonly #host: ManagerHost;
  readonly #jobs: JobsManager;
  readonly #queues: QueuesManager;
  readonly #modules: ModulesManager;

  /** @internal Every engine has one: `engine.manager`. */
  constructor(host: ManagerHost) {
    this.#host = host;
    this.#jobs = new JobsManager(host);
    this.#queues = new QueuesManager(host);
    this.#modules = new ModulesManager(host, this.#queues);
  }

  /**
   * The manager of an engine, given the engine or the very configuration object that it was made of.
   *
   * @throws EngineStateError for a configuration of which no engine was made
   * @example
   * await OqronKit.init({ config });
   * const manager = OqronManager.from(OqronKit.getConfig());
   * @publicApi
   */
  static from(target: OqronConfig | { readonly manager: OqronManager }): OqronManager {
    const own: unknown = Reflect.get(Object(target), 'manager');
    if (own instanceof OqronManager) return own;
    const manager = managers.get(target);
    if (manager) return manager;
    throw new EngineStateError(
      'OqronManager.from',
      'no engine was made of this configuration object; give it the engine, or OqronKit.getConfig() after init',
    );
  }

  /**
   * What there is to know at a glance: this process (state, uptime, running jobs, memory), the store, and jobs per
   * state over all queues. Counts the first 1 000 queues and says so (`partial`). Costs two reads per queue.
   */
  getSystemStats(): Promise<SystemStats> {
    return systemStats(this.#host);
  }

  /**
   * Asks the store for a little, over the connection that is in use, and answers how long that took (ms).
   *
   * @throws StoreUnreachableError
   */
  ping(): Promise<number> {
    return ping(this.#host, 'OqronManager.ping');
  }

  // Modules

  /** The modules of this release, as this process has them. */
  listModules(): ModuleInfo[] {
    return this.#modules.list();
  }

  /**
   * Switches off, for every process, each queue for which this process defines a handler by this module (`'queue'` or
   * `'worker'`), and each that joins later, until {@link enableModule}. What runs ends; new jobs are treated by the
   * `disabledBehavior` of their queue. Emits `queue:disabled` for each queue that was on.
   *
   * @throws InvalidOptionsError naming the known modules
   */
  disableModule(name: string): Promise<void> {
    return this.#modules.disable(name);
  }

  /**
   * Switches all queues of a module on again (see {@link disableModule}), also those that were switched off one by one.
   *
   * @throws InvalidOptionsError naming the known modules
   */
  enableModule(name: string): Promise<void> {
    return this.#modules.enable(name);
  }

  /**
   * Switches one queue off, for every process: nothing is handed out, and new jobs are treated by its
   * `disabledBehavior`. What runs ends. A queue and a worker of one name share the queue, so both stand still.
   * Emits `queue:disabled`.
   *
   * @throws InvalidOptionsError for a type that is no module
   * @throws QueueNotFoundError
   * @example
   * await manager.disableInstance('worker', 'video-encode');
   */
  disableInstance(type: InstanceType, name: string): Promise<void> {
    return this.#modules.disableInstance(type, name);
  }

  /**
   * Switches a queue on again. Jobs that it held keep delay, priority and dependencies. Emits `queue:enabled`.
   *
   * @throws InvalidOptionsError, QueueNotFoundError
   */
  enableInstance(type: InstanceType, name: string): Promise<void> {
    return this.#modules.enableInstance(type, name);
  }

  // Jobs

  /**
   * One job, or `undefined`.
   *
   * @throws AmbiguousJobError naming the queues that have a job of this id
   */
  getJob(id: string, location?: JobLocation): Promise<JobHandle | undefined> {
    return this.#jobs.get(id, location);
  }

  /**
   * Ends an unfinished job with a tombstone that names the reason. A handler that runs it gets the abort signal at
   * once, in whatever process, at the latest with its next heartbeat. `'finished'` and `'unknown'` changed nothing.
   *
   * @throws AmbiguousJobError
   * @example
   * await manager.cancelJob('order-7', 'the customer called'); // 'cancelled'
   */
  cancelJob(id: string, reason?: string, location?: JobLocation): Promise<CancelOutcome> {
    return this.#jobs.cancel(id, reason, location);
  }

  /**
   * Runs a failed job again, as a new job with the old one's payload. Both name each other, and what depended on the
   * old one depends on the new one. Answers the new job.
   *
   * @throws JobNotFoundError, AmbiguousJobError
   * @throws JobStateError when it has not failed
   * @throws AlreadyRetriedError naming the job that took its place
   */
  retryJob(id: string, location?: JobLocation): Promise<JobHandle> {
    return this.#jobs.retry(id, location);
  }

  /**
   * Runs a job again that has ended, however it did. See {@link retryJob}.
   *
   * @throws JobNotFoundError, AmbiguousJobError, JobStateError, AlreadyRetriedError
   */
  rerunJob(id: string, location?: JobLocation): Promise<JobHandle> {
    return this.#jobs.rerun(id, location);
  }

  /**
   * Runs failed jobs of a queue again, except those that were run again before: up to `limit` (1 to 1 000, by default
   * 1 000), newest pages first. One call looks at no more than 10 000 jobs; while it says `more`, go on with `cursor`.
   *
   * @throws QueueNotFoundError
   * @example
   * let cursor: string | undefined;
   * do ({ cursor } = await manager.retryAllFailed('mails', { cursor }));
   * while (cursor);
   */
  retryAllFailed(queue: string, options?: { limit?: number; cursor?: string | undefined }): Promise<RetryAllResult> {
    return this.#jobs.retryAllFailed(queue, options);
  }

  /**
   * One page of the jobs that match: queue by queue, in the order of their names, and state by state, in the order of a
   * job's life. One call looks at no more than 1 000 candidates and 100 queues, so a page may be short, or empty, and
   * still have a cursor. A job that changes its state meanwhile may come twice or be missed.
   *
   * @throws QueueNotFoundError
   * @example
   * let page = await manager.queryJobs({ tag: 'eu', status: ['waiting', 'delayed'] });
   * while (page.cursor) page = await manager.queryJobs({ tag: 'eu', status: ['waiting', 'delayed'] }, page.cursor);
   */
  queryJobs(query: JobQuery = {}, cursor?: string): Promise<JobPage<unknown, unknown>> {
    return queryJobs(this.#host, query, cursor);
  }

  /**
   * The job with all that it is a retry of and all that it was retried by, oldest first; at most 100 each way. The
   * chain ends where a record was removed.
   *
   * @throws JobNotFoundError, AmbiguousJobError
   */
  getRetryChain(id: string, location?: JobLocation): Promise<JobHandle[]> {
    return this.#jobs.chain(id, location);
  }

  /**
   * Makes a delayed job ready now, behind what waits already.
   *
   * @throws JobNotFoundError, AmbiguousJobError
   * @throws JobStateError when it is not delayed
   */
  promoteJob(id: string, location?: JobLocation): Promise<void> {
    return this.#jobs.promote(id, location);
  }

  /**
   * Gives a job that has not started another priority: 0 (first) to 2 097 152 (last). It counts on a `priority` queue.
   *
   * @throws JobNotFoundError, AmbiguousJobError
   * @throws JobStateError when it has started
   */
  changePriority(id: string, priority: number, location?: JobLocation): Promise<void> {
    return this.#jobs.changePriority(id, priority, location);
  }

  /**
   * Deletes the record of a job that is not running. For what depends on it, it counts as failed.
   *
   * @throws JobNotFoundError, AmbiguousJobError
   * @throws JobStateError while it runs: cancel it first
   */
  removeJob(id: string, location?: JobLocation): Promise<void> {
    return this.#jobs.remove(id, location);
  }

  // Queues

  /** How a queue is recorded, its jobs per state, and the definitions of this process. @throws QueueNotFoundError */
  getQueueInfo(name: string): Promise<QueueInfo> {
    return this.#queues.info(name);
  }

  /** One page of the queues by name: `limit` (1 to 1 000, by default 100) after `after`. Costs two reads per queue. */
  listQueues(options?: { limit?: number; after?: string }): Promise<QueueInfoPage> {
    return this.#queues.list(options);
  }

  /**
   * How long the job that waits longest could have been running, and jobs per state. Costs four small reads.
   *
   * @throws QueueNotFoundError
   * @example
   * const { lagMs } = await manager.getQueueLag('mail');
   */
  getQueueLag(name: string): Promise<QueueLag> {
    return queueLag(this.#host, 'OqronManager.getQueueLag', name);
  }

  /** Stops handing out its jobs, in every process, until it is resumed. What runs goes on. @throws QueueNotFoundError */
  async pauseQueue(name: string): Promise<void> {
    await (await this.#queues.handle('OqronManager.pauseQueue', name)).pause();
  }

  /** Ends a pause, in every process. @throws QueueNotFoundError */
  async resumeQueue(name: string): Promise<void> {
    await (await this.#queues.handle('OqronManager.resumeQueue', name)).resume();
  }

  /**
   * Pauses a queue and resolves when nothing of it runs any more, in any process. It stays paused.
   *
   * @throws QueueNotFoundError
   * @throws DrainTimeoutError when jobs still run after `timeout` (no default: it waits)
   */
  async drainQueue(name: string, options?: { readonly timeout?: Duration }): Promise<void> {
    await (await this.#queues.handle('OqronManager.drainQueue', name)).drain(options);
  }

  /**
   * Deletes all jobs of a queue and answers how many. Running ones are spared unless `force`. Its settings survive.
   *
   * @throws QueueNotFoundError
   */
  async obliterate(name: string, options?: { force?: boolean }): Promise<number> {
    return (await this.#queues.handle('OqronManager.obliterate', name)).obliterate(options);
  }

  // Consistency

  /**
   * Looks for records that no set of the store holds, entries without a record, broken links, and jobs that wait
   * although nothing holds them. Changes nothing. One call looks at no more than `limit` jobs (1 to 1 000, by default
   * 1 000) of 100 queues. In a store that is in use, a finding may be a transition that was under way: look again.
   *
   * @throws QueueNotFoundError
   */
  verify(options?: VerifyOptions): Promise<VerifyPage> {
    return verifyPage(this.#host, options);
  }

  /**
   * All that {@link verify} finds, page after page.
   *
   * @example
   * for await (const problem of manager.verifyAll()) console.error(problem.queue, problem.id, problem.detail);
   */
  verifyAll(options?: Omit<VerifyOptions, 'cursor'>): AsyncGenerator<VerifyProblem, void> {
    return verifyAll(this.#host, options);
  }
}

import { insideOf, type EngineInside } from '../engine/engine-inside.js';
import type { OqronEngine } from '../engine/oqron-engine.js';
import { JobCancelledError, JobFailedError } from '../kernel/errors/index.js';
import { parseDuration, type Duration } from '../kernel/job/duration.js';
import type { JobOptions } from '../kernel/job/job-options.js';
import { isFinal, type JobStatus } from '../kernel/job/states.js';
import { isA } from '../kernel/job/stored-error.js';
import type { StoredError } from '../kernel/job/stored-job.js';
import type { JobHandle, OptionsAfter, PayloadFor, QueueContract } from '../modules/queue/index.js';
import { History, type EnqueuedJob, type JobCourse } from './history.js';
import { leftovers, standsStill } from './leftovers.js';
import { atMost, pause, stopwatch, turn } from './patience.js';
import { TestKitError } from './test-kit-error.js';
import { VirtualClock } from './virtual-clock.js';

/** Real time that a test is kept waiting (ms): below the five seconds after which test runners give up without a word. */
const PATIENCE_MS = 4_000;
/** Virtual time that `drain` and `run` let pass for what needs it. */
const VIRTUAL = '24h';
/** Virtual time after which a job that nobody here takes is given up (ms): whoever else is there has looked by then. */
const STRANGERS_MS = 15_000;
/** Listeners and hooks that wait for the virtual clock are not waited for longer than this (real ms). */
const LISTENERS_MS = 50;

/** What names a queue and, as a contract, the types of its jobs. */
type Target<T, R> = QueueContract<T, R> | string;

/** @publicApi */
export interface TesterOptions {
  /** Real time after which `drain`, `run` and `waitFor` give up and say what there is. @default 4_000 ms */
  readonly patience?: Duration;
}

/** @publicApi */
export interface WaitForOptions {
  /** Real time. @default the tester's patience */
  readonly timeout?: Duration;
}

/**
 * Drives an engine in tests and tells what it did, from the moment the tester is made. With a {@link VirtualClock} no
 * test waits: the tester moves time where jobs need it, and where the engine waits for its handlers as it stops. With a
 * real clock it waits for real. It opens nothing, so there is nothing to close.
 *
 * @example
 * const { engine, tester } = createTestEngine();
 * const mail = engine.queue({ name: 'mail', handler: sendMail });
 * await engine.start();
 * await signUp(mail, 'ada@example.com');
 * await tester.drain();
 * expect(tester.enqueued('mail')).toHaveLength(1);
 * await engine.stop();
 * @publicApi
 */
export class OqronTester {
  /** The engine's clock, when it is a virtual one. */
  readonly clock: VirtualClock | undefined;
  readonly #inside: EngineInside;
  readonly #history: History;
  readonly #patienceMs: number;

  /** @throws TestKitError for what is no engine */
  constructor(
    readonly engine: OqronEngine,
    { patience = PATIENCE_MS }: TesterOptions = {},
  ) {
    const inside = insideOf(engine);
    if (!inside)
      throw new TestKitError('OqronTester', 'this is no OqronEngine', ['Give it an engine of this package.']);
    this.#inside = inside;
    this.clock = inside.clock instanceof VirtualClock ? inside.clock : undefined;
    this.#history = new History(inside);
    this.#patienceMs = msOf('OqronTester', patience);
    engine.on('system:stop', () => void this.#wind());
  }

  /**
   * Waits until no job waits for its turn and none runs, in any queue, jobs that others add meanwhile included. Delayed
   * jobs, retries among them, stay where they are until they are due. A virtual clock moves on only for what waits or
   * runs and needs it (a handler that sleeps on the clock, a rate limit), by 24 hours at most.
   *
   * @throws TestKitError that lists what is left, and why
   */
  async drain(): Promise<void> {
    const where = 'OqronTester.drain';
    this.#mustRun(where);
    const begun = this.clock?.monotonic() ?? 0;
    const passed = stopwatch();
    for (let clean = 0; ;) {
      await this.#quiet();
      const left = await leftovers(this.engine, this.#inside.clock.now());
      // Queues are not counted at one instant: a job may have added to one that had been looked at.
      clean = left.length === 0 ? clean + 1 : 0;
      if (clean === 2) return;
      if (clean === 1) continue;
      const hopeless = left.every((one) => one.hopeless);
      const mayPass = (hopeless ? STRANGERS_MS : msOf(where, VIRTUAL)) - ((this.clock?.monotonic() ?? 0) - begun);
      if (await this.#goOn(mayPass, passed())) continue;
      throw new TestKitError(where, `jobs are left: ${left.map(({ text }) => text).join('; ')}.`, [
        'If something else has to happen first (an answer of a fake, another engine), let it happen before.',
        'If they are not to run in this test, do not drain: tester.enqueued() says what was added.',
      ]);
    }
  }

  /**
   * Moves a virtual clock on, timer by timer: due jobs, retries, heartbeats and timeouts happen in their order. After
   * each step it waits until handlers are done or wait on the clock themselves.
   *
   * @throws TestKitError when the engine has a real clock
   * @example
   * await reminders.add({ to: 'ada' }, { delay: '3h' });
   * await tester.advance('3h');
   */
  async advance(duration: Duration): Promise<void> {
    await this.#virtual('OqronTester.advance').advance(duration);
  }

  /**
   * Lets everything happen that can happen at this instant of a virtual clock.
   *
   * @throws TestKitError when the engine has a real clock
   */
  async settle(): Promise<void> {
    await this.#virtual('OqronTester.settle').settle();
  }

  /**
   * Waits until a job is, or has been, in a state; for `'completed'` it answers the result, typed by the queue, else the
   * job as it is now. It does not move a virtual clock: advance it, before or meanwhile.
   *
   * @throws JobFailedError, JobCancelledError when it ended otherwise
   * @throws TestKitError when it does not come about in time
   * @example
   * const job = await videos.add({ file: 'cat.mov' });
   * const url = await tester.waitFor(job, 'completed');
   */
  waitFor<T, R>(job: JobHandle<T, R>, status: 'completed', options?: WaitForOptions): Promise<R>;
  waitFor<T, R>(job: JobHandle<T, R>, status: JobStatus, options?: WaitForOptions): Promise<JobHandle<T, R>>;
  async waitFor(job: JobHandle, status: JobStatus, options: WaitForOptions = {}): Promise<unknown> {
    const where = 'OqronTester.waitFor';
    const limit = options.timeout === undefined ? this.#patienceMs : msOf(where, options.timeout);
    const { queueName, id } = job;
    const queue = this.engine.producer(queueName);
    for (const passed = stopwatch(); ;) {
      const now = await queue.getJob(id);
      const course = this.#history.course(queueName, id);
      const ended = now && isFinal(now.status) ? now.status : course?.ended;
      if (now?.status === status || course?.seen.has(status)) {
        if (status === 'completed') return now?.status === 'completed' ? now.returnValue : course?.result;
        return now ?? job;
      }
      if (ended !== undefined) throw otherEnding(where, job, status, ended, now, course);
      if (passed() >= limit) throw this.#neverCame(where, job, status, now, limit);
      await pause((wake) => this.#history.onChange(wake));
    }
  }

  /**
   * The jobs that this engine has added since the tester was made, or since {@link clear}, oldest first: those that are
   * done too. Not among them: adds that found a job of their id or deduplication key, jobs in transactions of yours, and
   * the copies that dead letters, `retry` and `redrive` make.
   *
   * `name` picks those of that name, with the payload that the contract has for it.
   *
   * @example
   * expect(tester.enqueued(Mail)).toMatchObject([{ name: 'welcome', data: { to: 'ada@example.com' } }]);
   */
  enqueued<T, R>(target: QueueContract<T, R>): EnqueuedJob<T>[];
  enqueued<T, R, N extends string>(target: QueueContract<T, R>, name: N): EnqueuedJob<PayloadFor<T, N>>[];
  enqueued(target?: string, name?: string): EnqueuedJob[];
  enqueued(target?: Target<unknown, unknown>, name?: string): EnqueuedJob[] {
    const jobs = this.#history.enqueued(typeof target === 'object' ? target.name : target);
    return name === undefined ? jobs : jobs.filter((job) => job.name === name);
  }

  /**
   * Adds one job, lets it run as any other does, and answers its result or throws what its handler threw. It is tried
   * once, unless `attempts` says more; on a virtual clock delays and retries take no time. As for `add`, a text that is
   * followed by another argument is the job's name.
   *
   * @throws what the handler threw; `JobFailedError` when it threw no `Error`, `JobCancelledError`
   * @throws TestKitError when nothing in this engine consumes the queue, or the job does not end in time
   * @example
   * expect(await tester.run(Square, { n: 7 })).toBe(49);
   * await expect(tester.run(Square, { n: -1 })).rejects.toThrow(RangeError);
   */
  run<T, R>(target: QueueContract<T, R>, data: NoInfer<T>, ...options: OptionsAfter<T>): Promise<R>;
  run<T, R, N extends string>(
    target: QueueContract<T, R>,
    name: N,
    data: PayloadFor<NoInfer<T>, N>,
    options?: JobOptions,
  ): Promise<R>;
  run(target: string, data: unknown, options?: JobOptions): Promise<unknown>;
  run(target: string, name: string, data: unknown, options?: JobOptions): Promise<unknown>;
  async run(target: Target<unknown, unknown>, ...args: readonly unknown[]): Promise<unknown> {
    const where = 'OqronTester.run';
    const named = typeof args[0] === 'string' && args.length > 1;
    const [data, given] = (named ? args.slice(1) : args) as [unknown, JobOptions?];
    const options: JobOptions = given ?? {};
    const name = named ? String(args[0]) : (options.name ?? 'default');
    this.#mustRun(where);
    const queue = this.engine.producer(target);
    const definitions = this.engine.definitions().filter(({ name }) => name === queue.name);
    const [paused, disabled] = await Promise.all([queue.isPaused(), queue.isDisabled()]);
    const why = standsStill({ paused, disabled, definitions });
    if (why !== undefined) {
      throw new TestKitError(where, `no job of queue "${queue.name}" can run: ${why}.`, [
        'Define a handler for it, or select its module: queueModule(), workerModule().',
        'If only the add is to be tested: tester.enqueued() says what was added.',
      ]);
    }
    const job = await queue.add(name, data, { attempts: 1, ...options });
    const begun = this.clock?.monotonic() ?? 0;
    for (const passed = stopwatch(); ;) {
      await this.clock?.settle();
      const now = await queue.getJob(job.id);
      const course = this.#history.course(queue.name, job.id);
      const ended = now && isFinal(now.status) ? now.status : course?.ended;
      if (ended === 'completed') return now?.status === 'completed' ? now.returnValue : course?.result;
      if (ended !== undefined) {
        const thrown = course?.thrown;
        throw isA(thrown, Error) ? thrown : otherEnding(where, job, 'completed', ended, now, course);
      }
      const mayPass = msOf(where, VIRTUAL) - ((this.clock?.monotonic() ?? 0) - begun);
      if (!(await this.#goOn(mayPass, passed()))) {
        throw this.#neverCame(where, job, 'completed', now, Math.round(passed()));
      }
    }
  }

  /**
   * Deletes all jobs and forgets what was told of them, so that the next test begins anew. Queues keep their settings;
   * handlers that run are told to stop.
   *
   * @throws TestKitError for a store other than memory, which may be somebody's
   */
  async clear(): Promise<void> {
    const { backend } = this.engine.health();
    if (backend !== 'memory') {
      throw new TestKitError('OqronTester.clear', `the jobs are in a "${backend}" store, which is not emptied.`, [
        'Use a project of its own for each test.',
        'Or delete what you mean: engine.manager.obliterate(queue, { force: true }).',
      ]);
    }
    let after: string | undefined;
    do {
      const page = await this.engine.manager.listQueues(after === undefined ? {} : { after });
      for (const { name } of page.queues) await this.engine.manager.obliterate(name, { force: true });
      after = page.after;
    } while (after !== undefined);
    await this.clock?.settle();
    this.#history.clear();
  }

  /** What can happen now has happened, what listeners and hooks began included. */
  async #quiet(): Promise<void> {
    await this.clock?.settle();
    const { events } = this.#inside;
    await atMost(this.clock ? LISTENERS_MS : this.#patienceMs, events.idle());
    await turn();
  }

  /** Goes on to what happens next; false when it takes too long. */
  async #goOn(virtualMs: number, realMs: number): Promise<boolean> {
    if (!this.clock) {
      if (realMs >= this.#patienceMs) return false;
      await pause((wake) => this.#history.onChange(wake));
      return true;
    }
    const next = this.clock.nextTimerMs;
    if (next === undefined || next > virtualMs || realMs >= this.#patienceMs) return false;
    // Whole ms: what is due at a fraction of one would never be reached else.
    await this.clock.advance(Math.ceil(next));
    return true;
  }

  /** An engine that stops waits for its handlers, and nobody moves the clock any more: `await app.close()` would hang. */
  async #wind(): Promise<void> {
    const { clock } = this;
    for (const passed = stopwatch(); clock && passed() < this.#patienceMs;) {
      await clock.settle();
      const next = clock.nextTimerMs;
      if (this.engine.health().state !== 'started' || next === undefined) return;
      await clock.advance(Math.ceil(next));
    }
  }

  #mustRun(where: string): void {
    const { state } = this.engine.health();
    if (state === 'started') return;
    const problem = state === 'new' ? 'the engine has not been started' : `the engine is ${state}`;
    throw new TestKitError(where, `${problem}, so nothing runs.`, [
      'Start it: await engine.start(); in Nest: await app.init(), or OqronRunner.start() with autoStart: false.',
    ]);
  }

  #virtual(where: string): VirtualClock {
    if (this.clock) return this.clock;
    throw new TestKitError(where, 'this engine has a real clock, which cannot be moved.', [
      'Make the engine with createTestEngine(), or with { clock: new VirtualClock() } as its second argument.',
      'In Nest: withOqronTesting(builder) without `clock`, or OqronTestingModule.',
    ]);
  }

  #neverCame(where: string, job: JobHandle, status: JobStatus, now: JobHandle | undefined, ms: number): TestKitError {
    const { id, queueName } = job;
    const dueIn = now?.status === 'delayed' ? Math.max(0, now.runAt - this.#inside.clock.now()) : undefined;
    const state = now ? `${now.status}${dueIn === undefined ? '' : `, due in ${dueIn} ms`}` : 'not in the store';
    return new TestKitError(where, `job "${id}" of queue "${queueName}" is not ${status} after ${ms} ms: ${state}.`, [
      ...(this.clock && dueIn !== undefined ? [`Move the clock: await tester.advance(${dueIn || 1}).`] : []),
      ...(now?.status === 'active' ? ['Let its handler end: it waits for something that the test has to do.'] : []),
      ...(now?.status === 'waiting' ? ['Let something consume the queue: start the engine, resume the queue.'] : []),
      'If it takes that long in real time, raise the timeout, or the patience of the tester.',
    ]);
  }
}

/** What is thrown when a job that was to be in one state has ended in another. */
function otherEnding(
  where: string,
  { queueName, id }: JobHandle,
  wanted: JobStatus,
  ended: JobStatus,
  now: JobHandle | undefined,
  course: JobCourse | undefined,
): Error {
  const unknown: StoredError = { name: 'Error', message: 'its record does not say why' };
  if (ended === 'failed') return new JobFailedError(where, queueName, id, now?.error ?? course?.error ?? unknown);
  if (ended === 'cancelled') return new JobCancelledError(where, queueName, id, now?.reason ?? course?.reason);
  return new TestKitError(where, `job "${id}" of queue "${queueName}" is ${ended} and was never ${wanted}.`);
}

function msOf(where: string, duration: Duration): number {
  const ms = parseDuration(duration);
  if (ms === undefined) throw new TestKitError(where, `${String(duration)} is not a duration.`);
  return ms;
}

import { UnknownOutcomeError } from '../errors/index.js';
import { MAX_BATCH_ITEMS } from '../job/limits.js';
import { SlidingWindow } from '../job/sliding-window.js';
import type { QueueStrategy } from '../job/states.js';
import type { ClaimReply, ClaimRequest, Outcome, SettleReply } from '../ports/job-store.js';
import { BatchRunner } from './batch-runner.js';
import { callPace, type CallPace } from './call-pace.js';
import { ClaimGroup } from './claim-group.js';
import type { ConsumerRun, ConsumerSpec } from './consumer.js';
import { JobRun } from './job-run.js';
import { JobRunner } from './job-runner.js';
import { localDeadline } from './lease-keeper.js';
import { LoopSleep } from './loop-sleep.js';
import { Prefetch } from './prefetch.js';
import { Reporter } from './reporter.js';
import type { Runner, RunnerHost } from './runner.js';
import type { Runtime } from './runtime.js';
import type { Claimer } from './solo-gate.js';

/** Sleep after a claim that failed (ms). */
const PAUSE_AFTER_ERROR_MS = 1_000;

interface Ended {
  readonly run: ConsumerRun;
  readonly outcome: Outcome;
  readonly value: unknown;
  readonly thrown: unknown;
}

/**
 * The consumer of one queue: claims for its free slots, runs, settles. Endings of one tick leave in one settle that
 * also claims for the slots they freed; without endings a plain claim goes out, at once when a hint says so.
 */
export class WorkerLoop implements Claimer, RunnerHost {
  readonly queue: string;
  /** Slots taken: running handlers, also those that were told to stop and have not returned yet. */
  #running = 0;
  /** Slots that claims under way may fill, and the jobs that they ask for. */
  #claiming = 0;
  #asked = 0;
  #calls = 0;
  #last?: Promise<void>;
  #ended: Ended[] = [];
  #state: 'new' | 'open' | 'closing' | 'closed' = 'new';
  /** The store may have jobs for us: a hint, a timer, or a reply that was full. */
  #hungry = true;
  readonly #sleep: LoopSleep;
  /** Monotonic time of the last claim, for the sweeper. */
  lastClaimAt = -Infinity;
  #suspectsLeft = 0;
  readonly #runner: Runner;
  /** The store answers calls in the order in which they were made. */
  readonly #ordered: boolean;
  readonly #pace: CallPace;
  /** Jobs that wait here for a slot; absent where none may. */
  readonly #prefetch: Prefetch | undefined;
  /** What this process has taken within its throttle's span. */
  readonly #taken: SlidingWindow | undefined;
  readonly #reporter: Reporter;
  readonly #runs = new Set<ConsumerRun>();
  readonly #idleWaiters: (() => void)[] = [];

  constructor(
    readonly spec: ConsumerSpec,
    private readonly rt: Runtime,
    strategy: QueueStrategy,
  ) {
    this.queue = spec.queue;
    const { processBatch, throttle } = spec;
    this.#runner = processBatch ? new BatchRunner(spec, processBatch, rt, this) : new JobRunner(spec, rt, this);
    const { capabilities } = rt.store;
    this.#ordered = capabilities.ordered === true;
    this.#pace = callPace(capabilities);
    this.#prefetch = Prefetch.of(spec, strategy, capabilities, rt.clock, this);
    this.#taken = throttle && new SlidingWindow(throttle.durationMs);
    this.#reporter = new Reporter(rt);
    this.#sleep = new LoopSleep(rt.clock, rt.alarms, () => {
      this.#hungry = true;
      this.kick();
    });
  }

  get running(): number {
    return this.#runs.size;
  }

  /** Handlers that were told to stop, did not within their grace, and no longer count as running. */
  get zombies(): number {
    return this.#runner.zombies;
  }

  get full(): boolean {
    return this.#running + this.#claiming >= this.spec.concurrency;
  }

  /** A job runs in every slot; some may be free that claims under way are to fill. */
  get occupied(): boolean {
    return this.#running >= this.spec.concurrency;
  }

  /** It claims nothing now, so nothing is reaped on the way: the sweeper has to. */
  get blind(): boolean {
    return this.full || this.#sleep.resting || this.#allowance() <= 0;
  }

  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'open';
    this.rt.solo.join(this);
    this.kick();
  }

  /** A hint: there may be jobs. Answers false when this loop cannot take one, so that the hint can be passed on. */
  wake(): boolean {
    this.#hungry = true;
    this.kick();
    return this.#state === 'open' && !this.blind;
  }

  kick(): void {
    if (this.#state !== 'closed' && this.#state !== 'new') this.rt.desk.kick(this);
  }

  /** Claims nothing more. Running jobs go on and are settled. */
  stopClaiming(): void {
    if (this.#state === 'open' || this.#state === 'new') this.#state = 'closing';
    this.#sleep.end();
    this.rt.solo.quit(this);
    this.#prefetch?.giveBack('shutdown');
  }

  /** Resolves when nothing runs and every ending was answered. */
  async idle(): Promise<void> {
    while (this.#runs.size > 0 || this.#ended.length > 0 || this.#calls > 0) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  /** Tells every handler to stop because the process ends. */
  abortAll(): void {
    for (const run of this.#runs) run.abort('shutdown');
  }

  /** Hands back what still runs, attempt refunded. What the handlers do from now on is ignored. */
  releaseAll(): void {
    for (const run of [...this.#runs]) this.#runner.release(run);
  }

  close(): void {
    for (const run of this.#prefetch?.forget() ?? []) this.rt.keeper.remove(run);
    this.stopClaiming();
    this.#state = 'closed';
  }

  ended(run: ConsumerRun, outcome: Outcome, value: unknown, thrown: unknown): void {
    // The lease is renewed until the store has answered: a slow settle must not lose the job.
    this.rt.notes.forget(run);
    const note = run.takeNote();
    this.#ended.push({ run, outcome: note ? { ...outcome, note } : outcome, value, thrown });
    this.#runs.delete(run);
    this.#prefetch?.ran(run);
    this.kick();
  }

  begin(run: ConsumerRun): void {
    this.#running += 1;
    this.rt.solo.enter();
    this.#runs.add(run);
    this.#runner.start(run);
  }

  slotFreed(): void {
    this.#running -= 1;
    this.rt.solo.leave();
    this.#prefetch?.begin();
    this.kick();
    this.#tellIdle();
  }

  committed(run: ConsumerRun, outcome: Outcome, value: unknown, now: number): void {
    this.rt.keeper.remove(run);
    this.#prefetch?.ran(run);
    this.#reporter.settled({ run, outcome, value, thrown: undefined }, 'settled', now);
  }

  leave(run: ConsumerRun): void {
    this.#runs.delete(run);
    // No settle of this job will bring the next one.
    this.#hungry = true;
    this.#tellIdle();
  }

  leaseLost(run: ConsumerRun, why: 'lost' | 'cancelled', detail?: string): void {
    // Once a COMMIT is on its way a lease that is gone says only that it has arrived.
    if (run.closed || run.committing) return;
    run.closed = true;
    this.rt.notes.forget(run);
    this.#runs.delete(run);
    run.abort(why, detail);
    if (!this.#prefetch?.drop(run)) this.#runner.awaitReturn(run);
    if (why === 'lost') this.#reporter.lost(run);
    this.#tellIdle();
  }

  tookUnknown(): void {
    this.#sleep.yield();
  }

  /** A handler may be called: the loop does not end. */
  mayBegin(): boolean {
    return this.#state === 'open';
  }

  /** Jobs that the throttle lets this process take now. */
  #allowance(): number {
    const { throttle } = this.spec;
    if (!throttle || !this.#taken) return Infinity;
    return this.#taken.allowance(throttle.max, this.rt.clock.monotonic()) - this.#asked;
  }

  /** @internal Its turn has come: see `kick`. */
  step(): void {
    const { maxCalls, splitFrom } = this.#pace;
    if (this.#calls >= maxCalls) return;
    const halved = this.#calls === 0 && this.#ended.length >= splitFrom && this.#prefetch?.overlaps !== false;
    const ended = this.#ended.splice(0, halved ? this.#ended.length >> 1 : MAX_BATCH_ITEMS);
    const turn = this.#state === 'open' ? this.rt.solo.turn(this) : 'wait';
    // A settle carries a claim for free; without one, an idle queue is asked only when there is reason to.
    const mayClaim = turn !== 'wait' && !this.#sleep.resting && (this.#hungry || ended.length > 0 || turn === 'alone');
    const wanted = mayClaim ? Math.max(0, this.#wanted(turn, ended.length > 0)) : 0;
    const want = halved ? Math.ceil(wanted / 2) : wanted;
    if (ended.length === 0 && want === 0) return;
    this.#last = this.#exchange(ended, want, turn === 'alone', this.#ordered ? this.#last : undefined);
    if (this.#ended.length > 0) this.kick();
  }

  /** Jobs that may be claimed now. */
  #wanted(turn: 'free' | 'alone', settles: boolean): number {
    const { concurrency, batchSize, throttle } = this.spec;
    const slots = concurrency - this.#running - this.#claiming;
    const want = Math.min(slots * batchSize, MAX_BATCH_ITEMS);
    if (this.#prefetch && turn === 'free') return this.#wantedAhead(this.#prefetch, want, settles);
    if (slots <= 0) return 0;
    if (turn === 'alone') return 1;
    if (!throttle) return want;
    const allowed = this.#allowance();
    if (allowed <= 0) {
      const ms = this.#taken?.nextFreeMs(throttle.max, this.rt.clock.monotonic()) ?? 0;
      // With nothing used up, claims under way may use it: their replies look again.
      if (ms > 0) this.#sleep.for(ms);
      this.rt.loopIsBlind();
    }
    return Math.min(want, allowed);
  }

  /** With what is claimed ahead. That costs no call of its own: it comes with a settle, or with what slots are free for. */
  #wantedAhead(prefetch: Prefetch, want: number, settles: boolean): number {
    if (prefetch.returning) return 0;
    if (want <= 0 && !settles) return want;
    return Math.min(want + prefetch.extra(this.#asked), MAX_BATCH_ITEMS);
  }

  /** One round trip: endings out, jobs in, behind those of the call `before`. Never rejects. */
  async #exchange(ended: Ended[], want: number, alone: boolean, before?: Promise<void>): Promise<void> {
    const { rt, spec } = this;
    const slots = this.#slotsOf(want);
    const sentAt = rt.clock.monotonic();
    if (want > 0) {
      this.#hungry = false;
      this.lastClaimAt = sentAt;
    }
    this.#calls += 1;
    this.#claiming += slots;
    this.#asked += want;
    rt.solo.enter(slots);
    const request: Omit<ClaimRequest, 'call' | 'queue'> = {
      count: want,
      leaseMs: spec.leaseMs,
      owner: rt.owner,
      policy: spec.policy,
      ...(alone ? { alone } : {}),
      ...(spec.limits ? { limits: spec.limits } : {}),
    };
    let claim: ClaimReply | undefined;
    let failed = false;
    try {
      if (ended.length > 0) claim = await this.#settle(ended, want > 0 ? request : undefined);
      else {
        const where = `claim (queue "${spec.queue}")`;
        claim = await rt.lane(spec.queue).run(where, (call) => rt.desk.claim({ ...request, call, queue: spec.queue }));
      }
    } catch (error) {
      failed = true;
      rt.events.report(`WorkerLoop (queue "${spec.queue}")`, error, { endings: ended.length, claim: want });
    }
    // Two replies may come in one piece, and a settle takes some turns longer to get here than a claim.
    if (before) await before;
    this.#calls -= 1;
    this.#claiming -= slots;
    this.#asked -= want;
    const jobs = claim?.jobs.length ?? 0;
    const waiting = this.#prefetch?.mustWait(jobs, spec.concurrency - this.#running) ?? 0;
    const filled = this.#slotsOf(jobs - waiting);
    this.#running += filled;
    this.#taken?.add(jobs, rt.clock.monotonic());
    rt.solo.enter(filled);
    rt.solo.leave(slots);
    if (claim) this.#take(claim, want, alone, sentAt, waiting);
    else if (failed) {
      // The turn to run alone goes back, or it would call for the next claim at once, again and again.
      if (alone) rt.solo.done(this);
      this.#rest(PAUSE_AFTER_ERROR_MS);
    }
    this.kick();
    this.#tellIdle();
  }

  async #settle(ended: readonly Ended[], claim: Omit<ClaimRequest, 'call' | 'queue'> | undefined) {
    const { rt, spec } = this;
    let reply: SettleReply;
    try {
      reply = await rt.lane(spec.queue).run(`settle (queue "${spec.queue}")`, (call) =>
        rt.store.settle(call, {
          queue: spec.queue,
          outcomes: ended.map(({ outcome }) => outcome),
          ...(claim ? { claim } : {}),
        }),
      );
    } catch (error) {
      // Nobody renews these leases any more: the store takes the jobs back when they expire.
      for (const { run } of ended) this.#reporter.unsettled(run, error instanceof UnknownOutcomeError);
      throw error;
    } finally {
      for (const { run } of ended) rt.keeper.remove(run);
      if (this.#prefetch?.answered(ended)) this.#hungry = true;
    }
    ended.forEach((end, i) => this.#reporter.settled(end, reply.verdicts[i] ?? 'lost', reply.now));
    this.#reporter.cascaded(reply.cascaded);
    return reply.claim;
  }

  /** The last `waiting` jobs have no slot yet. */
  #take(reply: ClaimReply, want: number, alone: boolean, sentAt: number, waiting: number): void {
    for (const swept of reply.swept) this.#reporter.swept(swept, this.spec);
    this.#reporter.cascaded(reply.cascaded);
    this.#suspectsLeft = reply.suspects;
    if (this.#state === 'closed') {
      // The engine is done and settles nothing more: these leases expire.
      for (let slots = this.#slotsOf(reply.jobs.length - waiting); slots > 0; slots -= 1) this.slotFreed();
      return;
    }
    const group = ClaimGroup.of(this.spec.gates, reply.jobs.length, (ms) => this.#rest(ms));
    const answeredAt = waiting > 0 ? this.rt.clock.monotonic() : 0;
    const held: ConsumerRun[] = [];
    let slots = reply.jobs.length - waiting;
    for (const job of reply.jobs) {
      const { leaseMs } = this.spec;
      // One that waits has its time set when it begins.
      const startedAt = slots > 0 ? this.rt.clock.monotonic() : answeredAt;
      const run = new JobRun(job, this.spec, sentAt, localDeadline(sentAt, leaseMs), startedAt, reply.now);
      run.group = group;
      this.rt.keeper.add(run, this);
      if ((slots -= 1) < 0) {
        held.push(run);
        continue;
      }
      this.#runs.add(run);
      // Nothing begins in a loop that ends, nor on a lease that may be over because its reply was slow.
      if (this.#state !== 'open') this.#runner.giveBack(run, 'shutdown');
      else if (startedAt >= run.deadline) this.#runner.giveBack(run, 'prefetch');
      else this.#runner.start(run);
    }
    this.#runner.flush();
    if (waiting > 0) this.#prefetch?.hold(held);
    this.#prefetch?.claimed(reply.jobs.length >= want && !alone);
    if (this.full) this.rt.loopIsBlind();
    if (reply.suspects > 0 && !alone && !reply.paused) this.rt.solo.request(this);
    if (alone && reply.jobs.length === 0) this.rt.solo.done(this);
    if (reply.retryAfterMs !== undefined) this.#rest(reply.retryAfterMs);
    else if (reply.jobs.length >= want && !alone) this.#hungry = true;
    else this.#sleep.idle(reply.nextDueMs, this.rt.pollFloor(this.spec));
  }

  #slotsOf(jobs: number): number {
    return Math.ceil(jobs / this.spec.batchSize);
  }

  #rest(ms: number): void {
    this.#sleep.rest(ms);
    this.rt.loopIsBlind();
  }

  #tellIdle(): void {
    if (this.#running === 0 && this.#suspectsLeft === 0) this.rt.solo.done(this);
    if (this.#runs.size > 0 || this.#ended.length > 0 || this.#calls > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }
}

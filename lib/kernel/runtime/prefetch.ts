import type { QueueStrategy } from '../job/states.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { Capabilities, ReleaseReason } from '../ports/job-store.js';
import { releaseOf } from './attempt.js';
import { BeginPace } from './begin-pace.js';
import type { ConsumerRun, ConsumerSpec } from './consumer.js';
import type { RunnerHost } from './runner.js';

/**
 * With more slots a claim is worth its round trip as it is; measured, more jobs at a time only cost memory traffic. Unless
 * the store asks for larger calls.
 */
const MAX_CONCURRENCY = 100;
/** Jobs that may be claimed ahead, where there are fewer slots than that. */
const MAX_AHEAD = 32;
/** With so many slots jobs begin side by side anyway, and claims may be answered in any order. */
const SIDE_BY_SIDE = 32;
/** As many are claimed ahead as begin within this time (ms), by the last runs; where calls bring many, by those that waited, too. */
const AHEAD_MS = 5;
/** How fast they begin is known when every slot has got so many of them. */
const ROUNDS = 20;
/** Handlers that take less than this on average (ms): a round trip would cost as much as the job. */
const FAST_MS = 2;
/** Runs that the average is taken of; before that many it is unknown. */
const RUNS = 50;
/** Claims in a row that brought all they asked for: a backlog, so that no idle process misses what waits here. */
const FULL_CLAIMS = 3;
/** A job that has not begun this long (ms) after its claim was answered goes back. */
const PATIENCE_MS = 10;
/** A look that comes this much too late (ms) says that this process stood still, not that its handlers are slow. */
const LATE_MS = 3;
/** After jobs went back because no slot was free, none are claimed ahead for this long (ms). */
const REST_MS = 1_000;

/** The loop that the jobs wait in. */
interface PrefetchHost extends Pick<RunnerHost, 'ended' | 'mayBegin'> {
  /** A job runs in every slot. */
  readonly occupied: boolean;
  /** Takes a slot and starts the job in it. */
  begin(run: ConsumerRun): void;
}

/**
 * Jobs that were claimed ahead: leased and renewed, they wait in their order for a slot, and begin without a round
 * trip. It decides by itself whether that is worth while now, and gives back what waits for too long. Unless the store
 * answers claims in the order in which they were made, the jobs of only one claim wait at a time, and no other claim is
 * under way beside it: so nothing can overtake them. A waiting job's `startedAt` is when its claim was answered.
 */
export class Prefetch {
  #held: ConsumerRun[] = [];
  /** Given back, and not known to have arrived. */
  readonly #returning = new Set<ConsumerRun>();
  #beginning = false;
  /** Armed while jobs wait and for some time after: it looks at most once per `PATIENCE_MS`. */
  #timer: Timer | undefined;
  #restUntil = -Infinity;
  #fullClaims = 0;
  /** Durations of the last runs (ms) and their sum. */
  readonly #durations = new Float64Array(RUNS);
  #sum = 0;
  #runs = 0;

  private constructor(
    private readonly concurrency: number,
    /** Other claims may be under way beside one that asks ahead. */
    readonly overlaps: boolean,
    private readonly most: number | undefined,
    /** Where many may be claimed ahead, in several calls at once: how fast they begin decides how many. */
    private readonly pace: BeginPace | undefined,
    private readonly clock: Clock,
    private readonly host: PrefetchHost,
  ) {}

  /** Nothing where jobs must not be claimed ahead. */
  static of(
    spec: ConsumerSpec,
    strategy: QueueStrategy,
    { ordered = false, batch }: Pick<Capabilities, 'ordered' | 'batch'>,
    clock: Clock,
    host: PrefetchHost,
  ): Prefetch | undefined {
    const { concurrency, gates, limits, processBatch, throttle } = spec;
    if (!spec.prefetch || strategy !== 'fifo') return undefined;
    // What waits here would use up the limits, or be asked of its gates long after it was counted.
    if (limits || throttle || processBatch) return undefined;
    if (gates?.rateLimiter || gates?.condition || gates?.beforeRun) return undefined;
    if (concurrency > (batch ?? MAX_CONCURRENCY)) return undefined;
    const overlaps = ordered || (batch !== undefined && concurrency >= SIDE_BY_SIDE);
    const most = batch ?? (ordered ? MAX_AHEAD : undefined);
    const pace = batch === undefined ? undefined : new BeginPace(ROUNDS * concurrency);
    return new Prefetch(concurrency, overlaps, most, pace, clock, host);
  }

  /** How many jobs more than there are free slots the next claim may ask for; `asked` = what others ask for now. */
  extra(asked: number): number {
    if (this.#fullClaims < FULL_CLAIMS || this.#runs < RUNS || this.#sum >= RUNS * FAST_MS) return 0;
    if (this.clock.monotonic() < this.#restUntil) return 0;
    if (!this.overlaps && (asked > 0 || this.#held.length > 0)) return 0;
    const held = this.#held.length;
    const perMs = this.pace?.perMs;
    // All that is asked for now may come at once, and the last of it has to begin before it goes back.
    const most = perMs === undefined ? Infinity : Math.max(this.concurrency, Math.floor(2 * AHEAD_MS * perMs)) - asked;
    return Math.max(0, Math.min(this.#ahead(), most) - held);
  }

  /** As many as there are slots; more where the store answers in order, or where its calls should carry more. */
  #ahead(): number {
    if (this.most === undefined) return this.concurrency;
    const byRuns = (AHEAD_MS * RUNS * this.concurrency) / Math.max(this.#sum, 1);
    const byPace = this.pace ? AHEAD_MS * (this.pace.perMs ?? 0) : Infinity;
    return Math.max(this.concurrency, Math.floor(Math.min(this.most, byRuns, byPace)));
  }

  /** Jobs are on their way back: a claim that overtook them would bring what comes behind them. */
  get returning(): boolean {
    return this.#returning.size > 0;
  }

  /**
   * How many of the jobs that a claim brought cannot begin: there are slots for `free`. All, while others are on their
   * way back that come before them.
   */
  mustWait(jobs: number, free: number): number {
    return this.returning ? jobs : Math.max(0, jobs - free);
  }

  /** A claim was answered, with as many jobs as it had asked for or with fewer. */
  claimed(full: boolean): void {
    this.#fullClaims = full ? this.#fullClaims + 1 : 0;
  }

  /** A run is over. */
  ran(run: ConsumerRun): void {
    if (!run.began) return;
    const i = this.#runs % RUNS;
    const ms = this.clock.monotonic() - run.startedAt;
    this.#sum += ms - (this.#durations[i] ?? 0);
    this.#durations[i] = ms;
    this.#runs += 1;
  }

  /** Keeps jobs of a claim that was just answered until there are slots for them, behind those that wait already. */
  hold(runs: readonly ConsumerRun[]): void {
    const now = this.clock.monotonic();
    this.pace?.left(this.#held.length, now);
    this.#held.push(...runs);
    this.pace?.wait(this.#held.length, now);
    if (!this.host.mayBegin()) this.giveBack('shutdown');
    else if (this.returning) this.giveBack('prefetch');
    else this.begin();
    if (this.#held.length > 0) this.#arm(PATIENCE_MS);
  }

  /** Begins what waits, as far as there are slots. */
  begin(): void {
    // A handler that is not asynchronous frees its slot before this one comes back.
    if (this.#held.length === 0 || this.#beginning) return;
    this.#beginning = true;
    while (this.#held.length > 0 && !this.host.occupied) {
      const now = this.clock.monotonic();
      const run = this.#held[0] as ConsumerRun;
      // There is a slot, and there was one: the process stood still. That says nothing of its handlers.
      if (now >= run.startedAt + PATIENCE_MS || now >= run.deadline) this.giveBack('prefetch', false);
      else {
        this.#held.shift();
        run.startedAt = now;
        this.host.begin(run);
      }
    }
    this.#beginning = false;
    if (this.#held.length === 0) this.pace?.left(0, this.clock.monotonic());
  }

  /** Hands back all that waits: what came later must not begin before what came earlier. */
  giveBack(reason: ReleaseReason & ('shutdown' | 'prefetch'), rest = true): void {
    if (reason === 'prefetch' && rest) this.#restUntil = this.clock.monotonic() + REST_MS;
    const runs = this.#held;
    this.pace?.left(runs.length, this.clock.monotonic());
    this.forget();
    for (const run of runs) {
      run.closed = true;
      run.returned = true;
      this.#returning.add(run);
      this.host.ended(run, releaseOf(run, 0, reason), undefined, undefined);
    }
  }

  /** Endings were answered, or never will be. True when nothing is on its way back any more. */
  answered(ended: readonly { readonly run: ConsumerRun }[]): boolean {
    if (this.#returning.size === 0) return false;
    for (const { run } of ended) this.#returning.delete(run);
    return this.#returning.size === 0;
  }

  /** The lease of a job is gone. False when it did not wait here. */
  drop(run: ConsumerRun): boolean {
    const at = this.#held.indexOf(run);
    if (at >= 0) this.#held.splice(at, 1);
    return at >= 0;
  }

  /** Nothing waits here any more. What did is the store's to take back when its leases expire. */
  forget(): ConsumerRun[] {
    const runs = this.#held;
    this.#held = [];
    this.pace?.wait(0, this.clock.monotonic());
    this.#timer?.cancel();
    this.#timer = undefined;
    return runs;
  }

  #arm(ms: number): void {
    if (this.#timer) return;
    const due = this.clock.monotonic() + ms;
    this.#timer = this.clock.timer(ms, () => {
      this.#timer = undefined;
      const [first] = this.#held;
      if (!first) return;
      const now = this.clock.monotonic();
      const left = first.startedAt + PATIENCE_MS - now;
      if (left > 0) this.#arm(left);
      else this.giveBack('prefetch', now - due <= LATE_MS);
    });
  }
}

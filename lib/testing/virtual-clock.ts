import { AsyncLocalStorage } from 'node:async_hooks';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import { parseDuration, type Duration } from '../kernel/job/duration.js';
import type { Clock, Timer } from '../kernel/ports/clock.js';
import { systemClock } from '../kernel/ports/system-clock.js';

/** How long (real ms) `advance` waits for a handler that is neither done nor parked on this clock. */
const PATIENCE_MS = 1_000;
/** 2026-01-01T00:00:00Z. */
const START = 1_767_225_600_000;

interface VirtualTimer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

interface Watched {
  parked: number;
  /** It was waited for in vain once; hanging handlers must not hang tests. */
  givenUp: boolean;
}

/**
 * A clock that stands still until a test moves it. Hours of delays, retries and heartbeats pass in milliseconds, timer
 * by timer, in order, and no real timer is armed.
 *
 * @example
 * const clock = new VirtualClock();
 * const engine = new OqronEngine({}, { clock });
 * await queue.add(data, { delay: '3h' });
 * await clock.advance('3h'); // the job has run
 * @publicApi
 */
export class VirtualClock implements Clock {
  #elapsed = 0;
  #order = 0;
  #timers: VirtualTimer[] = [];
  #immediates: (() => void)[] = [];
  readonly #watched = new Set<Watched>();
  readonly #current = new AsyncLocalStorage<Watched>();

  /** `start` is the wall time (ms since the epoch) at which the clock begins. */
  constructor(private readonly start = START) {}

  now(): number {
    return this.start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Timers that are armed. */
  get pendingTimers(): number {
    return this.#timers.filter(({ cancelled }) => !cancelled).length;
  }

  /** How long until the next timer (ms), or `undefined` when none is armed. */
  get nextTimerMs(): number | undefined {
    const next = this.#timers.find(({ cancelled }) => !cancelled);
    return next && Math.max(0, next.at - this.#elapsed);
  }

  timer(ms: number, run: () => void): Timer {
    const timer = { at: this.#elapsed + Math.max(0, ms), order: (this.#order += 1), run, cancelled: false };
    const later = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(later < 0 ? this.#timers.length : later, 0, timer);
    return {
      cancel: () => {
        timer.cancelled = true;
        const at = this.#timers.indexOf(timer);
        if (at >= 0) this.#timers.splice(at, 1);
      },
      unref: () => undefined,
    };
  }

  immediate(run: () => void): void {
    this.#immediates.push(run);
    // Without anybody advancing, the engine still has to make progress: the time stands still, the work does not.
    systemClock.immediate(() => this.#runImmediates());
  }

  /**
   * Waits on this clock. A handler that does so is parked: `advance` goes on to the next timer.
   */
  async sleep(duration: Duration): Promise<void> {
    const ms = toMs('VirtualClock.sleep', duration);
    const watched = this.#current.getStore();
    if (watched) watched.parked += 1;
    await new Promise<void>((wake) => this.timer(ms, wake));
    if (watched) watched.parked -= 1;
  }

  async watch(run: () => Promise<unknown>): Promise<unknown> {
    const watched = { parked: 0, givenUp: false };
    this.#watched.add(watched);
    try {
      return await this.#current.run(watched, run);
    } finally {
      this.#watched.delete(watched);
    }
  }

  /**
   * Moves the time on, timer by timer. After each it waits until every handler is done or parked on this clock (one
   * that hangs is waited for once, for a second of real time).
   */
  async advance(duration: Duration): Promise<void> {
    const target = this.#elapsed + toMs('VirtualClock.advance', duration);
    await this.settle();
    for (let next = this.#timers[0]; next && next.at <= target; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.run();
      await this.settle();
    }
    this.#elapsed = target;
    await this.settle();
  }

  /** Lets everything that can happen at this instant happen. */
  async settle(): Promise<void> {
    let since = systemClock.monotonic();
    for (let quiet = false; !quiet;) {
      const busy = this.#runImmediates();
      const before = this.#order;
      await new Promise<void>((turn) => systemClock.immediate(turn));
      const waiting = [...this.#watched].filter(({ parked, givenUp }) => parked === 0 && !givenUp);
      if (busy || this.#immediates.length > 0 || this.#order !== before) {
        since = systemClock.monotonic();
      } else if (waiting.length === 0) quiet = true;
      else if (systemClock.monotonic() - since > PATIENCE_MS) for (const watched of waiting) watched.givenUp = true;
    }
  }

  #runImmediates(): boolean {
    const due = this.#immediates;
    this.#immediates = [];
    for (const run of due) run();
    return due.length > 0;
  }
}

function toMs(where: string, duration: Duration): number {
  const ms = parseDuration(duration);
  if (ms === undefined) throw new InvalidOptionsError(where, [`${String(duration)} is not a duration`]);
  return ms;
}

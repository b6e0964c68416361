import type { Clock, Timer } from '../ports/clock.js';
import type { Alarms } from './alarms.js';

/** How much later than others a loop looks for what comes due while it lets them go first (ms). */
const YIELD_MS = 250;
/**
 * For how long it does after it took what was not for it (ms): as long as such a job is tried. Where several processes give
 * it back in turn, less would make each of them the first again by the time the others have had their turn.
 */
const YIELDING_MS = 600_000;

/** When a loop looks for jobs by itself, and until when it must not. */
export class LoopSleep {
  #timer: Pick<Timer, 'cancel'> | undefined;
  #restUntil = -Infinity;
  #yieldUntil = -Infinity;
  #ended = false;

  constructor(
    private readonly clock: Clock,
    private readonly alarms: Alarms,
    private readonly wake: () => void,
  ) {}

  /** Nothing may be claimed now, whatever hints come. */
  get resting(): boolean {
    return this.clock.monotonic() < this.#restUntil;
  }

  /** Claims nothing for `ms`, whatever hints come. */
  rest(ms: number): void {
    this.#restUntil = Math.max(this.#restUntil, this.clock.monotonic() + ms);
    this.for(ms);
  }

  /** Looks again after `ms`, unless a hint comes before; never within a rest. */
  for(ms: number): void {
    this.#timer?.cancel();
    if (this.#ended) return;
    this.#timer = this.clock.timer(Math.max(ms, this.#restUntil - this.clock.monotonic()), () => {
      // Timers may come a little early, and what they wake would then go on resting without one.
      if (this.resting) this.for(0);
      else this.wake();
    });
  }

  /**
   * Nothing is there. Looks again when something is due, and at the latest after `floorMs`; that may be sooner, at an
   * instant that all loops of the process share, so that their claims leave in one call.
   */
  idle(dueMs: number | undefined, floorMs: number): void {
    const lateMs = this.clock.monotonic() < this.#yieldUntil ? YIELD_MS : 0;
    if (this.resting || (dueMs !== undefined && dueMs < floorMs)) {
      this.for(Math.min((dueMs ?? Infinity) + lateMs, floorMs));
      return;
    }
    this.#timer?.cancel();
    if (!this.#ended) this.#timer = this.alarms.within(floorMs, this.wake);
  }

  /**
   * Gave back a job that another process may know how to run. When it comes due again others shall find it first: who is
   * nearest to the store would otherwise take it every time.
   */
  yield(): void {
    this.#yieldUntil = this.clock.monotonic() + YIELDING_MS;
  }

  /** It sleeps no more, and nothing wakes it. */
  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }
}

import { SlidingWindow } from '../../kernel/job/sliding-window.js';
import type { ClaimLimits } from '../../kernel/ports/job-store.js';

/** Rates that a queue remembers at once: two releases of a program side by side may ask for different ones. */
const MAX_WINDOWS = 4;

/** What a queue is held to over all processes. */
export class MemoryLimits {
  /** Leases that began lately, by the spans that claims with a rate asked for; the last used at the end. */
  readonly #started = new Map<number, SlidingWindow>();
  /** A claim was cut short by this `maxActive`: whoever ends a lease has news for idle processes. */
  #cap: number | undefined;

  /** How many of `count` leases may begin while `active` others stand. */
  allow(count: number, active: number, limits: ClaimLimits | undefined, now: number): number {
    if (!limits) return count;
    const { maxActive, rate } = limits;
    let allowed = count;
    if (rate) allowed = Math.min(allowed, this.#window(rate.durationMs).allowance(rate.max, now));
    if (maxActive !== undefined) {
      this.#cap = active + allowed > maxActive ? maxActive : undefined;
      if (this.#cap !== undefined) allowed = Math.max(0, maxActive - active);
    }
    return allowed;
  }

  /** Counts leases, whoever asked for them. */
  began(n: number, now: number): void {
    for (const window of this.#started.values()) window.add(n, now);
  }

  /** Ms for which the rate allows nothing, if it does not now. */
  retryAfterMs(limits: ClaimLimits | undefined, now: number): number | undefined {
    const ms = limits?.rate && this.#window(limits.rate.durationMs).nextFreeMs(limits.rate.max, now);
    return ms === 0 ? undefined : ms;
  }

  /** Leases that may begin again since a claim was cut short: news for as many idle processes. */
  takeFreed(active: number, ready: number): number {
    if (this.#cap === undefined || active >= this.#cap) return 0;
    const freed = Math.min(this.#cap - active, ready);
    this.#cap = undefined;
    return freed;
  }

  #window(durationMs: number): SlidingWindow {
    const window = this.#started.get(durationMs) ?? new SlidingWindow(durationMs);
    this.#started.delete(durationMs);
    this.#started.set(durationMs, window);
    const [oldest] = this.#started.keys();
    if (this.#started.size > MAX_WINDOWS && oldest !== undefined) this.#started.delete(oldest);
    return window;
  }
}

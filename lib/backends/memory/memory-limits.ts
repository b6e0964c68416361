import { SlidingWindow } from '../../kernel/job/sliding-window.js';
import type { ClaimLimits } from '../../kernel/ports/job-store.js';

/** What a queue is held to over all processes. */
export class MemoryLimits {
  /** Leases that began lately, while somebody claims with a rate. */
  #started: SlidingWindow | undefined;
  /** A claim was cut short by this `maxActive`: whoever ends a lease has news for idle processes. */
  #cap: number | undefined;

  /** How many of `count` leases may begin while `active` others stand. */
  allow(count: number, active: number, limits: ClaimLimits | undefined, now: number): number {
    this.#cap = undefined;
    if (!limits) return count;
    const { maxActive, rate } = limits;
    let allowed = count;
    if (rate) {
      // Another span than before begins to count anew.
      if (this.#started?.durationMs !== rate.durationMs) this.#started = new SlidingWindow(rate.durationMs);
      allowed = Math.min(allowed, this.#started.allowance(rate.max, now));
    }
    if (maxActive !== undefined && active + allowed > maxActive) {
      this.#cap = maxActive;
      allowed = Math.max(0, maxActive - active);
    }
    return allowed;
  }

  began(n: number, limits: ClaimLimits | undefined, now: number): void {
    if (limits?.rate) this.#started?.add(n, now);
  }

  /** Ms for which the rate allows nothing, if it does not now. */
  retryAfterMs(limits: ClaimLimits | undefined, now: number): number | undefined {
    const ms = limits?.rate && this.#started?.nextFreeMs(limits.rate.max, now);
    return ms === 0 ? undefined : ms;
  }

  /** Leases that may begin again since a claim was cut short: news for as many idle processes. */
  takeFreed(active: number, ready: number): number {
    if (this.#cap === undefined || active >= this.#cap) return 0;
    const freed = Math.min(this.#cap - active, ready);
    this.#cap = undefined;
    return freed;
  }
}

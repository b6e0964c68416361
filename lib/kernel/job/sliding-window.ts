/** Parts into which a span is cut: an entry may count for up to one part longer than it must. */
const PARTS = 100;

/**
 * Counts events in the last `durationMs`, in bounded memory: about a hundred numbers, however many events. An event
 * counts until the end of its part plus the whole span, so no span of `durationMs`, wherever it begins, ever sees more
 * than was allowed.
 */
export class SlidingWindow {
  /** Ends of parts (ms) with their counts, oldest first. */
  readonly #parts: { end: number; n: number }[] = [];
  readonly #partMs: number;
  #sum = 0;

  constructor(readonly durationMs: number) {
    this.#partMs = durationMs / PARTS;
  }

  /** How many events more `now` may see when `max` are allowed per span. */
  allowance(max: number, now: number): number {
    this.#forget(now);
    return Math.max(0, max - this.#sum);
  }

  add(n: number, now: number): void {
    if (n <= 0) return;
    this.#forget(now);
    this.#sum += n;
    const last = this.#parts.at(-1);
    // A clock that steps back counts as standing still.
    if (last && now <= last.end) last.n += n;
    else this.#parts.push({ end: (Math.floor(now / this.#partMs) + 1) * this.#partMs, n });
  }

  /** Ms until at least one event more is allowed; 0 when it is now. */
  nextFreeMs(max: number, now: number): number {
    this.#forget(now);
    let sum = this.#sum;
    if (sum < max) return 0;
    for (const { end, n } of this.#parts) {
      sum -= n;
      if (sum < max) return Math.max(1, Math.ceil(end + this.durationMs - now));
    }
    return this.durationMs;
  }

  #forget(now: number): void {
    let gone = 0;
    for (const { end, n } of this.#parts) {
      if (end + this.durationMs > now) break;
      this.#sum -= n;
      gone += 1;
    }
    if (gone > 0) this.#parts.splice(0, gone);
  }
}

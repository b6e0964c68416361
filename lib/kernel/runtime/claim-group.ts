/**
 * The jobs of one claim. When their limiter or condition denies every one of them, more of the same kind would be
 * denied too: the queue is left alone until the first of them may be asked again.
 */
export class ClaimGroup {
  #denied = 0;
  #shortestMs = Infinity;

  constructor(
    private readonly size: number,
    private readonly onAllDenied: (ms: number) => void,
  ) {}

  /** One more was denied, for `ms`. */
  denied(ms: number): void {
    this.#denied += 1;
    this.#shortestMs = Math.min(this.#shortestMs, ms);
    if (this.#denied === this.size) this.onAllDenied(this.#shortestMs);
  }
}

/** The gates that may deny a job. */
interface AskedGates {
  readonly rateLimiter?: unknown;
  readonly condition?: unknown;
}

/**
 * The jobs of one claim. When their limiter or condition denies every one of them, more of the same kind would be
 * denied too: the queue is left alone until the first of them may be asked again.
 */
export class ClaimGroup {
  #denied = 0;
  #shortestMs = Infinity;

  private constructor(
    private readonly size: number,
    private readonly onAllDenied: (ms: number) => void,
  ) {}

  /** Nothing without a limiter or a condition: then nobody is denied. */
  static of(gates: AskedGates | undefined, size: number, onAllDenied: (ms: number) => void): ClaimGroup | undefined {
    if (!gates?.rateLimiter && !gates?.condition) return undefined;
    return new ClaimGroup(size, onAllDenied);
  }

  /** One more was denied, for `ms`. */
  denied(ms: number): void {
    this.#denied += 1;
    this.#shortestMs = Math.min(this.#shortestMs, ms);
    if (this.#denied === this.size) this.onAllDenied(this.#shortestMs);
  }
}

/**
 * A timer that was armed on a {@link Clock}.
 * @publicApi
 */
export interface Timer {
  /** Disarms the timer. Harmless when it has fired already. */
  cancel(): void;
  /** Lets the process end while the timer is armed (a no-op on a virtual clock). */
  unref(): void;
}

/**
 * The only source of time in the engine: wall time, monotonic time, timers and "as soon as possible".
 * Everything takes it by injection, so that tests run hours of retries in milliseconds.
 * @publicApi
 */
export interface Clock {
  /** Wall time in ms since the epoch. May jump; use it only for what users read and for the memory store. */
  now(): number;
  /** Milliseconds that never go back. The only measure for deadlines and throttles inside a process. */
  monotonic(): number;
  /** Calls `run` once after `ms`. Any delay is allowed; implementations split what a platform timer cannot hold. */
  timer(ms: number, run: () => void): Timer;
  /** Calls `run` in the next turn of the event loop, before timers that are due later. */
  immediate(run: () => void): void;
  /**
   * Tells the clock that a handler runs until `done` settles. A virtual clock waits for it before it moves on;
   * a real clock does not have it.
   */
  watch?(run: () => Promise<unknown>): Promise<unknown>;
}

/**
 * The only source of randomness in the engine.
 * @publicApi
 */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `n` random bytes. */
  bytes(n: number): Uint8Array;
}

import { randomFillSync } from 'node:crypto';
import type { Clock, Random, Timer } from './clock.js';

/** Node fires a timer of 2^31 ms or more after 1 ms; longer delays are armed in pieces. */
const MAX_TIMER_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: NodeJS.Timeout | undefined;
  #unref = false;

  constructor(
    private left: number,
    private readonly run: () => void,
  ) {
    this.#arm();
  }

  #arm(): void {
    const piece = Math.min(this.left, MAX_TIMER_MS);
    this.left -= piece;
    this.#handle = setTimeout(() => (this.left > 0 ? this.#arm() : this.run()), piece);
    if (this.#unref) this.#handle.unref();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  unref(): void {
    this.#unref = true;
    this.#handle?.unref();
  }
}

/**
 * The real clock. This file is the one place in `lib/` that may read real time.
 * @publicApi
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (ms, run) => new SystemTimer(Math.max(0, ms), run),
  immediate: (run) => {
    setImmediate(run);
  },
};

/** Random bytes are drawn in blocks: one system call serves several hundred ids. */
const POOL_BYTES = 8192;
const pool = new Uint8Array(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Real randomness.
 * @publicApi
 */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes(n) {
    if (n > POOL_BYTES) return randomFillSync(new Uint8Array(n));
    if (used + n > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    used += n;
    return pool.slice(used - n, used);
  },
};

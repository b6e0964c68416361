/** Repeatable randomness (mulberry32), with what a simulation asks of it. */
export class SeededRandom {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  bytes(n) {
    return Uint8Array.from({ length: n }, () => Math.floor(this.next() * 256));
  }

  chance(probability) {
    return probability > 0 && this.next() < probability;
  }

  /** A number from `low` up to `high`. */
  between(low, high) {
    return low + this.next() * (high - low);
  }

  /** An integer from `low` to `high`, both included. */
  int(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick(items) {
    return items[Math.floor(this.next() * items.length)];
  }

  /** An independent one for somebody whose draws must not change everybody else's. */
  fork() {
    return new SeededRandom(Math.floor(this.next() * 2 ** 32));
  }
}

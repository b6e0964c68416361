/** Jobs that have waited for this long (ms) in all say how long it takes, however few have begun. */
const ENOUGH_MS = 5;

/**
 * How fast jobs that wait in this process get their slots. The time that handlers take does not say it: a loop that is busy
 * lets them wait for longer.
 */
export class BeginPace {
  /** Jobs per ms. Unknown until some have waited. */
  perMs: number | undefined;
  #waiting = 0;
  #since = 0;
  #begun = 0;
  #ms = 0;

  /** `enough`: beginnings that say something. Slots get free in bursts, and one burst says little. */
  constructor(private readonly enough: number) {}

  /** From `now` on (monotonic, ms) so many wait. */
  wait(jobs: number, now: number): void {
    this.#waiting = jobs;
    this.#since = now;
  }

  /** At `now` so many of them are left. */
  left(jobs: number, now: number): void {
    if (this.#waiting === 0) return;
    this.#begun += this.#waiting - jobs;
    this.#ms += now - this.#since;
    this.wait(jobs, now);
    if (this.#begun < this.enough && this.#ms < ENOUGH_MS) return;
    this.perMs = this.#begun / this.#ms;
    this.#begun = 0;
    this.#ms = 0;
  }
}

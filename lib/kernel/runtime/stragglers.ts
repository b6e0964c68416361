import type { Clock, Timer } from '../ports/clock.js';

interface StragglerHost<Call> {
  readonly clock: Clock;
  readonly graceMs: number;
  slotFreed(): void;
  /** Its grace is over and it still runs. */
  overdue(call: Call): void;
}

/** Calls that were told to stop and still run. Each keeps its slot until it returns or its grace ends. */
export class Stragglers<Call extends object> {
  /** With the timer that ends their grace; without it they are zombies. */
  readonly #late = new Map<Call, Timer | undefined>();
  #zombies = 0;

  constructor(private readonly host: StragglerHost<Call>) {}

  get zombies(): number {
    return this.#zombies;
  }

  await(call: Call): void {
    const timer = this.host.clock.timer(this.host.graceMs, () => {
      this.#late.set(call, undefined);
      this.#zombies += 1;
      this.host.overdue(call);
      this.host.slotFreed();
    });
    timer.unref();
    this.#late.set(call, timer);
  }

  /** The call came back. True when it had been told to stop: whatever it brings counts for nothing. */
  back(call: Call): boolean {
    if (!this.#late.has(call)) return false;
    const timer = this.#late.get(call);
    this.#late.delete(call);
    if (timer) {
      timer.cancel();
      this.host.slotFreed();
    } else {
      this.#zombies -= 1;
    }
    return true;
  }
}

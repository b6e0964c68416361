import type { Clock, Timer } from '../ports/clock.js';

/** Somebody who claims jobs and can be held back. */
export interface Claimer {
  readonly queue: string;
  /** The gate opened again, or it is this claimer's turn to run alone. */
  kick(): void;
}

/** How long a process waits for its running jobs before it gives up running a suspect alone, and for how long then. */
const PATIENCE_MS = 30_000;

/**
 * Runs suspects alone. A job that stands at its stall cap may be what kills processes: it is run with nothing beside
 * it in the whole process, so that only a job that ran alone can pass the cap, and no innocent neighbour does.
 */
export class SoloGate {
  /** Jobs that run and claims under way, in the whole process. */
  #busy = 0;
  readonly #claimers = new Set<Claimer>();
  /** Claimers with suspects, longest waiting first. */
  readonly #wanted = new Set<Claimer>();
  #soloist: Claimer | undefined;
  #timer: Timer | undefined;
  #restUntil = -Infinity;

  constructor(private readonly clock: Clock) {}

  join(claimer: Claimer): void {
    this.#claimers.add(claimer);
  }

  /** It joined and has not quit. */
  has(claimer: Claimer): boolean {
    return this.#claimers.has(claimer);
  }

  quit(claimer: Claimer): void {
    this.#claimers.delete(claimer);
    this.done(claimer);
  }

  enter(n = 1): void {
    this.#busy += n;
  }

  leave(n = 1): void {
    this.#busy -= n;
    if (this.#busy === 0 && this.#wanted.size > 0) this.#next();
  }

  /** May this claimer claim now, and how? */
  turn(claimer: Claimer): 'free' | 'alone' | 'wait' {
    if (this.#soloist === claimer) return this.#busy === 0 ? 'alone' : 'wait';
    return this.#soloist || this.#wanted.size > 0 ? 'wait' : 'free';
  }

  /** Suspects wait in this claimer's queue. */
  request(claimer: Claimer): void {
    if (this.#wanted.has(claimer) || this.clock.monotonic() < this.#restUntil) return;
    this.#wanted.add(claimer);
    this.#timer ??= this.clock.timer(PATIENCE_MS, () => this.#giveUp());
    this.#timer.unref();
    if (this.#busy === 0) this.#next();
  }

  /** The claimer's turn is over: it ran its suspect, or there was none left. */
  done(claimer: Claimer): void {
    const wanted = this.#wanted.delete(claimer);
    if (this.#soloist === claimer) this.#soloist = undefined;
    else if (!wanted) return;
    if (this.#wanted.size === 0) this.#open();
    else if (this.#busy === 0) this.#next();
  }

  #next(): void {
    if (this.#soloist) {
      this.#soloist.kick();
      return;
    }
    const [first] = this.#wanted;
    this.#soloist = first;
    first?.kick();
  }

  #giveUp(): void {
    this.#timer = undefined;
    // A suspect that runs already has its turn; only waiting for neighbours is cut short.
    if (this.#soloist) return;
    this.#restUntil = this.clock.monotonic() + PATIENCE_MS;
    this.#wanted.clear();
    this.#open();
  }

  #open(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const claimer of this.#claimers) claimer.kick();
  }
}

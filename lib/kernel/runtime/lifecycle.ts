/**
 * Start and stop that may be called in any order and any number of times. Calls are taken one after another; a start
 * that fails is rolled back and may be tried again; stop without start does nothing.
 */
export class Lifecycle {
  #state: 'stopped' | 'started' = 'stopped';
  #last: Promise<void> = Promise.resolve();

  /** `onStop` must tolerate a start that got only part of the way. */
  constructor(
    private readonly onStart: () => Promise<void>,
    private readonly onStop: () => Promise<void>,
  ) {}

  get started(): boolean {
    return this.#state === 'started';
  }

  start(): Promise<void> {
    return this.#queue(async () => {
      if (this.#state === 'started') return;
      try {
        await this.onStart();
        this.#state = 'started';
      } catch (error) {
        // What the rollback trips over is a consequence; the caller needs the cause.
        await this.onStop().catch(() => undefined);
        throw error;
      }
    });
  }

  stop(): Promise<void> {
    return this.#queue(async () => {
      if (this.#state === 'stopped') return;
      try {
        await this.onStop();
      } finally {
        this.#state = 'stopped';
      }
    });
  }

  #queue(run: () => Promise<void>): Promise<void> {
    const next = this.#last.then(run);
    this.#last = next.catch(() => undefined);
    return next;
  }
}

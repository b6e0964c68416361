import assert from 'node:assert/strict';
import type { SignalMessage, Signals } from '../kernel/ports/signals.js';
import { systemClock } from '../kernel/ports/system-clock.js';

/**
 * What one process received. Waiting ends with the message; only a message that never comes costs the deadline.
 */
export class Inbox {
  readonly messages: SignalMessage[] = [];

  readonly #waiting = new Set<() => void>();
  #stop: (() => Promise<void>) | undefined;
  #nonces = 0;

  private constructor(
    private readonly signals: Signals,
    private readonly process: string,
    private readonly deadlineMs: number,
  ) {}

  static async open(signals: Signals, process: string, deadlineMs: number): Promise<Inbox> {
    const inbox = new Inbox(signals, process, deadlineMs);
    inbox.#stop = await signals.listen(
      process,
      (message) => {
        inbox.messages.push(message);
        for (const look of inbox.#waiting) look();
      },
      () => undefined,
    );
    return inbox;
  }

  /** How many wake-ups for this queue have arrived. */
  wakes(queue: string): number {
    return this.messages.filter((message) => message.kind === 'wake' && message.queue === queue).length;
  }

  /** Waits for wake-up number `count` of this queue. */
  woken(queue: string, count = 1): Promise<void> {
    return this.until(() => this.wakes(queue) >= count, `"${this.process}" was not woken for queue "${queue}"`);
  }

  /** Waits until everything that was sent before has arrived: messages to one process keep their order. */
  async settled(): Promise<void> {
    this.#nonces += 1;
    const nonce = `${this.process}-${this.#nonces}`;
    await this.signals.send(this.process, { kind: 'nonce', nonce });
    await this.until(
      () => this.messages.some((message) => message.kind === 'nonce' && message.nonce === nonce),
      `"${this.process}" did not receive what it sent to itself`,
    );
  }

  async until(holds: () => boolean, problem: string): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const end = (finish: () => void): void => {
        this.#waiting.delete(look);
        deadline.cancel();
        finish();
      };
      const look = (): void => {
        if (holds()) end(resolve);
      };
      const deadline = systemClock.timer(this.deadlineMs, () => {
        end(() => reject(new assert.AssertionError({ message: `${problem} within ${this.deadlineMs} ms` })));
      });
      this.#waiting.add(look);
    });
  }

  /** Stops listening; a second time does nothing. */
  async close(): Promise<void> {
    const stop = this.#stop;
    this.#stop = undefined;
    await stop?.();
  }
}

/** For how long a wake-up that was sent may be under way (ms). */
const ON_ITS_WAY_MS = 1_000;

/**
 * How many of the processes were woken, once everything has arrived. Where messages come by several ways, as in a Redis
 * Cluster, a later one may overtake: less than what is `expected` is waited for.
 */
export async function wakes(inboxes: readonly Inbox[], expected: number, queue = 'mail'): Promise<number> {
  const end = systemClock.monotonic() + ON_ITS_WAY_MS;
  for (;;) {
    await Promise.all(inboxes.map((inbox) => inbox.settled()));
    const sum = inboxes.reduce((all, inbox) => all + inbox.wakes(queue), 0);
    if (sum >= expected || systemClock.monotonic() >= end) return sum;
  }
}

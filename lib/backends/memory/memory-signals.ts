import type { Clock } from '../../kernel/ports/clock.js';
import type { StoreOptions } from '../../kernel/ports/job-store.js';
import type { SignalMessage, Signals } from '../../kernel/ports/signals.js';

/** A process that has not claimed for this long is no longer worth waking (ms). Above the longest poll floor. */
const IDLE_MS = 15_000;

/** Wake-ups and control messages between engines that share one memory store. */
export class MemorySignals implements Signals {
  readonly #listeners = new Map<string, Set<(message: SignalMessage) => void>>();
  /** Per queue: idle processes, longest idle first, and until when. */
  readonly #idle = new Map<string, Map<string, number>>();

  constructor(private readonly clock: Clock) {}

  listen(process: string, onMessage: (message: SignalMessage) => void): Promise<() => Promise<void>> {
    let listeners = this.#listeners.get(process);
    if (!listeners) this.#listeners.set(process, (listeners = new Set()));
    listeners.add(onMessage);
    return Promise.resolve(() => {
      listeners.delete(onMessage);
      if (listeners.size === 0) this.#listeners.delete(process);
      return Promise.resolve();
    });
  }

  send(process: string, message: SignalMessage): Promise<void> {
    this.#deliver(process, message);
    return Promise.resolve();
  }

  broadcast(message: SignalMessage): Promise<void> {
    for (const process of [...this.#listeners.keys()]) this.#deliver(process, message);
    return Promise.resolve();
  }

  passOn(queue: string, from: string, opts?: StoreOptions): Promise<void> {
    this.hint(queue, 1, opts?.now ?? this.clock.now(), from);
    return Promise.resolve();
  }

  /** A claim of `process` could have taken more. */
  markIdle(queue: string, process: string, now: number): void {
    let idle = this.#idle.get(queue);
    if (!idle) this.#idle.set(queue, (idle = new Map()));
    idle.set(process, now + IDLE_MS);
  }

  markBusy(queue: string, process: string): void {
    this.#idle.get(queue)?.delete(process);
  }

  /** Wakes as many idle processes as there are jobs, each at most once until it claims again. */
  hint(queue: string, jobs: number, now: number, except?: string): void {
    const idle = this.#idle.get(queue);
    if (!idle) return;
    let left = jobs;
    for (const [process, until] of idle) {
      if (left === 0) return;
      if (process === except) continue;
      idle.delete(process);
      // Gone or asleep for good: the hint goes to the next one.
      if (until < now || !this.#listeners.has(process)) continue;
      left -= 1;
      this.#deliver(process, { kind: 'wake', queue });
    }
  }

  #deliver(process: string, message: SignalMessage): void {
    for (const listener of this.#listeners.get(process) ?? []) listener(message);
  }
}

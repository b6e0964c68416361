import { delayProblem, limitProblem, priorityProblem, refuse, ttlProblem } from '../../kernel/adapters/arguments.js';
import { LockNotHeldError } from '../../kernel/errors/index.js';
import type { BrokerStrategy, IBrokerEngine } from '../../kernel/ports/broker.js';
import type { Clock, Timer } from '../../kernel/ports/clock.js';
import { MemoryBrokerQueue } from './memory-broker-queue.js';

/** A claim that waits for an entry. */
interface Waiter {
  readonly tryClaim: () => string[];
  readonly answer: (ids: string[]) => void;
}

/** One name with those who wait for its entries, longest first. */
interface Room {
  readonly queue: MemoryBrokerQueue;
  readonly waiters: Set<Waiter>;
  /** Rings when the next delay or lock ends; armed only while somebody waits. */
  alarm: Timer | undefined;
}

/**
 * Entries in this process's memory. Delays and locks are measured on the monotonic clock: a jump of the wall clock
 * neither ends a lock early nor holds an entry back.
 */
export class MemoryBroker implements Required<IBrokerEngine> {
  readonly #rooms = new Map<string, Room>();
  readonly #channels = new Map<string, Set<(message: string) => void>>();

  constructor(private readonly clock: Clock) {}

  async publish(name: string, id: string, delayMs = 0, priority = 0): Promise<void> {
    refuse(`MemoryBroker.publish ("${name}")`, delayProblem('delayMs', delayMs), priorityProblem(priority));
    this.#change(name, ({ queue }) => queue.publish(id, delayMs, priority, this.clock.monotonic()));
  }

  async publishBatch(
    name: string,
    items: readonly { id: string; delayMs?: number; priority?: number }[],
  ): Promise<void> {
    const problems = items.flatMap(({ delayMs = 0, priority = 0 }, i) =>
      [delayProblem(`items[${i}].delayMs`, delayMs), priorityProblem(priority)].filter((one) => one !== undefined),
    );
    refuse(`MemoryBroker.publishBatch ("${name}")`, ...problems);
    const now = this.clock.monotonic();
    this.#change(name, ({ queue }) => {
      for (const { id, delayMs = 0, priority = 0 } of items) queue.publish(id, delayMs, priority, now);
    });
  }

  async claim(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    strategy: BrokerStrategy = 'fifo',
  ): Promise<string[]> {
    refuse(`MemoryBroker.claim ("${name}")`, limitProblem(limit), ttlProblem('lockTtlMs', lockTtlMs));
    const taken = this.#rooms.get(name)?.queue.claim(consumerId, limit, lockTtlMs, strategy, this.clock.monotonic());
    // Another's lock may now be the first to end.
    if (taken && taken.length > 0) this.#change(name, () => undefined);
    return taken ?? [];
  }

  claimBlocking(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    timeoutMs: number,
    strategy: BrokerStrategy = 'fifo',
  ): Promise<string[]> {
    return new Promise((resolve) => {
      refuse(
        `MemoryBroker.claimBlocking ("${name}")`,
        limitProblem(limit),
        ttlProblem('lockTtlMs', lockTtlMs),
        delayProblem('timeoutMs', timeoutMs),
      );
      this.#change(name, (room) => {
        const { queue, waiters } = room;
        const waiter: Waiter = {
          tryClaim: () => queue.claim(consumerId, limit, lockTtlMs, strategy, this.clock.monotonic()),
          answer: (ids) => {
            waiters.delete(waiter);
            deadline.cancel();
            resolve(ids);
          },
        };
        const deadline = this.clock.timer(timeoutMs, () => this.#change(name, () => waiter.answer([])));
        waiters.add(waiter);
        // It may be answered at once, but never before somebody who waits longer.
        this.#serve(room);
        if (waiters.has(waiter) && (timeoutMs === 0 || limit === 0)) waiter.answer([]);
      });
    });
  }

  async extendLock(id: string, consumerId: string, lockTtlMs: number, name?: string): Promise<void> {
    const where = `MemoryBroker.extendLock${name === undefined ? '' : ` ("${name}")`}`;
    refuse(where, ttlProblem('lockTtlMs', lockTtlMs));
    const now = this.clock.monotonic();
    const rooms = name === undefined ? [...this.#rooms.values()] : [this.#rooms.get(name)];
    const extended = rooms.filter((room) => room?.queue.extend(id, consumerId, lockTtlMs, now));
    if (extended.length === 0) throw new LockNotHeldError(where, id, consumerId);
  }

  async ack(name: string, id: string): Promise<void> {
    this.#change(name, ({ queue }) => queue.remove(id));
  }

  async nack(name: string, id: string, delayMs = 0): Promise<void> {
    refuse(`MemoryBroker.nack ("${name}")`, delayProblem('delayMs', delayMs));
    this.#change(name, ({ queue }) => queue.nack(id, delayMs, this.clock.monotonic()));
  }

  async remove(name: string, id: string): Promise<void> {
    this.#change(name, ({ queue }) => queue.remove(id));
  }

  async pause(name: string): Promise<void> {
    this.#change(name, ({ queue }) => (queue.paused = true));
  }

  async resume(name: string): Promise<void> {
    this.#change(name, ({ queue }) => (queue.paused = false));
  }

  async isPaused(name: string): Promise<boolean> {
    return this.#rooms.get(name)?.queue.paused ?? false;
  }

  async size(name: string): Promise<number> {
    return this.#rooms.get(name)?.queue.size ?? 0;
  }

  async broadcast(channel: string, message: string): Promise<void> {
    for (const listener of [...(this.#channels.get(channel) ?? [])]) {
      try {
        listener(message);
      } catch (error) {
        // As over a server: who sends, and who else listens, does not suffer for it.
        process.emitWarning(`a subscriber of "${channel}" failed: ${String(error)}`, 'OqronKitWarning');
      }
    }
  }

  async subscribe(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>> {
    // A function that subscribes twice gets each message twice, and ends one subscription at a time.
    const listener = (message: string): void => onMessage(message);
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(listener));
    return async () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#channels.get(channel) === listeners) this.#channels.delete(channel);
    };
  }

  /** Answers every claim that waits with nothing, so that no timer is left. Idempotent. */
  close(): void {
    for (const [name, { waiters }] of [...this.#rooms]) {
      this.#change(name, () => {
        for (const waiter of [...waiters]) waiter.answer([]);
      });
    }
  }

  /** Every change of a name: those who wait are served, and nothing is kept of a name that nobody uses. */
  #change(name: string, apply: (room: Room) => unknown): void {
    let room = this.#rooms.get(name);
    if (!room) {
      room = { queue: new MemoryBrokerQueue(), waiters: new Set(), alarm: undefined };
      this.#rooms.set(name, room);
    }
    apply(room);
    this.#serve(room);
    room.alarm?.cancel();
    room.alarm = undefined;
    const { queue, waiters } = room;
    if (waiters.size > 0 && !queue.paused && queue.nextChangeAt !== undefined) {
      const inMs = Math.max(0, queue.nextChangeAt - this.clock.monotonic());
      room.alarm = this.clock.timer(inMs, () => this.#change(name, () => undefined));
    }
    if (queue.size === 0 && !queue.paused && waiters.size === 0) this.#rooms.delete(name);
  }

  #serve({ waiters }: Room): void {
    for (const waiter of waiters) {
      const ids = waiter.tryClaim();
      // Whoever comes later finds nothing either.
      if (ids.length === 0) return;
      waiter.answer(ids);
    }
  }
}

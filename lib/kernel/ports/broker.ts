import type { QueueStrategy } from '../job/states.js';

/** Order in which a broker hands out entries. @publicApi */
export type BrokerStrategy = QueueStrategy;

/**
 * A public adapter: transports ids. The record in the storage is the truth; an entry here is a hint. Times are ms. The
 * broker conformance kit (`oqronkit/conformance`) checks what is said here.
 *
 * @example
 * await broker.publish('letters', 'letter-7', 60_000);
 * for (const id of await broker.claim('letters', 'postman-1', 10, 30_000)) {
 *   await deliver(id);
 *   await broker.ack('letters', id);
 * }
 * @publicApi
 */
export interface IBrokerEngine {
  /**
   * Adds an entry, to be handed out after `delayMs` (default 0). The same id again is the same entry until it was
   * acknowledged. `priority` (default 0, served first) counts for claims with the strategy `priority`.
   */
  publish(name: string, id: string, delayMs?: number, priority?: number): Promise<void>;
  /**
   * Takes up to `limit` ids and hides them for `lockTtlMs`; what is neither acknowledged nor extended then comes back.
   * `strategy` (default `fifo`) says which go first.
   */
  claim(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    strategy?: BrokerStrategy,
  ): Promise<string[]>;
  /** Hides the entry for `lockTtlMs` from now on. Throws when `consumerId` does not hold it (any more). */
  extendLock(id: string, consumerId: string, lockTtlMs: number, name?: string): Promise<void>;
  /** Removes the entry. Harmless when there is none. */
  ack(name: string, id: string): Promise<void>;
  /** Hands the entry back, to be handed out again after `delayMs` (default 0). */
  nack(name: string, id: string, delayMs?: number): Promise<void>;
  /** Hands out nothing of this name until it is resumed. What is held goes on. */
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** A claim that waits up to `timeoutMs` for an entry, then answers none. */
  claimBlocking?(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    timeoutMs: number,
    strategy?: BrokerStrategy,
  ): Promise<string[]>;
  publishBatch?(name: string, items: readonly { id: string; delayMs?: number; priority?: number }[]): Promise<void>;
  /** Takes the entry away, also one that waits or is held. */
  remove?(name: string, id: string): Promise<void>;
  isPaused?(name: string): Promise<boolean>;
  /** Entries that were not acknowledged: waiting, delayed and held. */
  size?(name: string): Promise<number>;
  /** Sends to everybody who listens now; nothing is kept for later. */
  broadcast?(channel: string, message: string): Promise<void>;
  /** Answers a function that ends it. */
  subscribe?(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>;
}

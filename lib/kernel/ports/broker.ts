import type { QueueStrategy } from '../job/states.js';

/** Order in which a broker hands out entries. @publicApi */
export type BrokerStrategy = QueueStrategy;

/**
 * A public adapter: transports ids. The record in the storage is the truth; an entry here is a hint.
 * @publicApi
 */
export interface IBrokerEngine {
  publish(name: string, id: string, delayMs?: number, priority?: number): Promise<void>;
  /** Takes up to `limit` ids, hidden from others for `lockTtlMs`. */
  claim(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    strategy?: BrokerStrategy,
  ): Promise<string[]>;
  /** Throws when `consumerId` does not hold the entry. */
  extendLock(id: string, consumerId: string, lockTtlMs: number, name?: string): Promise<void>;
  ack(name: string, id: string): Promise<void>;
  nack(name: string, id: string, delayMs?: number): Promise<void>;
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  claimBlocking?(
    name: string,
    consumerId: string,
    limit: number,
    lockTtlMs: number,
    timeoutMs: number,
    strategy?: BrokerStrategy,
  ): Promise<string[]>;
  publishBatch?(name: string, items: readonly { id: string; delayMs?: number; priority?: number }[]): Promise<void>;
  remove?(name: string, id: string): Promise<void>;
  isPaused?(name: string): Promise<boolean>;
  size?(name: string): Promise<number>;
  broadcast?(channel: string, message: string): Promise<void>;
  subscribe?(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>;
}

import type { StoreOptions } from './calls.js';

/**
 * What one process may tell another. All of it is hints: the store is the truth, and a lost message costs time only.
 * @publicApi
 */
export type SignalMessage =
  /** Jobs of this queue became ready while you were idle. `everyone`: all were told, so nobody passes it on. */
  | { readonly kind: 'wake'; readonly queue: string; readonly everyone?: true }
  /** A job that you run was cancelled. */
  | {
      readonly kind: 'cancel';
      readonly queue: string;
      readonly id: string;
      readonly fence: number;
      readonly reason?: string;
    }
  /** Sent by a process to itself to learn whether its channel works. */
  | { readonly kind: 'nonce'; readonly nonce: string }
  /** Nobody leads the election `name` any more: its leader resigned. */
  | { readonly kind: 'vacant'; readonly name: string }
  /** `process` wants to hear of these events for the next `ttlMs`. */
  | { readonly kind: 'interest'; readonly process: string; readonly events: readonly string[]; readonly ttlMs: number }
  /** Something happened in process `from`. `payload` is plain JSON data of at most 4 KiB. */
  | { readonly kind: 'event'; readonly from: string; readonly event: string; readonly payload: unknown };

/**
 * The wake-up and control channel of a backend. A claim that could have taken more registers its owner as idle for
 * that queue, for longer than the 10 s after which it looks by itself; a transition that makes jobs ready takes as many idle processes out as there are jobs and wakes each.
 * @publicApi
 */
export interface Signals {
  /**
   * Receives the messages for `process`. `onGap` is called when messages may have been missed (after a
   * re-subscribe): the receiver then claims all its queues once. Resolves to a function that ends it.
   */
  listen(process: string, onMessage: (message: SignalMessage) => void, onGap: () => void): Promise<() => Promise<void>>;

  /** Sends to one process. Never rejects because nobody listens. */
  send(process: string, message: SignalMessage): Promise<void>;

  /** Sends to every process that listens, the sender too. Never rejects because nobody listens. */
  broadcast(message: SignalMessage): Promise<void>;

  /** A woken process that cannot take the job passes the hint on to another idle one. */
  passOn(queue: string, from: string, opts?: StoreOptions): Promise<void>;
}

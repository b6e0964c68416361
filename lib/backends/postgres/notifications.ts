import type { Clock, Timer } from '../../kernel/ports/clock.js';
import type { SignalMessage } from '../../kernel/ports/signals.js';
import type { PostgresClientLike, Statement } from './client.js';
import type { ConnectionLog } from './pools.js';
import { bare, storeError } from './postgres-errors.js';

/**
 * What came over the channel: wake-ups for several processes (or for all: null), a message, or where a long message lies.
 */
export type Notification =
  | { readonly kind: 'wakes'; readonly wakes: readonly (readonly [process: string | null, queue: string])[] }
  | { readonly kind: 'message'; readonly to: string | null; readonly message: SignalMessage }
  | { readonly kind: 'stored'; readonly to: string | null; readonly id: number };

/** Anybody may notify on a channel: what is not ours is `undefined`. */
export function parseNotification(payload: string): Notification | undefined {
  try {
    const value = JSON.parse(payload.slice(1)) as never;
    if (payload.startsWith('w')) return { kind: 'wakes', wakes: value };
    if (payload.startsWith('m'))
      return { kind: 'message', ...(value as { to: string | null; message: SignalMessage }) };
    if (payload.startsWith('b')) return { kind: 'stored', ...(value as { to: string | null; id: number }) };
  } catch {
    // Not ours.
  }
  return undefined;
}

/** First wait before connecting again (ms); it doubles up to the last. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;

interface ListenerHost {
  readonly make: () => PostgresClientLike;
  readonly clock: Clock;
  readonly log: ConnectionLog;
  /** What a new connection has to say first, one after the other. */
  readonly first: () => readonly Statement[];
  readonly onPayload: (payload: string) => void;
  /** The connection was lost and is there again: messages may have been missed. */
  readonly onGap: () => void;
}

/** The one connection of a process that listens. It heals by itself, with longer and longer waits up to a second. */
export class NotificationListener {
  #client: PostgresClientLike | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #closed = false;

  constructor(
    private readonly host: ListenerHost,
    private readonly channel: string,
  ) {}

  /** @throws StoreUnreachableError when there is no connection now */
  async open(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      await this.close();
      throw storeError('Signals.listen', error);
    }
  }

  /** Runs a statement in the session that listens. Without one now, `first` is all that the next will say. */
  async say(statement: Statement): Promise<void> {
    const client = this.#client;
    // What goes wrong here is the end of the connection, which is noticed.
    await client?.query(statement).catch(() => this.#lost(client));
  }

  /** Gives the connection up and makes another: this one looks alive but brings nothing. */
  renew(): void {
    this.#lost(this.#client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = this.host.make();
    this.#client = client;
    client.on('error', ((error: Error) => {
      this.host.log(`PostgreSQL connection "listener": ${bare(error).message}`, {
        role: 'listener',
        error: bare(error),
      });
      this.#lost(client);
    }) as never);
    client.on('end', () => this.#lost(client));
    client.on('notification', (({ channel, payload }: { channel: string; payload?: string }) => {
      if (client === this.#client && channel === this.channel && payload) this.host.onPayload(payload);
    }) as never);
    await client.connect();
    // The name is made of letters, digits and "_".
    await client.query({ text: `listen "${this.channel}"` });
    for (const statement of this.host.first()) await client.query(statement);
    this.#failures = 0;
  }

  #lost(client: PostgresClientLike | undefined): void {
    if (client === undefined || client !== this.#client || this.#closed) return;
    this.#client = undefined;
    client.end().catch(() => undefined);
    this.#later();
  }

  #later(): void {
    const delay = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10), LAST_RETRY_MS);
    this.#failures += 1;
    this.#retry = this.host.clock.timer(delay, () => void this.#again());
    // A process that has nothing else to do may end.
    this.#retry.unref();
  }

  async #again(): Promise<void> {
    try {
      await this.#connect();
    } catch {
      // Told to the log by the connection's own listener, or it never came up; the next try says so again.
      if (this.#client !== undefined) this.#lost(this.#client);
      return;
    }
    if (this.#closed) await this.close();
    else this.host.onGap();
  }
}

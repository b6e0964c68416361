import type { StoreOptions } from '../../kernel/ports/calls.js';
import type { SignalMessage, Signals } from '../../kernel/ports/signals.js';
import type { Statement } from './client.js';
import { NotificationListener, parseNotification, type Notification } from './notifications.js';
import type { PostgresParts } from './parts.js';
import type { ConnectionLog } from './pools.js';
import { storeError } from './postgres-errors.js';

interface Listener {
  readonly process: string;
  readonly onMessage: (message: SignalMessage) => void;
  readonly onGap: () => void;
}

/** After so many messages to ourselves that did not come back, the listening connection is made anew. */
const SILENT_NONCES = 3;
/** ... but not while the first of them is younger than this (ms): several may have been sent at once. */
const SILENT_MS = 2_000;

/** Messages that wait behind a long one. */
const MOST_WAITING = 1_000;

const HOW_TO_LISTEN =
  'notifications do not arrive, so idle processes only look for work at their pollIntervalMs. ' +
  'Behind a pooler in transaction mode, set postgres.listenUrl to a direct address of the same database.';

/**
 * Wake-ups and control messages by LISTEN and NOTIFY: one channel for all processes of a project and environment, each
 * message says for whom it is. The functions of the store notify by themselves, within their transaction.
 */
export class PostgresSignals implements Signals {
  readonly #listeners = new Set<Listener>();
  #listener: Promise<NotificationListener> | undefined;
  #channel: string | undefined;
  /** Messages of a process to itself that have not come back. */
  #unanswered = 0;
  /** When the first of them was sent. */
  #unansweredSince = 0;
  /** Has this connection ever brought anything? */
  #heard = false;
  #told = false;
  /** Keeps the order while a long message is read. */
  #reading: Promise<void> | undefined;
  #waiting = 0;

  constructor(
    private readonly parts: () => PostgresParts,
    private readonly log: ConnectionLog,
    private readonly wakeAnother: (queue: string, from: string, opts?: StoreOptions) => Promise<void>,
  ) {}

  /** For health: the channel does not work, and why that may be. */
  get warnings(): readonly string[] {
    return this.#told ? [HOW_TO_LISTEN] : [];
  }

  async listen(
    process: string,
    onMessage: (message: SignalMessage) => void,
    onGap: () => void,
  ): Promise<() => Promise<void>> {
    this.#listener ??= this.#open().catch((error: unknown) => {
      this.#listener = undefined;
      throw error;
    });
    const session = await this.#listener;
    const listener: Listener = { process, onMessage, onGap };
    const known = this.#hears(process);
    this.#listeners.add(listener);
    if (!known) await session.say(this.#named('select oqron.hears_v1($1, $2, $3)', process));
    return async () => {
      if (!this.#listeners.delete(listener) || this.#hears(process)) return;
      await session.say(this.#named('select oqron.hears_no_more_v1($1, $2, $3)', process));
      const { pools, names, project, environment } = this.parts();
      const values = [project, environment, process];
      // Without an answer its entries expire by themselves.
      await pools.main.rows(names.sql('select oqron.deaf_v1($1, $2, $3)'), values).catch(() => undefined);
    };
  }

  async send(process: string, message: SignalMessage): Promise<void> {
    await this.#tell(process, message);
    if (message.kind === 'nonce' && this.#hears(process)) this.#expect();
  }

  async broadcast(message: SignalMessage): Promise<void> {
    await this.#tell(null, message);
  }

  passOn(queue: string, from: string, opts?: StoreOptions): Promise<void> {
    return this.wakeAnother(queue, from, opts);
  }

  /** Ends listening; the backend closes. */
  async close(): Promise<void> {
    const listener = await this.#listener?.catch(() => undefined);
    this.#listener = undefined;
    this.#listeners.clear();
    await listener?.close();
    await this.#reading;
  }

  async #open(): Promise<NotificationListener> {
    const { pools, clock } = this.parts();
    const host = {
      make: pools.makeListener,
      clock,
      log: this.log,
      first: () =>
        [...new Set([...this.#listeners].map(({ process }) => process))].map((process) =>
          this.#named('select oqron.hears_v1($1, $2, $3)', process),
        ),
      onPayload: (payload: string) => this.#receive(payload),
      onGap: () => this.#gap(),
    };
    const listener = new NotificationListener(host, await this.#channelName());
    await listener.open();
    return listener;
  }

  /** A statement about a process of this project and environment. */
  #named(text: string, process: string): Statement {
    const { names, project, environment } = this.parts();
    return { text: names.sql(text), values: [project, environment, process] };
  }

  async #channelName(): Promise<string> {
    const { pools, names, project, environment } = this.parts();
    try {
      const [row] = await pools.main.rows(names.sql('select oqron.channel_v1($1, $2)'), [project, environment]);
      return (this.#channel ??= String(row?.[0]));
    } catch (error) {
      throw storeError('Signals.listen', error);
    }
  }

  async #tell(to: string | null, message: SignalMessage): Promise<void> {
    const { pools, names } = this.parts();
    const channel = this.#channel ?? (await this.#channelName());
    try {
      await pools.main.rows(names.sql('select oqron.tell_v1($1, $2, $3)'), [channel, to, JSON.stringify(message)]);
    } catch (error) {
      throw storeError('Signals.send', error);
    }
  }

  #gap(): void {
    this.#unanswered = 0;
    for (const { onGap } of this.#listeners) onGap();
  }

  #hears(process: string): boolean {
    return [...this.#listeners].some((listener) => listener.process === process);
  }

  /** A connection can be dead without a word, and a pooler can hide that nobody listens. */
  #expect(): void {
    const now = this.parts().clock.monotonic();
    if (this.#unanswered === 0) this.#unansweredSince = now;
    this.#unanswered += 1;
    if (this.#unanswered < SILENT_NONCES || now - this.#unansweredSince < SILENT_MS) return;
    this.#unanswered = 0;
    if (!this.#heard) {
      // It would not help to connect again: this address never brought anything.
      if (!this.#told) this.log(`PostgreSQL: ${HOW_TO_LISTEN}`, {});
      this.#told = true;
      return;
    }
    void this.#listener?.then((listener) => listener.renew());
  }

  #receive(payload: string): void {
    const notification = parseNotification(payload);
    if (!notification) return;
    if (this.#reading === undefined && notification.kind !== 'stored') {
      this.#deliver(notification);
      return;
    }
    // Too many while the store does not answer: those that come now are as lost as if there were no connection.
    if (this.#waiting >= MOST_WAITING) {
      this.#gap();
      return;
    }
    this.#waiting += 1;
    const turn: Promise<void> = (this.#reading ?? Promise.resolve())
      .then(() => this.#read(notification))
      // A message is a hint: one that cannot be read is a lost one.
      .catch(() => undefined)
      .finally(() => {
        this.#waiting -= 1;
        if (this.#reading === turn) this.#reading = undefined;
      });
    this.#reading = turn;
  }

  async #read(notification: Notification): Promise<void> {
    if (notification.kind !== 'stored') return this.#deliver(notification);
    const { to, id } = notification;
    if (to !== null && !this.#hears(to)) return;
    const { pools, names } = this.parts();
    const [row] = await pools.main.rows(names.sql('select body from oqron.message where id = $1'), [id]);
    if (row) this.#deliver({ kind: 'message', to, message: JSON.parse(String(row[0])) as SignalMessage });
  }

  #deliver(notification: Exclude<Notification, { kind: 'stored' }>): void {
    for (const { process, onMessage } of this.#listeners) {
      if (notification.kind === 'wakes') {
        for (const [to, queue] of notification.wakes) {
          if (to === null) onMessage({ kind: 'wake', queue, everyone: true });
          else if (to === process) onMessage({ kind: 'wake', queue });
        }
      } else if (notification.to === null || notification.to === process) {
        if (notification.message.kind === 'nonce') {
          this.#unanswered = 0;
          this.#heard = true;
          this.#told = false;
        }
        onMessage(notification.message);
      }
    }
  }
}

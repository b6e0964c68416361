import type { StoreOptions } from '../../kernel/ports/calls.js';
import type { SignalMessage, Signals } from '../../kernel/ports/signals.js';
import type { RedisConnections } from './connection.js';
import type { RedisKeys } from './keys.js';
import { storeError } from './redis-errors.js';
import type { ScriptRunner } from './script-runner.js';

interface Listener {
  readonly channel: string;
  readonly onMessage: (message: SignalMessage) => void;
  readonly onGap: () => void;
}

/**
 * Wake-ups and control messages over Redis pub/sub: one channel per process, and one that all hear. Scripts publish
 * wake-ups themselves, as `w` and the queue's name; everything else is JSON.
 */
export class RedisSignals implements Signals {
  readonly #listeners = new Set<Listener>();
  #subscribed = false;

  constructor(
    private readonly parts: () => { readonly connections: RedisConnections; readonly scripts: ScriptRunner },
    private readonly keys: RedisKeys,
  ) {}

  /** Begins to hear the subscriber's connection. Called once, when it is open. */
  attach({ subscriber }: RedisConnections): void {
    subscriber.on('message', ((channel: string, text: string) => this.#receive(channel, text)) as never);
    // The connection is new: what was said meanwhile is lost.
    const again = (): void => {
      if (this.#subscribed) void this.#subscribeAgain();
    };
    subscriber.on('ready', again);
  }

  async listen(
    process: string,
    onMessage: (message: SignalMessage) => void,
    onGap: () => void,
  ): Promise<() => Promise<void>> {
    const listener: Listener = { channel: this.keys.channels + process, onMessage, onGap };
    const { subscriber } = this.parts().connections;
    try {
      await subscriber.subscribe(listener.channel, this.keys.everybody);
    } catch (error) {
      throw storeError('Signals.listen', error);
    }
    this.#subscribed = true;
    this.#listeners.add(listener);
    return async () => {
      this.#listeners.delete(listener);
      const others = [...this.#listeners].some(({ channel }) => channel === listener.channel);
      // Without a connection there is nothing to end.
      if (!others) await subscriber.unsubscribe(listener.channel).catch(() => undefined);
    };
  }

  async send(process: string, message: SignalMessage): Promise<void> {
    await this.#publish(this.keys.channels + process, message);
  }

  async broadcast(message: SignalMessage): Promise<void> {
    await this.#publish(this.keys.everybody, message);
  }

  async passOn(queue: string, from: string, opts?: StoreOptions): Promise<void> {
    const { scripts, connections } = this.parts();
    await scripts.run(connections.commands, `Signals.passOn (queue "${queue}")`, 'pass', queue, [from], opts);
  }

  /** How many received it says nothing: a Cluster counts only those of one node. */
  async #publish(channel: string, message: SignalMessage): Promise<void> {
    const { scripts, connections } = this.parts();
    const { commands } = connections;
    const text = JSON.stringify(message);
    if (commands.isCluster === true) {
      await scripts.run(commands, 'Signals.send', 'publish', '', [channel, text]);
      return;
    }
    try {
      await commands.call('publish', channel, text);
    } catch (error) {
      throw storeError('Signals.send', error);
    }
  }

  async #subscribeAgain(): Promise<void> {
    const { subscriber } = this.parts().connections;
    const channels = new Set([...this.#listeners].map(({ channel }) => channel));
    try {
      await subscriber.subscribe(...channels, this.keys.everybody);
    } catch {
      // The connection broke again: its next `ready` comes here.
      return;
    }
    for (const { onGap } of this.#listeners) onGap();
  }

  #receive(channel: string, text: string): void {
    const message = parse(text);
    if (!message) return;
    for (const listener of this.#listeners) {
      if (channel === listener.channel || channel === this.keys.everybody) listener.onMessage(message);
    }
  }
}

function parse(text: string): SignalMessage | undefined {
  if (text.startsWith('w')) return { kind: 'wake', queue: text.slice(1) };
  try {
    return JSON.parse(text) as SignalMessage;
  } catch {
    // Not ours: anybody may publish on a server.
    return undefined;
  }
}

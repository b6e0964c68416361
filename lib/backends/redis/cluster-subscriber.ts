import type { Clock, Timer } from '../../kernel/ports/clock.js';
import type { RedisClientLike } from './client.js';

/** A node of a Cluster, as its client knows it. */
type NodeLike = Pick<RedisClientLike, 'duplicate' | 'status'>;

/**
 * Listens through one master of a Cluster; a node hands on what is published on any other. A Cluster client can listen
 * by itself, but does not say when it changed its node and so missed messages. This one is an ordinary client of some
 * node, and when it breaks, of another.
 */
export class ClusterSubscriber {
  readonly options = {};
  #node: RedisClientLike | undefined;
  #timer: Timer | undefined;
  #closed = false;
  #turn = 0;
  readonly #listeners: [event: string, listener: (...args: never[]) => void][] = [];

  constructor(
    private readonly cluster: RedisClientLike,
    private readonly make: (node: NodeLike) => RedisClientLike,
    private readonly clock: Clock,
    private readonly retryMs: (times: number) => number,
  ) {}

  get status(): string {
    return this.#node?.status ?? 'wait';
  }

  on(event: string, listener: (...args: never[]) => void): this {
    this.#listeners.push([event, listener]);
    this.#node?.on(event, listener);
    return this;
  }

  async connect(): Promise<void> {
    const nodes = (this.cluster.nodes?.('master') ?? []) as unknown as NodeLike[];
    const chosen = nodes[this.#turn % nodes.length];
    this.#turn += 1;
    if (!chosen) throw new Error('the Cluster has no node to listen through');
    const node = this.make(chosen);
    this.#node = node;
    for (const [event, listener] of this.#listeners) node.on(event, listener);
    await node.connect();
    node.on('end', () => this.#again(1));
    // It was closed while it connected.
    if (this.#closed) node.disconnect();
  }

  subscribe(...channels: string[]): Promise<unknown> {
    return this.#node ? this.#node.subscribe(...channels) : Promise.reject(new Error('Connection is closed.'));
  }

  async unsubscribe(...channels: string[]): Promise<unknown> {
    return this.#node?.unsubscribe(...channels);
  }

  async quit(): Promise<unknown> {
    this.#end();
    return this.#node?.quit();
  }

  disconnect(): void {
    this.#end();
    this.#node?.disconnect();
  }

  #end(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Listeners learn of the new connection by its `ready`. */
  #again(times: number): void {
    if (this.#closed) return;
    this.#timer = this.clock.timer(this.retryMs(times), () => {
      this.connect().catch(() => this.#again(times + 1));
    });
    this.#timer.unref();
  }
}

/**
 * What this backend needs of an ioredis client or Cluster. Any instance of ioredis 5 or 6 fits.
 * @publicApi
 */
export interface RedisClientLike {
  readonly status: string;
  readonly isCluster?: boolean;
  readonly options: object;
  connect(): Promise<void>;
  disconnect(): void;
  quit(): Promise<unknown>;
  call(command: string, ...args: unknown[]): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  duplicate(...options: never[]): unknown;
  /** Its socket, once it has one. */
  readonly stream?: { on(event: 'error', listener: () => void): unknown };
  /** Of a Cluster: its nodes. */
  nodes?(
    role: 'master',
  ): readonly (Pick<RedisClientLike, 'stream'> & { readonly status: string; connect(): Promise<void> })[];
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
}

/** What listening needs of a client. */
export type SubscriberLike = Pick<
  RedisClientLike,
  'status' | 'connect' | 'disconnect' | 'quit' | 'subscribe' | 'unsubscribe' | 'on'
>;

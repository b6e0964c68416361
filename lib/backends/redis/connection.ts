import { InvalidOptionsError } from '../../kernel/errors/index.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { RedisClientLike, SubscriberLike } from './client.js';
import { ClusterSubscriber } from './cluster-subscriber.js';
import { bare, RedisClientMissingError, storeError } from './redis-errors.js';

/**
 * Where the server is: a URL, options of ioredis (host, port, password, tls, sentinels, ...; `url` too), or an ioredis
 * client or Cluster. A client is duplicated with the options that the engine needs, and only the duplicates are closed.
 * @publicApi
 */
export type RedisTarget = string | Readonly<Record<string, unknown>> | RedisClientLike;

/** First wait before connecting again (ms); it doubles up to the last. */
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;
/** A command that is not answered for this long has lost its connection (ms). */
const SILENCE_MS = 10_000;
/**
 * The client keeps the process alive for this long when it ends a connection (ms), also one that never was; its own
 * default is 2 s. Nothing is under way by then that would need the time.
 */
const GOODBYE_MS = 50;

/**
 * No command is ever sent twice by the client: the caller's lane does that, under the same call number. And none waits
 * for a connection: who cannot send now learns it now.
 */
const OURS = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableAutoPipelining: false,
  stringNumbers: false,
  readOnly: false,
  keepAlive: 10_000,
  connectTimeout: 5_000,
  disconnectTimeout: GOODBYE_MS,
  // A master that became a replica refuses writes; the new one is found by connecting again.
  reconnectOnError: (error: Error) => error.message.includes('READONLY '),
  socketTimeout: SILENCE_MS,
  protocol: 2,
  replyMapping: undefined,
  retryStrategy: (times: number) => Math.min(FIRST_RETRY_MS * 2 ** Math.min(times - 1, 10), LAST_RETRY_MS),
};

const OURS_CLUSTER = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  retryDelayOnFailover: 0,
  scaleReads: 'master',
  clusterRetryStrategy: OURS.retryStrategy,
};

/** Hears of broken connections. */
export type ConnectionLog = (text: string, detail: unknown) => void;

/** What changes once a connection was made for the first time. */
interface Dial {
  opened: boolean;
}

/**
 * When no Sentinel answers, a client either asks them again or is of no use any more: it does not connect again by itself.
 * So a start fails at once, and later it goes on asking.
 */
function ours(dial: Dial): typeof OURS & { readonly sentinelRetryStrategy: (times: number) => number | null } {
  return { ...OURS, sentinelRetryStrategy: (times) => (dial.opened ? OURS.retryStrategy(times) : null) };
}

interface IoredisModule {
  readonly Redis: new (...args: unknown[]) => RedisClientLike;
}

/**
 * The three connections of a process: commands, heartbeats (which must not wait behind large commands) and the
 * subscriber. Each heals by itself; while it is down, commands fail at once.
 */
export class RedisConnections {
  private constructor(
    readonly commands: RedisClientLike,
    readonly heartbeats: RedisClientLike,
    readonly subscriber: SubscriberLike,
  ) {}

  /** Connects all three. When one fails, none is left open. */
  static async open(target: RedisTarget, clock: Clock, log: ConnectionLog): Promise<RedisConnections> {
    const dial = { opened: false };
    const make = await factory(target, ours(dial));
    const commands = heard('commands', make(), log);
    const heartbeats = heard('heartbeats', make(), log);
    const subscriber = heard('subscriber', commands.isCluster ? subscriberOf(commands, clock) : make(), log);
    try {
      await Promise.all([commands, heartbeats].map(connect));
      await subscriber.connect();
      dial.opened = true;
    } catch (cause) {
      for (const client of [commands, heartbeats, subscriber]) hangUp(client);
      throw storeError('RedisBackend.open', cause);
    }
    return new RedisConnections(commands, heartbeats, subscriber);
  }

  async close(): Promise<void> {
    await Promise.all([this.subscriber, this.heartbeats, this.commands].map(disconnect));
  }
}

/** One connection, for what needs no more. */
export async function openClient(role: string, target: RedisTarget, log: ConnectionLog): Promise<RedisClientLike> {
  const dial = { opened: false };
  const client = heard(role, (await factory(target, ours(dial)))(), log);
  try {
    await connect(client);
    dial.opened = true;
  } catch (cause) {
    hangUp(client);
    throw storeError(`Redis connection "${role}"`, cause);
  }
  return client;
}

type Closable = Pick<RedisClientLike, 'status' | 'quit' | 'disconnect' | 'nodes' | 'stream'>;

/** Only a client that is connected can say goodbye; one that waits to connect again just stops. */
export async function disconnect(client: Closable): Promise<void> {
  if (client.status === 'ready') await client.quit().catch(() => undefined);
  hangUp(client);
}

/**
 * Ends a connection without a word. One that is ended in the middle of a TLS handshake breaks twice, and the client hears
 * only the first error of a stream: the second would end the process.
 */
function hangUp(client: Closable): void {
  for (const one of [client, ...(client.nodes?.('master') ?? [])]) one.stream?.on('error', () => undefined);
  client.disconnect();
}

/** A client without listener would end the process. Its commands report what it means for them. */
function heard<T extends Pick<RedisClientLike, 'on'>>(role: string, client: T, log: ConnectionLog): T {
  client.on('error', (error: Error) =>
    log(`Redis connection "${role}": ${error.message}`, { role, error: bare(error) }),
  );
  return client;
}

async function connect(client: RedisClientLike): Promise<void> {
  await client.connect();
  // A Cluster connects to a node with the first command for it, and refuses those that come meanwhile.
  await connectNodes(client);
}

function subscriberOf(cluster: RedisClientLike, clock: Clock): SubscriberLike {
  const options = { ...OURS, retryStrategy: null };
  const make = (node: Pick<RedisClientLike, 'duplicate'>): RedisClientLike =>
    (node.duplicate as (...args: unknown[]) => RedisClientLike)(options);
  return new ClusterSubscriber(cluster, make, clock, OURS.retryStrategy);
}

async function connectNodes(client: RedisClientLike): Promise<void> {
  if (client.isCluster !== true) return;
  const waiting = client.nodes?.('master').filter(({ status }) => status === 'wait') ?? [];
  await Promise.all(waiting.map((node) => node.connect()));
}

async function factory(target: RedisTarget, options: ReturnType<typeof ours>): Promise<() => RedisClientLike> {
  if (isClient(target)) {
    refusePrefix(target.options);
    const duplicate = (target.duplicate as (...args: unknown[]) => RedisClientLike).bind(target);
    if (target.isCluster !== true) return () => duplicate(options);
    const { redisOptions } = target.options as { redisOptions?: object };
    refusePrefix(redisOptions ?? {});
    const cluster = { ...OURS_CLUSTER, redisOptions: { ...redisOptions, ...options, lazyConnect: undefined } };
    return () => duplicate([], cluster);
  }
  const { Redis } = await load();
  if (typeof target === 'string') return () => new Redis(target, options);
  refusePrefix(target);
  const { url, ...theirs } = target;
  if (typeof url === 'string') return () => new Redis(url, { ...theirs, ...options });
  return () => new Redis({ ...theirs, ...options });
}

async function load(): Promise<IoredisModule> {
  try {
    return (await import('ioredis')) as unknown as IoredisModule;
  } catch (cause) {
    throw new RedisClientMissingError({ cause });
  }
}

function isClient(target: RedisTarget): target is RedisClientLike {
  return typeof target === 'object' && typeof (target as Partial<RedisClientLike>).duplicate === 'function';
}

/** A prefix would stand before the hash tag and change every key and channel, and scripts build keys themselves. */
function refusePrefix(options: object): void {
  const { keyPrefix } = options as { keyPrefix?: unknown };
  if (keyPrefix !== undefined && keyPrefix !== '' && keyPrefix !== null) {
    throw new InvalidOptionsError('createRedisBackend', [
      'keyPrefix is not supported: keys are kept apart by `project` and `environment`',
    ]);
  }
}

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
  static async open(
    target: RedisTarget,
    clock: Clock,
    log: (text: string, detail: unknown) => void,
  ): Promise<RedisConnections> {
    const make = await factory(target);
    // A client without listener would end the process. Its commands report what it means for them.
    const heard = <T extends Pick<RedisClientLike, 'on'>>(role: string, client: T): T => {
      client.on('error', (error: Error) =>
        log(`Redis connection "${role}": ${error.message}`, { role, error: bare(error) }),
      );
      return client;
    };
    const commands = heard('commands', make());
    const heartbeats = heard('heartbeats', make());
    const subscriber = heard('subscriber', commands.isCluster ? subscriberOf(commands, clock) : make());
    try {
      await Promise.all([commands, heartbeats].map((client) => client.connect()));
      // A Cluster connects to a node with the first command for it, and refuses those that come meanwhile.
      await Promise.all([commands, heartbeats].map(connectNodes));
      await subscriber.connect();
    } catch (cause) {
      for (const client of [commands, heartbeats, subscriber]) client.disconnect();
      throw storeError('RedisBackend.open', cause);
    }
    return new RedisConnections(commands, heartbeats, subscriber);
  }

  async close(): Promise<void> {
    const all = [this.subscriber, this.heartbeats, this.commands];
    await Promise.all(
      all.map(async (client) => {
        // Only a client that is connected can say goodbye; one that waits to connect again just stops.
        if (client.status === 'ready') await client.quit().catch(() => undefined);
        client.disconnect();
      }),
    );
  }
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

async function factory(target: RedisTarget): Promise<() => RedisClientLike> {
  if (isClient(target)) {
    refusePrefix(target.options);
    const duplicate = (target.duplicate as (...args: unknown[]) => RedisClientLike).bind(target);
    if (target.isCluster !== true) return () => duplicate(OURS);
    const { redisOptions } = target.options as { redisOptions?: object };
    refusePrefix(redisOptions ?? {});
    const options = { ...OURS_CLUSTER, redisOptions: { ...redisOptions, ...OURS, lazyConnect: undefined } };
    return () => duplicate([], options);
  }
  const { Redis } = await load();
  if (typeof target === 'string') return () => new Redis(target, OURS);
  refusePrefix(target);
  const { url, ...options } = target;
  if (typeof url === 'string') return () => new Redis(url, { ...options, ...OURS });
  return () => new Redis({ ...options, ...OURS });
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

import { StoreUnreachableError } from '../../kernel/errors/index.js';
import { DEFAULT_HISTORY_LIMITS, type Backend, type HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import type { Logger } from '../../kernel/ports/logger.js';
import { systemClock } from '../../kernel/ports/system-clock.js';
import { Carrier } from './carrier.js';
import { disconnect, openClient, RedisConnections, type RedisTarget } from './connection.js';
import { RedisKeys } from './keys.js';
import type { RedisParts } from './parts.js';
import { RedisJobStore } from './redis-job-store.js';
import { RedisLeader } from './redis-leader.js';
import { RedisLock } from './redis-lock.js';
import { RedisSignals } from './redis-signals.js';
import { RedisRegistry } from './registry.js';
import { ScriptRunner } from './script-runner.js';
import { checkServer, type ServerFacts } from './server-check.js';

export type { RedisClientLike } from './client.js';
export type { RedisTarget } from './connection.js';
export type { ServerFacts } from './server-check.js';

/** How to reach Redis, and whose data are meant. @publicApi */
export interface RedisBackendOptions {
  /** A URL, options of ioredis, or an ioredis client or Cluster, of which duplicates are used. */
  readonly redis: RedisTarget;
  /** @default 'oqronkit' */
  readonly project?: string;
  /** @default 'development' */
  readonly environment?: string;
  /** Only for what the process measures itself; leases and delays follow the server's clock. */
  readonly clock?: Clock;
  readonly limits?: HistoryLimits;
  /** Hears of broken connections and of what is wrong with the server. */
  readonly logger?: Logger;
}

/** A backend on Redis; after `open` it knows its server. @publicApi */
export interface RedisBackend extends Backend {
  /** What the server said of itself, once open. */
  readonly server: ServerFacts | undefined;
}

/**
 * A store on Redis 6.2 or newer, alone or as a Cluster. Needs the package `ioredis` (5 or 6). Three connections per
 * process, however many queues.
 *
 * @throws (on open) RedisClientMissingError, RedisServerError, StoreUnreachableError, InvalidOptionsError
 * @example
 * const backend = createRedisBackend({ redis: 'redis://127.0.0.1:6379', project: 'shop', environment: 'production' });
 * await backend.open();
 * @publicApi
 */
export function createRedisBackend(options: RedisBackendOptions): RedisBackend {
  const { redis, project = 'oqronkit', environment = 'development', clock = systemClock, logger } = options;
  const keys = new RedisKeys(project, environment);
  let parts: RedisParts | undefined;
  let server: ServerFacts | undefined;
  let opening: Promise<void> | undefined;
  const get = (): RedisParts => {
    if (!parts) throw new StoreUnreachableError('RedisBackend: it is not open');
    return parts;
  };
  const facts = (): ServerFacts => {
    if (!server) throw new StoreUnreachableError('RedisBackend: it is not open');
    return server;
  };
  const signals = new RedisSignals(get, keys);

  const open = async (): Promise<void> => {
    const connections = await RedisConnections.open(redis, clock, (text, detail) =>
      logger?.warn(text, detail as Record<string, unknown>),
    );
    try {
      server = await checkServer(connections.commands);
    } catch (error) {
      await connections.close();
      throw error;
    }
    for (const warning of server.warnings) logger?.warn(`Redis: ${warning}`);
    const scripts = new ScriptRunner(keys, options.limits ?? DEFAULT_HISTORY_LIMITS, server);
    const registry = new RedisRegistry(connections.commands, keys, clock);
    const carrier = new Carrier(connections.commands, scripts, registry, clock);
    signals.attach(connections);
    parts = { connections, scripts, registry, carrier };
  };

  return {
    store: new RedisJobStore(get, () => (parts ? server : undefined)),
    signals,
    leader: new RedisLeader(get),
    adapters: { lock: new RedisLock(() => ({ client: get().connections.commands, server: facts() })) },
    get server() {
      return server;
    },
    open: () =>
      (opening ??= open().catch((error: unknown) => {
        // A failed start may be tried again.
        opening = undefined;
        throw error;
      })),
    close: async () => {
      await opening?.catch(() => undefined);
      const open = parts;
      parts = undefined;
      opening = undefined;
      await open?.connections.close();
    },
  };
}

/** A lock with a connection of its own. */
export interface RedisLockAdapter extends Required<ILockAdapter> {
  /** Closes that connection. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects a lock adapter without a backend.
 *
 * @throws RedisClientMissingError, RedisServerError, StoreUnreachableError, InvalidOptionsError
 */
export async function openRedisLock(redis: RedisTarget, logger?: Logger): Promise<RedisLockAdapter> {
  const client = await openClient('lock', redis, (text, detail) =>
    logger?.warn(text, detail as Record<string, unknown>),
  );
  let server: ServerFacts;
  try {
    server = await checkServer(client);
  } catch (error) {
    await disconnect(client);
    throw error;
  }
  return Object.assign(new RedisLock(() => ({ client, server })), { close: () => disconnect(client) });
}

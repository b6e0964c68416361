import type { Clock } from '../kernel/ports/clock.js';
import type { PostgresLockAdapter, PostgresTarget } from '../backends/postgres/index.js';
import type { RedisLockAdapter, RedisTarget } from '../backends/redis/index.js';
import { silentLogger } from './console-logger.js';
import { ConnectionLog } from './connection-log.js';
import { postgresAddress } from './postgres-address.js';
import { redisAddress } from './redis-address.js';
import { withoutSecrets } from './secrets.js';

const WHAT = 'createLockAdapter';

/** A lock on Redis with a connection of its own. When that breaks later, the calls say so. */
export async function redisLock(redis: string | object, clock: Clock): Promise<RedisLockAdapter> {
  const log = new ConnectionLog(silentLogger, clock, (text) => withoutSecrets(text, redis));
  const { openRedisLock } = await import('../backends/redis/index.js');
  try {
    return await openRedisLock(redis as RedisTarget, log);
  } catch (error) {
    throw log.explained(error, `Redis at ${redisAddress(redis)}`, WHAT);
  }
}

/** A lock on PostgreSQL with a connection of its own. When that breaks later, the calls say so. */
export async function postgresLock(postgres: string | object, clock: Clock): Promise<PostgresLockAdapter> {
  const log = new ConnectionLog(silentLogger, clock, (text) => withoutSecrets(text, postgres));
  const { openPostgresLock } = await import('../backends/postgres/index.js');
  try {
    return await openPostgresLock(postgres as PostgresTarget, clock, log);
  } catch (error) {
    throw log.explained(error, `PostgreSQL at ${postgresAddress(postgres)}`, WHAT);
  }
}

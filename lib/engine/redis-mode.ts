import type { Backend } from '../kernel/ports/backend.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { RedisTarget } from '../backends/redis/index.js';
import type { ResolvedConfig } from './config.js';
import { ConnectionLog } from './connection-log.js';
import { lazyBackend } from './lazy-backend.js';
import { redisAddress } from './redis-address.js';
import { withoutSecrets } from './secrets.js';

type RedisConfig = Pick<ResolvedConfig, 'project' | 'environment' | 'history' | 'logger'>;

/** The backend of the mode `redis`. Nothing is loaded or connected before it is opened. */
export function redisMode(redis: string | object, config: RedisConfig, clock: Clock): Backend {
  const { project, environment, history, logger } = config;
  const log = new ConnectionLog(logger, clock, (text) => withoutSecrets(text, redis));
  return lazyBackend('redis', async () => {
    const { createRedisBackend } = await import('../backends/redis/index.js');
    const backend = createRedisBackend({
      redis: redis as RedisTarget,
      project,
      environment,
      clock,
      limits: history,
      logger: log,
    });
    const where = redisAddress(redis);
    const open = async (): Promise<void> => {
      log.opening = true;
      try {
        await backend.open();
      } catch (error) {
        throw log.explained(error, `Redis at ${where}`);
      } finally {
        log.opening = false;
      }
      const durability = backend.store.capabilities.durability;
      logger.info(`Redis ${backend.server?.version ?? ''} at ${where}`, { durability });
    };
    const { store, signals, leader, adapters } = backend;
    return {
      store,
      signals,
      get warnings() {
        return backend.server?.warnings ?? [];
      },
      open,
      close: () => backend.close(),
      ...(leader && { leader }),
      ...(adapters && { adapters }),
    };
  });
}

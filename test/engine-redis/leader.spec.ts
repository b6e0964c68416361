import { createRedisBackend } from '../../lib/backends/redis/index.js';
import { leaderFailover } from '../support/leader-failover.js';
import { redisSpace } from '../support/redis-space.js';

leaderFailover('Redis', async () => {
  const { url, project } = await redisSpace();
  const backend = createRedisBackend({ redis: url, project });
  await backend.open();
  return backend;
});

import { instrumentedCases } from '../engine-stores/instrumented-cases.js';
import { redisSpace } from '../support/redis-space.js';

instrumentedCases('Redis', async () => {
  const { url, project } = await redisSpace();
  return { mode: 'redis', redis: url, project };
});

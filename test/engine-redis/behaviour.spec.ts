import { behaviourCases } from '../engine-stores/behaviour-cases.js';
import { redisSpace } from '../support/redis-space.js';

behaviourCases('Redis', async (name) => {
  const { url, project } = await redisSpace();
  return { mode: 'redis', redis: url, project: `${project}:${name}` };
});

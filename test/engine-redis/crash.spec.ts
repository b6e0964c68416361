import { crashCases } from '../engine-stores/crash-cases.js';
import { redisSpace } from '../support/redis-space.js';

crashCases(async (name) => {
  const { url, project } = await redisSpace();
  return { mode: 'redis', redis: url, project: `${project}:${name}` };
});

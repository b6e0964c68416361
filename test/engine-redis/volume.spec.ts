import { volumeCases } from '../engine-stores/volume-cases.js';
import { redisSpace } from '../support/redis-space.js';

volumeCases(async (name) => {
  const { url, project } = await redisSpace();
  return { mode: 'redis', redis: url, project: `${project}:${name}` };
});

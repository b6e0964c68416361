import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { Redis } from 'ioredis5';
import { createRedisBackend, type RedisClientLike } from '../../lib/backends/redis/index.js';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { redisSpace } from '../support/redis-space.js';

describe('with a client of ioredis 5', () => {
  let client: Redis;
  let project: string;
  let environments = 0;

  beforeAll(async () => {
    const space = await redisSpace();
    project = space.project;
    client = new Redis(space.url);
  });

  afterAll(() => client?.disconnect());

  jobStoreConformance({ describe, it }, async () => {
    const redis = client as unknown as RedisClientLike;
    const backend = createRedisBackend({ redis, project, environment: `v5-${(environments += 1)}` });
    await backend.open();
    return { store: backend.store, signals: backend.signals, close: () => backend.close() };
  });
});

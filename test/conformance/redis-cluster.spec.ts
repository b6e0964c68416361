import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { clusterSubject, startCluster, type RedisCluster } from '../support/redis-cluster.js';

describe('on a Redis Cluster of three nodes', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);

  afterAll(() => cluster?.stop());

  jobStoreConformance({ describe, it }, () => clusterSubject(cluster));
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OqronEngine, type OqronConfig } from 'oqronkit';
import { startCluster, type RedisCluster } from '../support/redis-cluster.js';
import { until } from '../support/until.js';

describe('the mode "redis" on a Cluster of three nodes', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);

  afterAll(() => cluster?.stop());

  it('runs jobs of many queues, dependencies between them too, and leaves the given client open', async () => {
    const config = { mode: 'redis', redis: cluster.client, logger: false } satisfies OqronConfig;
    const [api, workers] = [new OqronEngine(config), new OqronEngine(config)];
    const queues = Array.from({ length: 20 }, (_, n) => `queue-${n}`);
    try {
      for (const topic of queues) workers.worker<number, number>({ topic, handler: ({ data }) => data * 2 });
      await Promise.all([api.start(), workers.start()]);
      await until('the wake-up channel to be proven', () => workers.health().signals, 10_000);
      const parents = await Promise.all(queues.map((name, n) => api.producer<number, number>(name).add(n)));
      const child = await api.producer<number, number>('queue-0').add(100, { dependsOn: parents });
      expect(await child.waitUntilFinished({ timeout: 10_000 })).toBe(200);
      expect(await Promise.all(parents.map((parent) => parent.waitUntilFinished({ timeout: 10_000 })))).toEqual(
        queues.map((_, n) => n * 2),
      );
      expect((await api.manager.verify()).problems).toEqual([]);
    } finally {
      await Promise.all([api.stop(), workers.stop()]);
    }
    expect(await cluster.client.set('still-open', '1')).toBe('OK');
  }, 30_000);
});

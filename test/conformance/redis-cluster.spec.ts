import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jobStoreConformance } from '../../lib/conformance/index.js';
import { chaotic, type Chaos } from '../support/redis-chaos.js';
import { clusterSubject, startCluster, type RedisCluster } from '../support/redis-cluster.js';
import { gate } from '../support/until.js';

const UNHEARD = [
  '[rule 9] a process that went without taking leave swallows no wake-up',
  '[rule 9] a hint that is passed on passes over a process that went',
];

describe('on a Redis Cluster of three nodes', () => {
  const chaos: Chaos = { every: 25, strikes: 0, resends: 0 };
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startCluster();
  }, 60_000);

  afterAll(() => cluster?.stop());

  describe('with SCRIPT FLUSH and CLIENT KILL on all nodes beside every 25th call', () => {
    jobStoreConformance(
      { describe, it },
      async () =>
        chaotic(
          await clusterSubject(cluster),
          cluster.servers.map(({ url }) => url),
          chaos,
        ),
      // A Cluster does not tell whether somebody heard a message: a wake-up to a process that died is lost there, and
      // its job waits for the next look of another one.
      { without: UNHEARD },
    );

    afterAll(() => {
      expect(chaos.strikes).toBeGreaterThan(100);
      expect(chaos.resends).toBeGreaterThan(100);
    });
  });

  it('tells listeners of a gap when the subscribing connection broke, and then reaches them again', async () => {
    const { signals, close } = await clusterSubject(cluster);
    const [gap, heard] = [gate(), gate<unknown>()];
    const stop = await signals?.listen(
      'p',
      (message) => heard.open(message),
      () => gap.open(),
    );
    await cluster.killPubSub();
    await gap.opened;
    await signals?.send('p', { kind: 'wake', queue: 'mail' });
    expect(await heard.opened).toEqual({ kind: 'wake', queue: 'mail' });
    await stop?.();
    await close();
  });
});

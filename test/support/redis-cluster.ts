import { Cluster, Redis } from 'ioredis';
import { createRedisBackend, type RedisClientLike } from '../../lib/backends/redis/index.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import { startServer, type RedisServer } from './redis.js';
import { until } from './until.js';

const NODES = 3;
const SLOTS = 16_384;

/** A Redis Cluster on loopback: three masters, no replicas. */
export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  /** A client of it, as a user would make one. */
  readonly client: Cluster;
  /** Cuts every connection that listens. */
  killPubSub(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(): Promise<RedisCluster> {
  const settings = [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    'nodes.conf',
    '--cluster-node-timeout',
    '5000',
  ];
  const servers = await Promise.all(Array.from({ length: NODES }, () => startServer(...settings)));
  try {
    await join(servers);
  } catch (error) {
    // A server left behind would keep the test run from ending.
    await Promise.all(servers.map((server) => server.stop()));
    throw error;
  }
  const client = new Cluster(servers.map(({ port }) => ({ host: '127.0.0.1', port })));
  client.on('error', () => undefined);
  return {
    servers,
    client,
    killPubSub: async () => {
      for (const { url } of servers) {
        const node = new Redis(url);
        await node.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        node.disconnect();
      }
    },
    stop: async () => {
      client.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Makes one Cluster of the servers. */
async function join(servers: readonly RedisServer[]): Promise<void> {
  const nodes = servers.map(({ url }) => new Redis(url));
  try {
    for (const [i, node] of nodes.entries()) {
      const last = i === NODES - 1 ? SLOTS - 1 : Math.floor(((i + 1) * SLOTS) / NODES) - 1;
      await node.call('CLUSTER', 'ADDSLOTSRANGE', Math.floor((i * SLOTS) / NODES), last);
      await node.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    }
    // Only now: a node that was met already refuses to be given an epoch.
    for (const node of nodes) {
      for (const { port } of servers) await node.call('CLUSTER', 'MEET', '127.0.0.1', port);
    }
    await until(
      'the cluster to form',
      async () => {
        const infos = await Promise.all(nodes.map(async (node) => String(await node.call('CLUSTER', 'INFO'))));
        const known = `cluster_known_nodes:${NODES}`;
        return infos.every((info) => info.includes('cluster_state:ok') && info.includes(known));
      },
      15_000,
    );
  } finally {
    for (const node of nodes) node.disconnect();
  }
}

let spaces = 0;

/** A subject on the cluster, with a key space of its own. */
export async function clusterSubject({ client }: RedisCluster): Promise<ConformanceSubject> {
  const redis = client as unknown as RedisClientLike;
  const backend = createRedisBackend({ redis, project: 'cluster', environment: `space-${(spaces += 1)}` });
  await backend.open();
  return { store: backend.store, signals: backend.signals, close: () => backend.close() };
}

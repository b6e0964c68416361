import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startServer, type RedisServer } from './redis-server.js';
import { until } from './until.js';

/** What Sentinel calls the master. */
export const MASTER = 'shop';

/** A master, its replica, and a Sentinel that watches them, on loopback. */
export interface RedisSentinel {
  /** Where clients ask for the master. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The port of the server that Sentinel calls the master now. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/** Ready when the replica has everything and Sentinel knows of it. */
export async function startSentinel(): Promise<RedisSentinel> {
  const master = await startServer('--appendonly', 'yes');
  const replica = await startServer('--appendonly', 'yes', '--replicaof', `127.0.0.1 ${master.port}`);
  const folder = mkdtempSync(join(tmpdir(), 'oqron-sentinel-'));
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${MASTER} 127.0.0.1 ${master.port} 1`,
    `sentinel down-after-milliseconds ${MASTER} 500`,
    `sentinel failover-timeout ${MASTER} 5000`,
  ];
  writeFileSync(file, settings.join('\n'));
  const child = spawn(process.env['REDIS_SERVER'] ?? 'redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  const sentinel = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 50 });
  sentinel.on('error', () => undefined);
  await until(
    'Sentinel to know of a replica that has everything',
    async () => {
      const [about] = (await sentinel.call('SENTINEL', 'REPLICAS', MASTER)) as string[][];
      return about?.[about.indexOf('master-link-status') + 1] === 'ok';
    },
    20_000,
  );
  return {
    sentinels: [{ host: '127.0.0.1', port }],
    master,
    replica,
    masterPort: async () => {
      const address = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)) as string[];
      return Number(address[1]);
    },
    stop: async () => {
      sentinel.disconnect();
      await ended(child);
      await Promise.all([master.stop(), replica.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server that this test run started and ends. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Ends it without a word, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again on the same port with what it kept. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const SERVER = process.env['REDIS_SERVER'] ?? 'redis-server';

const INSTALL =
  'Tests that stop, fill or disturb a server start one of their own: install it (apt, brew: see CONTRIBUTING.md).';

/** Starts a private redis-server on loopback, without persistence. */
export async function startServer(...settings: readonly string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'oqron-redis-'));
  const port = await freePort();
  const base = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  const start = async (): Promise<ChildProcess> => {
    const made = spawn(SERVER, [...base, ...settings], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await ready(made);
    } catch (error) {
      await ended(made, 'SIGKILL');
      throw error;
    }
    return made;
  };
  let child = await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => ended(child, 'SIGKILL'),
    restart: async () => {
      child = await start();
    },
    stop: async () => {
      await ended(child, 'SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ready(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`Cannot run ${SERVER}. ${INSTALL}`, { cause })));
    child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)));
    child.stdout?.on('data', (text: Buffer) => {
      if (text.toString().includes('Ready to accept connections')) resolve();
    });
  });
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exit;
}

/** A port on loopback that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

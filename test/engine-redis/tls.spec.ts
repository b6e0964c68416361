import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { createLockAdapter, OqronEngine, StoreUnreachableError } from 'oqronkit';
import { RecordingLogger } from '../support/recording-logger.js';
import { freePort, startServer, type RedisServer } from '../support/redis-server.js';
import { failureOf, until } from '../support/until.js';

const SERVER = process.env['REDIS_SERVER'] ?? 'redis-server';

/** What these tests need of the machine; a server that was built without TLS does not know the word. */
function need(): void {
  const { stderr } = spawnSync(SERVER, ['--tls-port', 'x'], { encoding: 'utf8' });
  if (/Bad directive/.test(stderr)) throw new Error(`${SERVER} was built without TLS: install one that has it`);
  if (spawnSync('openssl', ['version']).status !== 0) throw new Error('openssl is missing: install it (apt, brew)');
}

/** A certificate that signed itself, for the loopback address. */
function certificate(folder: string, name: string): { key: string; cert: string } {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
  const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...args, '-addext', names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { key, cert };
}

describe('a server that speaks TLS', () => {
  const engines: OqronEngine[] = [];
  let folder: string | undefined;
  let server: RedisServer;
  let port: number;
  let ca: string;
  let wrongCa: string;

  beforeAll(async () => {
    need();
    folder = mkdtempSync(join(tmpdir(), 'oqron-tls-'));
    const { key, cert } = certificate(folder, 'server');
    ca = readFileSync(cert, 'utf8');
    wrongCa = readFileSync(certificate(folder, 'other').cert, 'utf8');
    port = await freePort();
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    server = await startServer('--tls-port', `${port}`, ...files, '--tls-auth-clients', 'no', '--appendonly', 'yes');
  }, 30_000);
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.stop();
  });
  afterAll(async () => {
    await server?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  function engineOf(redis: string | object, log = new RecordingLogger()): OqronEngine {
    const engine = new OqronEngine({ mode: 'redis', redis, project: `tls-${engines.length}`, logger: log });
    engines.push(engine);
    return engine;
  }

  it.each<[string, () => object]>([
    ['a url with a ca', () => ({ url: `rediss://127.0.0.1:${port}`, tls: { ca } })],
    ['options', () => ({ host: '127.0.0.1', port, tls: { ca } })],
    ['a client', () => new Redis({ host: '127.0.0.1', port, tls: { ca }, lazyConnect: true })],
  ])('is used over three encrypted connections: %s', async (_how, redis) => {
    const log = new RecordingLogger();
    const engine = engineOf(redis(), log);
    const sums = engine.queue<number[], number>({ name: 'sums', handler: ({ data }) => data.reduce((a, b) => a + b) });
    await engine.start();
    expect(await (await sums.add([1, 2, 3])).waitUntilFinished()).toBe(6);
    await until('the wake-up channel to be proven', () => engine.health().signals);
    const plain = new Redis(server.url);
    const clients = String(await plain.client('LIST'))
      .trim()
      .split('\n');
    plain.disconnect();
    expect(clients.filter((line) => line.includes(`laddr=127.0.0.1:${port} `))).toHaveLength(3);
    expect(clients).toHaveLength(4);
    expect(log.matching('info', /Redis/)).not.toEqual([]);
    expect(await engine.adapters.lock.acquire('key', 'a', 1_000)).toBe(true);
  });

  it('is used again after it was away', async () => {
    const engine = engineOf({ url: `rediss://127.0.0.1:${port}`, tls: { ca } });
    const echo = engine.queue<number, number>({ name: 'echo', handler: ({ data }) => data });
    await engine.start();
    expect(await (await echo.add(1)).waitUntilFinished()).toBe(1);
    await server.kill();
    await server.restart();
    expect(await (await echo.add(2)).waitUntilFinished({ timeout: 10_000 })).toBe(2);
  }, 20_000);

  it.each<[string, () => string | object, RegExp]>([
    ['nobody vouches for it', () => `rediss://127.0.0.1:${port}`, /self.signed certificate/],
    [
      'somebody else does',
      () => ({ url: `rediss://127.0.0.1:${port}`, tls: { ca: wrongCa } }),
      /self.signed certificate|unable to verify/,
    ],
  ])('is refused when its certificate is not to be trusted: %s', async (_why, redis, reason) => {
    const error = await failureOf(engineOf(redis()).start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
    expect(error.message).toMatch(/Redis at rediss:\/\/127\.0\.0\.1:\d+: /);
    expect(error.message).toMatch(reason);
    await expect(createLockAdapter({ type: 'redis', redis: redis() })).rejects.toThrow(reason);
  });

  it('is not spoken to without TLS', async () => {
    const error = await failureOf(engineOf(`redis://127.0.0.1:${port}`).start());
    expect(error).toBeInstanceOf(StoreUnreachableError);
  }, 20_000);
});

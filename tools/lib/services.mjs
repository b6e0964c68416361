// The servers that tests need. Found or started here, told to Jest by REDIS_URL and DATABASE_URL, and ended when
// the run is over.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './child.mjs';
import { freePort } from './postgres-cluster.mjs';
import { postgres } from './postgres-service.mjs';
import { ServiceError } from './service-error.mjs';

export { ServiceError };

const OLDEST = [6, 2];
const USUAL = 'redis://127.0.0.1:6379';
const START_MS = 10_000;
const STOP_MS = 5_000;

const HOW_TO_GET_ONE = `npm test needs a Redis ${OLDEST.join('.')} or newer. It looked for REDIS_URL, for ${USUAL}, and for redis-server in the PATH.
  Debian, Ubuntu:  sudo apt-get install redis-server
  macOS:           brew install redis
  Docker:          docker run --rm -d -p 127.0.0.1:6379:6379 redis:7
With Docker the tests that stop or fill a server of their own will fail: they need redis-server in the PATH.`;

/** What a server says of itself, or why it cannot be used. */
async function look(url) {
  // Only now: what npm installs may have been missing when this file was loaded.
  const { Redis } = await import('ioredis');
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, retryStrategy: () => null });
  let problem;
  redis.on('error', (error) => (problem ??= error.message));
  try {
    await redis.connect();
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? '0';
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
    return old ? { problem: `it is version ${version}` } : { version };
  } catch (error) {
    return { problem: problem ?? error.message };
  } finally {
    redis.disconnect();
  }
}

const inPath = () => spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;

/** In a throw-away container only: nobody's machine is changed unasked. */
async function install() {
  if (process.env.CI !== 'true' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return;
  // The runlevel keeps the package from starting a service that would stay behind.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args) => run('apt-get', ['-qq', ...args], { env });
  const get = () => apt('install', '-y', '--no-install-recommends', 'redis-server');
  if ((await get()) !== 0 && (await apt('update')) === 0) await get();
}

/** A server on loopback that keeps nothing, or `undefined` when it ended at once: somebody else may take the port. */
async function tryStart() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'oqronkit-redis-'));
  const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  // A group of its own: a Ctrl-C in the terminal must not end it before the tests have ended.
  const child = spawn('redis-server', settings.map(String), { stdio: 'ignore', detached: true });
  let ended = false;
  const end = new Promise((resolve) => {
    for (const event of ['exit', 'error']) child.once(event, () => resolve((ended = true)));
  });
  const stop = async () => {
    if (!ended) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await end;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `redis://127.0.0.1:${port}`;
  const deadline = performance.now() + START_MS;
  while (!ended && performance.now() < deadline) {
    if ((await look(url)).version) return { url, stop };
    await sleep(20);
  }
  await stop();
  return undefined;
}

async function start() {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const started = await tryStart();
    if (started) return started;
  }
  throw new ServiceError('redis-server is in the PATH but ends as soon as it is started.');
}

async function redis() {
  const leave = async () => undefined;
  const given = process.env.REDIS_URL;
  if (given) {
    const { problem } = await look(given);
    // Not the address: it may hold a password.
    if (problem) throw new ServiceError(`The Redis that REDIS_URL names cannot be used: ${problem}.`);
    return { url: given, stop: leave };
  }
  if ((await look(USUAL)).version) return { url: USUAL, stop: leave };
  if (!inPath()) await install();
  if (!inPath()) throw new ServiceError(HOW_TO_GET_ONE);
  return start();
}

/**
 * Finds or starts what the tests need. `env` is for the processes that run them; `stop` ends what was started.
 *
 * @throws ServiceError saying what to do
 */
export async function testServices() {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  // The default action would end this process and leave the server behind. Jest is told by `run`, and its end is ours.
  const stay = () => undefined;
  for (const signal of signals) process.on(signal, stay);
  const started = [];
  try {
    for (const find of [redis, postgres]) started.push(await find());
  } catch (error) {
    for (const { stop } of started) await stop();
    throw error;
  }
  const [{ url: REDIS_URL }, { url: DATABASE_URL }] = started;
  return {
    env: { REDIS_URL, DATABASE_URL },
    stop: async () => {
      for (const { stop } of started) await stop();
      for (const signal of signals) process.off(signal, stay);
    },
  };
}

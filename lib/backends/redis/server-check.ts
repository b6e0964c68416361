import type { Capabilities } from '../../kernel/ports/job-store.js';
import type { RedisClientLike } from './client.js';
import { RedisServerError, storeError } from './redis-errors.js';

/** What the server said of itself at start. */
export interface ServerFacts {
  readonly version: string;
  /** Scripts may begin with `#!lua flags=...` (Redis 7). */
  readonly scriptFlags: boolean;
  readonly cluster: boolean;
  readonly durability: Capabilities['durability'];
  /** For the log: what will hurt. */
  readonly warnings: readonly string[];
}

const OLDEST: readonly [number, number] = [6, 2];

/**
 * Looks at the server before anything is written.
 * @throws RedisServerError when its version is too old
 */
export async function checkServer(client: RedisClientLike): Promise<ServerFacts> {
  const info = parseInfo(await ask(client, 'INFO'));
  const version = info.get('redis_version') ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new RedisServerError(
      `RedisBackend.open: the server is Redis ${version || 'of an unknown version'}; OqronKit needs ${OLDEST.join('.')} or newer.`,
    );
  }
  const warnings: string[] = [];
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(
      `maxmemory-policy is "${policy}": under memory pressure Redis will delete jobs. Set it to "noeviction".`,
    );
  }
  return {
    version,
    scriptFlags: major >= 7,
    cluster: info.get('cluster_enabled') === '1',
    durability: await durabilityOf(client, info),
    warnings,
  };
}

async function durabilityOf(client: RedisClientLike, info: Map<string, string>): Promise<Capabilities['durability']> {
  // Without a log the last snapshot is minutes old: what survives is the end of this process, not of the server.
  if (info.get('aof_enabled') === '0') return 'process';
  try {
    const reply = await client.call('CONFIG', 'GET', 'appendfsync');
    const value = Array.isArray(reply) ? String(reply[1]) : '';
    if (value === 'always') return 'power';
    return value === 'everysec' || value === 'no' ? 'server' : 'unknown';
  } catch {
    // Hosted servers refuse CONFIG.
    return 'unknown';
  }
}

async function ask(client: RedisClientLike, command: string): Promise<string> {
  try {
    return String(await client.call(command));
  } catch (cause) {
    throw storeError('RedisBackend.open', cause);
  }
}

function parseInfo(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return facts;
}

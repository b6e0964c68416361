import { refuse, storable, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import type { RedisClientLike } from './client.js';
import { storeError } from './redis-errors.js';
import { compiled, runScript, type Compiled, type ScriptServer } from './script-runner.js';

/** Keys that are renewed at the same time. */
const AT_ONCE = 500;

type LockScript = 'lock_acquire' | 'lock_renew' | 'lock_release';

/** What a lock needs of an open connection. */
export interface LockConnection {
  readonly client: RedisClientLike;
  readonly server: ScriptServer;
}

/**
 * Leases as keys of their own, `oqron:lock:{key}`, each with its owner as the value. Redis forgets them when they end, by
 * its own clock, so nothing piles up.
 */
export class RedisLock implements Required<ILockAdapter> {
  readonly #scripts = new Map<LockScript, Compiled>();
  #compiledFor: ScriptServer | undefined;

  constructor(private readonly connection: () => LockConnection) {}

  async acquire(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    const where = `RedisLock.acquire ("${key}")`;
    refuse(where, ttlProblem('ttlMs', ttlMs));
    return this.#run(where, 'lock_acquire', key, ownerId, Math.ceil(ttlMs));
  }

  async renew(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    const where = `RedisLock.renew ("${key}")`;
    refuse(where, ttlProblem('ttlMs', ttlMs));
    return this.#run(where, 'lock_renew', key, ownerId, Math.ceil(ttlMs));
  }

  /** In a Cluster keys lie on different nodes, so each is renewed by a command of its own; they travel together. */
  async renewMany(keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]> {
    refuse('RedisLock.renewMany', ttlProblem('ttlMs', ttlMs));
    const renewed: boolean[] = [];
    for (let at = 0; at < keys.length; at += AT_ONCE) {
      const page = keys.slice(at, at + AT_ONCE);
      renewed.push(...(await Promise.all(page.map((key) => this.renew(key, ownerId, ttlMs)))));
    }
    return renewed;
  }

  async release(key: string, ownerId: string): Promise<void> {
    await this.#run(`RedisLock.release ("${key}")`, 'lock_release', key, ownerId);
  }

  async isOwner(key: string, ownerId: string): Promise<boolean> {
    const { client } = this.connection();
    try {
      return (await client.call('get', keyOf(key))) === storable(ownerId);
    } catch (error) {
      throw storeError(`RedisLock.isOwner ("${key}")`, error);
    }
  }

  async #run(where: string, script: LockScript, key: string, ownerId: string, ttlMs?: number): Promise<boolean> {
    const { client, server } = this.connection();
    const args = [1, keyOf(key), storable(ownerId), ...(ttlMs === undefined ? [] : [ttlMs])];
    return (await runScript(client, where, this.#compiled(script, server), args)) === 1;
  }

  /** A reopened backend may stand before another server. */
  #compiled(script: LockScript, server: ScriptServer): Compiled {
    if (this.#compiledFor !== server) {
      this.#compiledFor = server;
      this.#scripts.clear();
    }
    const known = this.#scripts.get(script) ?? compiled(script, server);
    this.#scripts.set(script, known);
    return known;
  }
}

/** In braces: what a script does on a server without script flags needs a second key of the same slot. */
function keyOf(key: string): string {
  return `oqron:lock:{${storable(key)}}`;
}

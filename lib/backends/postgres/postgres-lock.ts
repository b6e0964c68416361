import { createHash } from 'node:crypto';
import { refuse, storable, ttlProblem } from '../../kernel/adapters/arguments.js';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import { FunctionRunner, type RunnerParts } from './function-runner.js';

/** A longer key is kept as its hash: an entry of an index has to fit a third of a page (bytes). */
const MAX_KEY_BYTES = 1_000;

/**
 * Leases as rows of one table, by the server's clock. No advisory locks of a session, so poolers work. Rows that have ended
 * are deleted in small numbers by whoever takes a new key.
 */
export class PostgresLock implements Required<ILockAdapter> {
  readonly #runner: FunctionRunner;

  constructor(parts: () => RunnerParts) {
    this.#runner = new FunctionRunner(parts);
  }

  async acquire(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    const where = `PostgresLock.acquire ("${key}")`;
    refuse(where, ttlProblem('ttlMs', ttlMs));
    const sql = 'select oqron.lock_acquire_v1($1, $2, $3, null) as reply';
    return this.#runner.reply('main', where, sql, [keyOf(key), storable(ownerId), Math.ceil(ttlMs)]);
  }

  async renew(key: string, ownerId: string, ttlMs: number): Promise<boolean> {
    const [renewed = false] = await this.#renew(`PostgresLock.renew ("${key}")`, [key], ownerId, ttlMs);
    return renewed;
  }

  async renewMany(keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]> {
    return this.#renew('PostgresLock.renewMany', keys, ownerId, ttlMs);
  }

  async release(key: string, ownerId: string): Promise<void> {
    const sql = 'select oqron.lock_release_v1($1, $2) as reply';
    await this.#runner.reply('main', `PostgresLock.release ("${key}")`, sql, [keyOf(key), storable(ownerId)]);
  }

  async isOwner(key: string, ownerId: string): Promise<boolean> {
    const sql = 'select oqron.lock_owned_v1($1, $2, null) as reply';
    return this.#runner.reply('main', `PostgresLock.isOwner ("${key}")`, sql, [keyOf(key), storable(ownerId)]);
  }

  async #renew(where: string, keys: readonly string[], ownerId: string, ttlMs: number): Promise<boolean[]> {
    refuse(where, ttlProblem('ttlMs', ttlMs));
    const sql = 'select oqron.lock_renew_v1($1, $2, $3, null) as reply';
    const stored = keys.map(keyOf);
    const held = new Set(
      await this.#runner.reply<string[]>('main', where, sql, [stored, storable(ownerId), Math.ceil(ttlMs)]),
    );
    return stored.map((key) => held.has(key));
  }
}

function keyOf(key: string): string {
  const text = storable(key);
  if (Buffer.byteLength(text) <= MAX_KEY_BYTES) return text;
  // No other key gives this text: a percent sign is always followed by a number in those.
  return `%sha256:${createHash('sha256').update(text).digest('hex')}`;
}

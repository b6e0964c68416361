import type { Clock } from '../../kernel/ports/clock.js';
import type { RedisClientLike } from './client.js';
import type { RedisKeys } from './keys.js';
import { storeError } from './redis-errors.js';

/** Names are written again this often, in case somebody emptied the database (ms). */
const AGAIN_MS = 60_000;
const MAX_CACHED = 10_000;

/**
 * The names of all queues: outside the slots, so written by plain commands, before a queue is used for the first time.
 * A name may stand here without a queue behind it (its first use failed); a queue never without its name.
 */
export class RedisRegistry {
  readonly #known = new Map<string, number>();

  constructor(
    private readonly client: RedisClientLike,
    private readonly keys: RedisKeys,
    private readonly clock: Clock,
  ) {}

  async ensure(queue: string): Promise<void> {
    const now = this.clock.monotonic();
    const written = this.#known.get(queue);
    if (written !== undefined && now - written < AGAIN_MS) return;
    await this.#send('zadd', this.keys.queues, 0, queue);
    if (this.#known.size >= MAX_CACHED) this.#known.clear();
    this.#known.set(queue, now);
  }

  /** Names after `after`, sorted by their bytes. */
  async page(limit: number, after?: string): Promise<string[]> {
    const from = after === undefined ? '-' : `(${after}`;
    return (await this.#send('zrangebylex', this.keys.queues, from, '+', 'LIMIT', 0, limit)) as string[];
  }

  async #send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.client.call(command, ...args);
    } catch (error) {
      throw storeError('RedisJobStore (list of queues)', error);
    }
  }
}

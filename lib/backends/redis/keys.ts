/**
 * Key names. All keys of a queue carry one hash tag, so that a Redis Cluster keeps them in one slot and a script may
 * touch them all. Parts are escaped: no two projects, environments or queues can share a key, whatever their names.
 */
export class RedisKeys {
  readonly #base: string;
  readonly #tags = new Map<string, string>();

  constructor(project: string, environment: string) {
    this.#base = `${part(project)}:${part(environment)}`;
  }

  /** The key that scripts are given; they make all others of the queue from it. */
  meta(queue: string): string {
    let key = this.#tags.get(queue);
    if (key === undefined) {
      // Names come from users' definitions, so this stays small; a flood of invented names must not fill the memory.
      if (this.#tags.size >= MAX_CACHED) this.#tags.clear();
      this.#tags.set(queue, (key = `oqron:{${this.#base}:${part(queue)}}:meta`));
    }
    return key;
  }

  /** Sorted set of the names of all queues that somebody may have recorded. */
  get queues(): string {
    return `oqron:{${this.#base}}:queues`;
  }

  /** Begins the channel of each process. */
  get channels(): string {
    return `oqron:{${this.#base}}:to:`;
  }

  /** The channel that every process hears. */
  get everybody(): string {
    return `oqron:{${this.#base}}:all`;
  }
}

const MAX_CACHED = 10_000;

function part(name: string): string {
  return name.replace(/[%:{}]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}

import { MAX_BATCH_ITEMS } from '../../kernel/job/limits.js';
import { QueueNotFoundError } from '../../kernel/errors/index.js';
import type { Queue } from '../../modules/queue/index.js';
import { checkLimit, knownQueue, type ManagerHost } from './manager-host.js';
import type { QueueInfo, QueueInfoPage } from './manager.types.js';

const DEFAULT_LIMIT = 100;
/** Queues that are read at once. */
const READS_AT_ONCE = 16;
/** Held jobs that one call lets go, and how often enabling calls: claims and sweeps let go of the rest. */
const HELD_PER_CALL = MAX_BATCH_ITEMS;
const MAX_ENABLE_CALLS = 100;

/** What the manager does with queues. */
export class QueuesManager {
  constructor(private readonly host: ManagerHost) {}

  async info(name: string): Promise<QueueInfo> {
    const where = 'OqronManager.getQueueInfo';
    await knownQueue(this.host, where, name);
    const info = await this.#read(name);
    // Known, or the check would have refused it.
    if (!info)
      throw new QueueNotFoundError(where, name, 'A definition names it: start the engine, and it is recorded.');
    return info;
  }

  async list({
    limit: wanted = DEFAULT_LIMIT,
    after,
  }: { limit?: number; after?: string } = {}): Promise<QueueInfoPage> {
    const where = 'OqronManager.listQueues';
    const limit = checkLimit(where, wanted);
    await this.host.ready(where);
    const names = await this.host.store.admin.queues({ limit, ...(after === undefined ? {} : { after }) });
    const queues: QueueInfo[] = [];
    for (let at = 0; at < names.length; at += READS_AT_ONCE) {
      const read = await Promise.all(names.slice(at, at + READS_AT_ONCE).map((name) => this.#read(name)));
      queues.push(...read.filter((info) => info !== undefined));
    }
    const last = names.at(-1);
    return names.length === limit && last !== undefined ? { queues, after: last } : { queues };
  }

  /** The handle of a queue that somebody knows. */
  async handle(where: string, name: string): Promise<Queue> {
    await knownQueue(this.host, where, name);
    return this.host.queue(name);
  }

  /** Switches a queue off, for every process. */
  async disable(where: string, name: string): Promise<void> {
    await knownQueue(this.host, where, name);
    await disableQueue(this.host, where, name);
  }

  /** Switches it on again, and lets go of what it held. */
  async enable(where: string, name: string): Promise<void> {
    await knownQueue(this.host, where, name);
    for (let calls = 0; calls < MAX_ENABLE_CALLS; calls += 1) {
      const { changed, more } = await this.host.call(where, name, (call) =>
        this.host.store.admin.enable(call, name, HELD_PER_CALL),
      );
      if (changed) this.host.events.emit('queue:enabled', { queue: name });
      if (!more) return;
    }
  }

  /** `undefined` when it is not recorded: it was never declared, or was forgotten since its name was read. */
  async #read(name: string): Promise<QueueInfo | undefined> {
    const { admin } = this.host.store;
    const [record, counts] = await Promise.all([admin.record(name), admin.counts(name)]);
    if (!record) return undefined;
    return { ...record, counts, definitions: this.host.definitions().filter((one) => one.name === name) };
  }
}

/** Switches a queue off in the store, for every process. */
export async function disableQueue(
  host: Pick<ManagerHost, 'call' | 'store' | 'events'>,
  where: string,
  queue: string,
): Promise<void> {
  const changed = await host.call(where, queue, (call) => host.store.admin.disable(call, queue));
  if (changed) host.events.emit('queue:disabled', { queue });
}

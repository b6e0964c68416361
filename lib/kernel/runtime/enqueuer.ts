import { BatchRejectedError, OqronError } from '../errors/index.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Clock } from '../ports/clock.js';
import type { EnqueueResult, JobStore, NewJob } from '../ports/job-store.js';
import type { CallLane } from './call-lane.js';

/** Jobs that may wait to be sent. A producer that outruns the store this far is told so instead of eating memory. */
const MAX_PENDING = 100_000;

interface Waiting {
  readonly group: readonly NewJob[];
  readonly bytes: number;
  resolve(results: EnqueueResult[]): void;
  reject(error: unknown): void;
}

/**
 * Collects the adds of one tick into one call. At most one call is under way per queue, so jobs arrive in the order
 * in which they were added; each promise settles only after the store acknowledged.
 */
export class Enqueuer {
  #waiting: Waiting[] = [];
  #pending = 0;
  #scheduled = false;
  #sending: Promise<void> | undefined;

  constructor(
    private readonly queue: string,
    private readonly store: JobStore,
    private readonly lane: CallLane,
    private readonly clock: Clock,
  ) {}

  /** Adds a group: all or nothing. It has been validated and is at most 1 000 items and 1 MiB. */
  add(group: readonly NewJob[]): Promise<EnqueueResult[]> {
    if (this.#pending + group.length > MAX_PENDING) {
      return Promise.reject(
        new OqronError(
          'TOO_MANY_PENDING_ADDS',
          `Queue.add (queue "${this.queue}"): ${this.#pending} jobs wait to be sent already. Await your adds, or add in bulk.`,
        ),
      );
    }
    this.#pending += group.length;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ group, bytes: bytesOf(group), resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when everything added so far was acknowledged or refused. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#sending) {
      if (!this.#sending) this.#send();
      await this.#sending;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#sending) return;
    this.#scheduled = true;
    this.clock.immediate(() => {
      this.#scheduled = false;
      if (!this.#sending && this.#waiting.length > 0) this.#send();
    });
  }

  #send(): void {
    const batch = this.#cut();
    this.#sending = this.#deliver(batch).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  async #deliver(batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.lane.run(`Queue.add (queue "${this.queue}")`, (call) =>
        this.store.enqueue(
          call,
          this.queue,
          batch.map((waiting) => waiting.group),
        ),
      );
      batch.forEach((waiting, i) => waiting.resolve(results[i] as EnqueueResult[]));
    } catch (error) {
      if (error instanceof BatchRejectedError && batch.length > 1) {
        const half = batch.length >> 1;
        await this.#deliver(batch.slice(0, half));
        await this.#deliver(batch.slice(half));
        return;
      }
      for (const waiting of batch) waiting.reject(error);
    }
  }

  /** Takes the next groups that fit into one call; the first always does. */
  #cut(): Waiting[] {
    let items = 0;
    let bytes = 0;
    let end = 0;
    for (const waiting of this.#waiting) {
      items += waiting.group.length;
      bytes += waiting.bytes;
      if (end > 0 && (items > MAX_BATCH_ITEMS || bytes > MAX_BATCH_BYTES)) break;
      this.#pending -= waiting.group.length;
      end += 1;
    }
    return this.#waiting.splice(0, end);
  }
}

function bytesOf(group: readonly NewJob[]): number {
  let bytes = 0;
  for (const job of group) bytes += sizeOf(job);
  return bytes;
}

/** What a job adds to the size of a call: its payload, and its links, of which there may be a thousand. */
export function sizeOf({ data, parents }: NewJob): number {
  let bytes = data?.length ?? 0;
  if (parents) for (const { queue, id } of parents.refs) bytes += queue.length + id.length;
  return bytes;
}

import { BatchRejectedError, OqronError } from '../errors/index.js';
import { MAX_BATCH_BYTES, MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Clock } from '../ports/clock.js';
import type { CallId, EnqueueResult, JobStore, NewJob } from '../ports/job-store.js';
import type { CallLane } from './call-lane.js';

/** Jobs that may wait to be sent. A producer that outruns the store this far is told so instead of eating memory. */
const MAX_PENDING = 100_000;

interface Waiting {
  readonly group: readonly NewJob[];
  readonly bytes: number;
  resolve(results: EnqueueResult[]): void;
  reject(error: unknown): void;
}

/** Calls under way at once, where the store carries them out in the order in which they were sent. */
const MAX_CALLS = 2;
/** As many adds at once leave in two such calls: the store works on one while this process makes the next. */
const SPLIT_FROM = 32;

/**
 * Collects the adds of one tick into one call, or many of them into two. Jobs arrive in the order in which they were
 * added: a second call leaves before the first was answered only to a store that keeps their order, and waits for it
 * when it has to be sent again. Each promise settles only after the store acknowledged.
 */
export class Enqueuer {
  #waiting: Waiting[] = [];
  #pending = 0;
  #scheduled = false;
  #calls = 0;
  /** The last call that was sent; never rejects. */
  #last: Promise<void> | undefined;
  /** A call is under way beside which no other may be. */
  #alone = false;
  /** Calls that have to be sent again: what comes behind them waits. */
  readonly #lost = new Set<object>();

  constructor(
    private readonly queue: string,
    private readonly store: Pick<JobStore, 'enqueue' | 'capabilities'>,
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
    while (this.#waiting.length > 0 || this.#last) {
      if (this.#maySend()) this.#send();
      await this.#last;
    }
  }

  #schedule(): void {
    if (this.#scheduled || !this.#maySend()) return;
    this.#scheduled = true;
    this.clock.immediate(() => {
      this.#scheduled = false;
      if (this.#waiting.length > 0 && this.#maySend()) this.#send();
    });
  }

  #maySend(): boolean {
    return this.#calls === 0 || (this.#calls < MAX_CALLS && !this.#alone && this.#lost.size === 0);
  }

  #send(): void {
    const { ordered = false } = this.store.capabilities;
    const halved = ordered && this.#calls === 0 && this.#waiting.length >= SPLIT_FROM;
    const batch = this.#cut(halved ? this.#waiting.length >> 1 : this.#waiting.length);
    // What becomes of parents in other queues may be asked before the call leaves, and a later one would overtake it.
    this.#alone = !ordered || batch.some(({ group }) => group.some(({ parents }) => parents !== undefined));
    this.#calls += 1;
    const sent = this.#deliver(batch, this.#last).finally(() => {
      this.#calls -= 1;
      if (this.#last === sent) this.#last = undefined;
      if (this.#waiting.length > 0) this.#schedule();
    });
    this.#last = sent;
    if (this.#waiting.length > 0) this.#schedule();
  }

  async #deliver(batch: readonly Waiting[], before?: Promise<void>): Promise<void> {
    try {
      const results = await this.lane.run(
        `Queue.add (queue "${this.queue}")`,
        (call) => this.#enqueue(call, batch),
        before,
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
    } finally {
      this.#lost.delete(batch);
    }
  }

  async #enqueue(call: CallId, batch: readonly Waiting[]): Promise<EnqueueResult[][]> {
    try {
      return await this.store.enqueue(
        call,
        this.queue,
        batch.map((waiting) => waiting.group),
      );
    } catch (error) {
      this.#lost.add(batch);
      throw error;
    }
  }

  /** Takes the next groups, at most `most`, that fit into one call; the first always does. */
  #cut(most: number): Waiting[] {
    let items = 0;
    let bytes = 0;
    let end = 0;
    for (const waiting of this.#waiting) {
      items += waiting.group.length;
      bytes += waiting.bytes;
      if (end > 0 && (end >= most || items > MAX_BATCH_ITEMS || bytes > MAX_BATCH_BYTES)) break;
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

/** What a job adds to the size of a call: its payload, its headers, and its links, of which there may be a thousand. */
export function sizeOf({ data, parents, meta: { headers } }: NewJob): number {
  let bytes = data?.length ?? 0;
  if (headers) for (const [name, value] of Object.entries(headers)) bytes += name.length + value.length;
  if (parents) for (const { queue, id } of parents.refs) bytes += queue.length + id.length;
  return bytes;
}

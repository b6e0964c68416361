import { StoreUnreachableError } from '../errors/index.js';
import { MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Clock } from '../ports/clock.js';
import type { ClaimReply, ClaimRequest, JobStore } from '../ports/job-store.js';

/** Queues in one call. Each may bring a megabyte of payloads. */
const MAX_REQUESTS = 32;

/** Somebody whose turn comes with those of all others. */
export interface Stepper {
  step(): void;
}

interface Pending {
  readonly request: ClaimRequest;
  resolve(reply: ClaimReply): void;
  reject(error: unknown): void;
}

/**
 * The loops of a process take their steps together, and the claims that they make in one turn of the event loop leave in
 * one call, however many queues they are for: a process with a hundred idle queues asks its store once, not a hundred
 * times.
 */
export class ClaimDesk {
  readonly #steppers = new Set<Stepper>();
  #pending: Pending[] = [];
  #scheduled = false;

  constructor(
    private readonly store: Pick<JobStore, 'claim'>,
    private readonly clock: Clock,
    private readonly report: (error: unknown) => void,
  ) {}

  /** Lets a loop take a step in the next turn of the event loop. Harmless when that is planned already. */
  kick(stepper: Stepper): void {
    this.#steppers.add(stepper);
    this.#schedule();
  }

  /** Claims for one queue, in one call with whatever else is claimed in this turn. */
  claim(request: ClaimRequest): Promise<ClaimReply> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ request, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.clock.immediate(() => {
      const steppers = [...this.#steppers];
      this.#steppers.clear();
      for (const stepper of steppers) {
        // One loop's error must not take the turn from all others, nor leave this planned for ever.
        try {
          stepper.step();
        } catch (error) {
          this.report(error);
        }
      }
      // What the steps claimed leaves now; what they kicked has its step in the next turn.
      this.#scheduled = false;
      if (this.#steppers.size > 0) this.#schedule();
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#pending.length > 0) {
      let jobs = 0;
      let end = 0;
      for (const { request } of this.#pending) {
        jobs += request.count;
        if (end > 0 && (end >= MAX_REQUESTS || jobs > MAX_BATCH_ITEMS)) break;
        end += 1;
      }
      void this.#send(this.#pending.splice(0, end));
    }
  }

  /** Never rejects. */
  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      const replies = await this.store.claim(batch.map(({ request }) => request));
      batch.forEach(({ resolve }, i) => resolve(replies[i] as ClaimReply));
    } catch (error) {
      // One queue with which something is wrong must not keep all others from being served.
      if (batch.length > 1 && !(error instanceof StoreUnreachableError)) {
        await Promise.all(batch.map((one) => this.#send([one])));
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }
}

import type { Clock } from '../../kernel/ports/clock.js';
import type { ClaimHead } from './decode.js';
import type { ClaimHints } from './encode.js';

/** Leases are looked at this often, whatever a claim finds (ms). */
const LOOK_MS = 1_000;
/** For how long a claim begins where the one before it stopped (ms). */
const FROM_MS = 250;
/** An add may commit after one with a later turn: the claim looks this many turns back. */
const BACK = 1_000;
const MAX_QUEUES = 10_000;

interface Known {
  lookedAt: number;
  /** Store time at which the next lease expires, as far as it is known. */
  expiryAt: number | null;
  /** When that is, by the clock of this process. */
  expiryDue: number;
  from: number;
  fromSince: number;
  returned: number;
}

/**
 * What this process remembers of its last claim of each queue. A queue's front is full of entries that were taken and not
 * yet swept up, and a look at its leases costs as much as there are: a claim of a busy queue needs neither each time.
 */
export class ClaimHintsOf {
  readonly #queues = new Map<string, Known>();

  constructor(private readonly clock: Clock) {}

  for(queue: string): ClaimHints {
    const known = this.#queues.get(queue);
    const now = this.clock.monotonic();
    if (!known || now - known.lookedAt >= LOOK_MS || now >= known.expiryDue) {
      return { look: true, from: 0, returned: 0 };
    }
    const from = now - known.fromSince < FROM_MS ? known.from : 0;
    return { look: false, from, returned: known.returned };
  }

  /** Takes in what a claim for `count` jobs answered; answers when the next lease expires, as far as that is known. */
  learn(
    queue: string,
    sent: ClaimHints,
    head: ClaimHead,
    { count, leaseMs, got }: { count: number; leaseMs: number; got: number },
  ): number | null {
    const now = this.clock.monotonic();
    let known = this.#queues.get(queue);
    if (!known) {
      if (this.#queues.size >= MAX_QUEUES) this.#queues.clear();
      known = { lookedAt: 0, expiryAt: null, expiryDue: Infinity, from: 0, fromSince: 0, returned: 0 };
      this.#queues.set(queue, known);
    }
    if (head.looked) {
      known.lookedAt = now;
      known.expiryAt = head.expiryAt;
    } else if (got > 0) {
      known.expiryAt = Math.min(known.expiryAt ?? Infinity, head.now + leaseMs);
    }
    known.expiryDue = known.expiryAt === null ? Infinity : now + known.expiryAt - head.now;
    if (got < count || head.last === null) known.from = 0;
    else {
      if (sent.from === 0 || sent.returned !== head.returned) known.fromSince = now;
      known.from = Math.max(0, head.last - BACK);
      known.returned = head.returned;
    }
    return known.expiryAt;
  }
}

import type { BrokerStrategy } from '../../kernel/ports/broker.js';
import { OrderedSet, type Placed } from './ordered-set.js';

interface Entry extends Placed {
  readonly id: string;
  readonly priority: number;
  /** Its turn: growing numbers, given when it is published or becomes due; kept when it is handed back. */
  ord: number;
  /** Who holds it, while it is in `held`. */
  holder: string;
  set: OrderedSet<Entry>;
  /** Its place among the waiting ones by priority; a second object, because an object is in one set at a time. */
  readonly rank: Rank;
}

interface Rank extends Placed {
  readonly entry: () => Entry;
}

/**
 * The entries of one name of a broker. An entry is in exactly one of `waiting`, `delayed` and `held`; waiting ones are
 * ranked by priority as well, because it is the claim that chooses the strategy. Times are ms of one clock.
 */
export class MemoryBrokerQueue {
  paused = false;

  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new OrderedSet<Entry>();
  readonly #ranked = new OrderedSet<Rank>();
  readonly #delayed = new OrderedSet<Entry>();
  readonly #held = new OrderedSet<Entry>();
  #ords = 0;

  /** Entries that were not acknowledged: waiting, delayed and held. */
  get size(): number {
    return this.#entries.size;
  }

  /** When the next delay or lock ends. */
  get nextChangeAt(): number | undefined {
    const [delayed, held] = [this.#delayed.first()?.k1, this.#held.first()?.k1];
    return delayed === undefined || held === undefined ? (delayed ?? held) : Math.min(delayed, held);
  }

  /** Adds an entry; one that is there already stays as it is. */
  publish(id: string, delayMs: number, priority: number, now: number): void {
    if (this.#entries.has(id)) return;
    const ord = this.#nextOrd();
    const rank: Rank = { k1: priority, k2: ord, entry: () => entry };
    const entry: Entry = { id, priority, ord, holder: '', set: this.#waiting, rank, k1: 0, k2: 0 };
    this.#entries.set(id, entry);
    if (delayMs > 0) this.#add(entry, this.#delayed, now + delayMs);
    else this.#add(entry, this.#waiting);
  }

  claim(consumerId: string, limit: number, lockTtlMs: number, strategy: BrokerStrategy, now: number): string[] {
    if (this.paused) return [];
    this.#tidy(now);
    const taken: string[] = [];
    for (let entry = this.#next(strategy); entry && taken.length < limit; entry = this.#next(strategy)) {
      entry.holder = consumerId;
      this.#move(entry, this.#held, now + lockTtlMs);
      taken.push(entry.id);
    }
    return taken;
  }

  /** False when `consumerId` does not hold the entry. */
  extend(id: string, consumerId: string, lockTtlMs: number, now: number): boolean {
    const entry = this.#heldEntry(id, now);
    if (entry?.holder !== consumerId) return false;
    this.#move(entry, this.#held, now + lockTtlMs);
    return true;
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#take(entry);
    this.#entries.delete(id);
  }

  /** Hands back a held entry: at its old place, or behind the others once its delay is over. */
  nack(id: string, delayMs: number, now: number): void {
    const entry = this.#heldEntry(id, now);
    if (!entry) return;
    if (delayMs > 0) this.#move(entry, this.#delayed, now + delayMs);
    else this.#move(entry, this.#waiting);
  }

  #heldEntry(id: string, now: number): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry?.set === this.#held && entry.k1 > now ? entry : undefined;
  }

  #next(strategy: BrokerStrategy): Entry | undefined {
    if (strategy === 'priority') return this.#ranked.first()?.entry();
    return strategy === 'lifo' ? this.#waiting.last() : this.#waiting.first();
  }

  /** What is due waits now, in the order of when it was due; what nobody extended waits again at its old place. */
  #tidy(now: number): void {
    for (let entry = this.#delayed.first(); entry && entry.k1 <= now; entry = this.#delayed.first()) {
      this.#take(entry);
      entry.ord = this.#nextOrd();
      this.#add(entry, this.#waiting);
    }
    for (let entry = this.#held.first(); entry && entry.k1 <= now; entry = this.#held.first()) {
      this.#move(entry, this.#waiting);
    }
  }

  #move(entry: Entry, set: OrderedSet<Entry>, at = 0): void {
    this.#take(entry);
    this.#add(entry, set, at);
  }

  #take(entry: Entry): void {
    entry.set.delete(entry);
    if (entry.set === this.#waiting) this.#ranked.delete(entry.rank);
  }

  #add(entry: Entry, set: OrderedSet<Entry>, at = 0): void {
    entry.set = set;
    entry.k1 = at;
    entry.k2 = entry.ord;
    set.add(entry);
    if (set !== this.#waiting) return;
    entry.rank.k2 = entry.ord;
    this.#ranked.add(entry.rank);
  }

  #nextOrd(): number {
    this.#ords += 1;
    return this.#ords;
  }
}

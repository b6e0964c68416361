/**
 * What an {@link OrderedSet} holds: an object that carries its own place. An object may be in one set at a time, which
 * is the rule for jobs anyway, so no entry has to be allocated per move.
 */
export interface Placed {
  /** First key. */
  k1: number;
  /** Second key; (k1, k2) is unique within a set. */
  k2: number;
}

/** Entries per leaf. Small enough that shifting inside one is a cheap memmove, large enough for few leaves. */
const LEAF = 256;

/**
 * A sorted set in two levels: a directory of leaves of at most 256 entries. Adding at the end and taking from the
 * front, which is nearly all a queue does, touch one leaf; anything else costs two binary searches.
 */
export class OrderedSet<T extends Placed> {
  #leaves: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  first(): T | undefined {
    return this.#leaves[0]?.[0];
  }

  last(): T | undefined {
    return this.#leaves.at(-1)?.at(-1);
  }

  add(item: T): void {
    this.#size += 1;
    const tail = this.#leaves.at(-1);
    if (!tail) {
      this.#leaves.push([item]);
      return;
    }
    if (compare(tail[tail.length - 1] as T, item.k1, item.k2) < 0) {
      if (tail.length < LEAF) tail.push(item);
      else this.#leaves.push([item]);
      return;
    }
    const at = this.#leafFor(item.k1, item.k2);
    const leaf = this.#leaves[at] as T[];
    leaf.splice(lowerBound(leaf, item.k1, item.k2), 0, item);
    if (leaf.length > LEAF) this.#leaves.splice(at + 1, 0, leaf.splice(LEAF / 2));
  }

  /** Removes exactly this object; false when it is not here. */
  delete(item: T): boolean {
    const at = this.#leafFor(item.k1, item.k2);
    const leaf = this.#leaves[at];
    if (!leaf) return false;
    const index = leaf[0] === item ? 0 : lowerBound(leaf, item.k1, item.k2);
    if (leaf[index] !== item) return false;
    if (index === 0) leaf.shift();
    else leaf.splice(index, 1);
    if (leaf.length === 0) this.#leaves.splice(at, 1);
    this.#size -= 1;
    return true;
  }

  /** The first entry after (k1, k2), or from the start. */
  after(k1: number, k2: number): T | undefined {
    const at = this.#leafFor(k1, k2);
    for (let i = at; i < this.#leaves.length; i += 1) {
      const leaf = this.#leaves[i] as T[];
      let index = i === at ? lowerBound(leaf, k1, k2) : 0;
      if (index < leaf.length && compare(leaf[index] as T, k1, k2) === 0) index += 1;
      if (index < leaf.length) return leaf[index];
    }
    return undefined;
  }

  /** The last entry before (k1, k2). */
  before(k1: number, k2: number): T | undefined {
    for (let i = Math.min(this.#leafFor(k1, k2), this.#leaves.length - 1); i >= 0; i -= 1) {
      const leaf = this.#leaves[i] as T[];
      const index = lowerBound(leaf, k1, k2) - 1;
      if (index >= 0) return leaf[index];
    }
    return undefined;
  }

  /** Index of the only leaf that may hold (k1, k2): the first whose last entry is not before it. */
  #leafFor(k1: number, k2: number): number {
    const leaves = this.#leaves;
    const front = leaves[0];
    if (front && compare(front[front.length - 1] as T, k1, k2) >= 0) return 0;
    let low = 0;
    let high = leaves.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const leaf = leaves[middle] as T[];
      if (compare(leaf[leaf.length - 1] as T, k1, k2) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compare(item: Placed, k1: number, k2: number): number {
  return item.k1 - k1 || item.k2 - k2;
}

/** First index whose entry is not before (k1, k2). */
function lowerBound(leaf: readonly Placed[], k1: number, k2: number): number {
  let low = 0;
  let high = leaf.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(leaf[middle] as Placed, k1, k2) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Leases of which the numbers are kept; of more, the oldest are forgotten. */
const MAX_LEASES = 50_000;

/**
 * The numbers (`seq`) of the jobs whose leases this process holds, by fence. Leases stand in the table by these numbers,
 * and the port knows fences. A lease that is not here costs the server one look-up more, and nothing else.
 */
export class LeaseNumbers {
  readonly #seqs = new Map<number, number>();

  /** A claim brought it. */
  learn(fence: number, seq: number): void {
    this.#seqs.set(fence, seq);
    if (this.#seqs.size <= MAX_LEASES) return;
    const [oldest = fence] = this.#seqs.keys();
    this.#seqs.delete(oldest);
  }

  /** 0 = unknown: no job has this number. */
  of(fence: number): number {
    return this.#seqs.get(fence) ?? 0;
  }

  /** These leases have ended. */
  forget(ended: readonly { readonly fence: number }[]): void {
    for (const { fence } of ended) this.#seqs.delete(fence);
  }
}

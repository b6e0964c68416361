/** Leases of which the numbers are kept; of more, the oldest are forgotten. */
const MAX_LEASES = 50_000;

/**
 * The numbers (`seq`) of the jobs whose leases this process holds, by fence. Leases stand in the table by these numbers,
 * and the port knows fences. A lease that is not here costs the server one look-up more, and nothing else.
 */
export class LeaseNumbers {
  readonly #jobs = new Map<number, { readonly seq: number; readonly id: string }>();

  /** A claim brought it. */
  learn(fence: number, seq: number, id: string): void {
    this.#jobs.set(fence, { seq, id });
    if (this.#jobs.size <= MAX_LEASES) return;
    const [oldest = fence] = this.#jobs.keys();
    this.#jobs.delete(oldest);
  }

  /** 0 = unknown, as where the fence belongs to another job: no job has this number. */
  of(fence: number, id: string): number {
    const job = this.#jobs.get(fence);
    return job?.id === id ? job.seq : 0;
  }

  /** These leases have ended. */
  forget(ended: readonly { readonly fence: number }[]): void {
    for (const { fence } of ended) this.#jobs.delete(fence);
  }
}

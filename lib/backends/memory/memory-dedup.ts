import { isFinal, type JobStatus } from '../../kernel/job/states.js';
import type { Deduplication, EnqueueResult } from '../../kernel/ports/job-store.js';
import type { MemoryJob } from './memory-job.js';
import { OrderedSet, type Placed } from './ordered-set.js';

/** Expired keys that an add forgets on the way. */
const FORGET_PER_ADD = 10;

/** Who stands for a key. */
interface Entry extends Placed {
  readonly key: string;
  readonly job: MemoryJob;
  /** The job that it waits for by `keep-last`; it stands for the key again when `job` goes first. */
  readonly behind: MemoryJob | undefined;
  /** The key outlives its job. */
  readonly throttle: boolean;
  /** When the key is forgotten, if it is by itself. */
  until: number | undefined;
}

/** What the key of a new job means for it. `after`: it waits until that job has ended. */
export type DedupVerdict =
  | { readonly kind: 'stands'; readonly result: EnqueueResult }
  | { readonly kind: 'replace'; readonly job: MemoryJob }
  | { readonly kind: 'after'; readonly job: MemoryJob };

/** The deduplication keys of one queue. */
export class MemoryDedup {
  readonly #entries = new Map<string, Entry>();
  readonly #byExpiry = new OrderedSet<Entry>();
  #count = 0;

  /** How a new job with this key stands to the one that holds it. Nothing = it is new. */
  judge({ key, mode }: Deduplication, now: number): DedupVerdict | undefined {
    const entry = this.#current(key, now);
    if (!entry) return undefined;
    const { job } = entry;
    if (mode === 'throttle') return entry.throttle ? { kind: 'stands', result: resultOf(job) } : undefined;
    if (isFinal(job.status) || job.set === undefined) return undefined;
    if (mode === 'while-unfinished') return { kind: 'stands', result: resultOf(job) };
    if (job.status !== 'active') return { kind: 'replace', job };
    return mode === 'keep-last' ? { kind: 'after', job } : undefined;
  }

  /** `job` stands for the key from now on. */
  hold(job: MemoryJob, { key, mode, ttlMs }: Deduplication, now: number, behind?: MemoryJob): void {
    this.#drop(this.#entries.get(key));
    job.dedupKey = key;
    const until = ttlMs === undefined ? undefined : now + ttlMs;
    this.#enter({ key, job, behind, throttle: mode === 'throttle', until });
    this.forgetExpired(now, FORGET_PER_ADD);
  }

  /** The job has ended or is removed: its key is free, unless it is throttled. */
  free(job: MemoryJob): void {
    const entry = job.dedupKey === undefined ? undefined : this.#entries.get(job.dedupKey);
    if (entry?.job !== job || entry.throttle) return;
    this.#drop(entry);
    const { key, behind, until } = entry;
    if (behind && !isFinal(behind.status)) this.#enter({ key, job: behind, behind: undefined, throttle: false, until });
  }

  /** Forgets at most `limit` expired keys; answers how many. */
  forgetExpired(now: number, limit: number): number {
    let forgotten = 0;
    for (let entry = this.#byExpiry.first(); entry && forgotten < limit; entry = this.#byExpiry.first()) {
      if (entry.k1 > now) break;
      this.#drop(entry);
      forgotten += 1;
    }
    return forgotten;
  }

  #enter(about: Omit<Entry, 'k1' | 'k2'>): void {
    const entry: Entry = { ...about, k1: about.until ?? 0, k2: (this.#count += 1) };
    this.#entries.set(entry.key, entry);
    if (entry.until !== undefined) this.#byExpiry.add(entry);
  }

  #current(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.until === undefined || entry.until > now) return entry;
    this.#drop(entry);
    return undefined;
  }

  #drop(entry: Entry | undefined): void {
    if (!entry) return;
    this.#entries.delete(entry.key);
    if (entry.until !== undefined) this.#byExpiry.delete(entry);
  }
}

/** What an add answers when this job stands. */
export function resultOf(job: {
  readonly id: string;
  readonly status: JobStatus;
  readonly createdAt: number;
  readonly runAt: number;
}): EnqueueResult {
  const { id, status, createdAt, runAt } = job;
  return { id, created: false, status, createdAt, runAt };
}

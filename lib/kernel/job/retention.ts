import type { FinalStatus } from './states.js';

/**
 * How many finished jobs of one state a queue keeps, and for how long. `count: 0` removes a job as it finishes;
 * `null` means no bound.
 */
export interface Retention {
  readonly count: number | null;
  /** Milliseconds since the job finished. */
  readonly ageMs: number | null;
}

/** What users write: `true` = remove now, `false` = keep, `n` = keep the newest n, or age (seconds) and count. @publicApi */
export type KeepOption = boolean | number | { age?: number; count?: number };

/** A rule that a job carries with it, and whether the job itself or its producer's definition set it. */
export interface KeepRule extends Retention {
  readonly from: 'job' | 'producer';
}

/** The rules that a job carries; states that nobody spoke of are absent. */
export interface JobKeep {
  readonly completed?: KeepRule;
  readonly failed?: KeepRule;
}

/** The consumer's rules: what its definition says, and what holds when nobody says anything. */
export interface ConsumerKeep {
  readonly completed?: Retention;
  readonly failed?: Retention;
  readonly defaults: { readonly completed: Retention; readonly failed: Retention };
}

const HOUR = 3_600_000;

/** Completed jobs: 24 h and 10 000 per queue. Failed and cancelled ones: 7 days and 10 000. */
export const DEFAULT_KEEP: ConsumerKeep['defaults'] = {
  completed: { count: 10_000, ageMs: 24 * HOUR },
  failed: { count: 10_000, ageMs: 7 * 24 * HOUR },
};

/** Turns the option into a rule. The option has been validated before. */
export function toRetention(option: KeepOption): Retention {
  if (option === true) return { count: 0, ageMs: null };
  if (option === false) return { count: null, ageMs: null };
  if (typeof option === 'number') return { count: option, ageMs: null };
  return { count: option.count ?? null, ageMs: option.age === undefined ? null : option.age * 1000 };
}

/**
 * The rule for a job that just reached `status`. Precedence: the job, the consumer's definition, the producer's
 * definition, the defaults. A cancelled job follows the rule for failed ones, but is never removed on the spot:
 * its tombstone is the record of who stopped it.
 */
export function retentionFor(status: FinalStatus, job: JobKeep | undefined, consumer?: ConsumerKeep): Retention {
  const state = status === 'completed' ? 'completed' : 'failed';
  const own = job?.[state];
  const rule =
    own?.from === 'job' ? own : (consumer?.[state] ?? own ?? consumer?.defaults[state] ?? DEFAULT_KEEP[state]);
  return status === 'cancelled' && rule.count === 0 ? DEFAULT_KEEP.failed : rule;
}

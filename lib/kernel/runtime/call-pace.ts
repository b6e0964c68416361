import type { Capabilities } from '../ports/job-store.js';

/** How many calls of one loop travel side by side, and when endings are divided among them. */
export interface CallPace {
  /** Calls of one loop that may be under way at once: while one is answered, the next is on its way. */
  readonly maxCalls: number;
  /** As many endings at once leave in two calls: the store works on one while this process runs the jobs of the other. */
  readonly splitFrom: number;
}

const USUAL: CallPace = { maxCalls: 2, splitFrom: 32 };
/** Where answers keep the order of the calls few endings may be divided, too: measured, a quarter more jobs with ten slots. */
const IN_ORDER: CallPace = { maxCalls: 2, splitFrom: 8 };

/**
 * A store with costly calls works on several at once. With two under way one of its workers rests whenever this process
 * runs the jobs of a reply; measured, four keep them busy, and more bring nothing.
 */
export function callPace({ batch, ordered }: Pick<Capabilities, 'batch' | 'ordered'>): CallPace {
  if (batch !== undefined) return { maxCalls: 4, splitFrom: batch };
  return ordered ? IN_ORDER : USUAL;
}

import type { Random } from '../kernel/ports/clock.js';
import { systemRandom } from '../kernel/ports/system-clock.js';

/** Retries take their delay exactly, without jitter. Ids stay unique: engines may share a store. */
export const steadyRandom: Random = {
  next: () => 0.5,
  bytes: (n) => systemRandom.bytes(n),
};

import type { Random } from 'oqronkit';

/** Repeatable randomness (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(next() * 256)) };
}

/** Always the same number; its bytes are repeatable and differ from call to call. */
export function constantRandom(value: number, seed = 1): Random {
  const { bytes } = seededRandom(seed);
  return { next: () => value, bytes };
}

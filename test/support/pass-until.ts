import type { VirtualClock } from 'oqronkit/testing';

/** Moves the clock on until `promise` settles, at most `steps` times. */
export async function passUntil<T>(
  clock: VirtualClock,
  promise: Promise<T>,
  step: '100ms' | '1s' | '10s' = '1s',
  steps = 600,
): Promise<T> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  promise.then(done, done);
  for (let i = 0; i < steps; i += 1) {
    await clock.settle();
    if (settled) return promise;
    await clock.advance(step);
  }
  throw new Error(`still waiting after ${steps} steps of ${step}`);
}

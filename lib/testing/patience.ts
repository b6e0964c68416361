import { systemClock } from '../kernel/ports/system-clock.js';

/** Where nobody tells that something happened (another engine, a store), it is looked at this often (real ms). */
const POLL_MS = 5;

/** Real ms that have passed since this was made. */
export function stopwatch(): () => number {
  const began = systemClock.monotonic();
  return () => systemClock.monotonic() - began;
}

/** Waits for `wake` to be called, or a few ms of real time. Leaves no timer behind. */
export async function pause(onWake: (wake: () => void) => () => void): Promise<void> {
  await new Promise<void>((done) => {
    const timer = systemClock.timer(POLL_MS, () => wake());
    const off = onWake(() => wake());
    function wake(): void {
      timer.cancel();
      off();
      done();
    }
  });
}

/** Waits for a promise, at most `ms` of real time. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let end: () => void = () => undefined;
  const over = new Promise<void>((done) => {
    end = done;
  });
  const timer = systemClock.timer(ms, end);
  await Promise.race([promise, over]);
  timer.cancel();
}

/** One turn of the real event loop. */
export function turn(): Promise<void> {
  return new Promise((done) => systemClock.immediate(done));
}

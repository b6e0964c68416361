import type { Clock } from '../kernel/ports/clock.js';

/** Time for a `main` that calls `app.enableShutdownHooks()` late. */
const HINT_AFTER_MS = 5_000;

/**
 * Calls `warn` some seconds after the start if nobody listens to SIGTERM: neither Nest nor the application. Answers a
 * function that ends the wait. Test runners set `NODE_ENV`, and tests need no shutdown hooks.
 */
export function watchForShutdownHooks(clock: Clock, warn: () => void): () => void {
  if (process.env.NODE_ENV === 'test') return () => undefined;
  const timer = clock.timer(HINT_AFTER_MS, () => {
    if (process.listenerCount('SIGTERM') === 0) warn();
  });
  timer.unref();
  return () => timer.cancel();
}

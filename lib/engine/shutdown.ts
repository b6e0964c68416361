import type { Clock } from '../kernel/ports/clock.js';
import { Reporter } from '../kernel/runtime/reporter.js';
import type { WorkerLoop } from '../kernel/runtime/worker-loop.js';
import type { EngineRuntime } from './engine-runtime.js';

/** How long the last outcomes may take to reach the store (ms). */
const FLUSH_MS = 5_000;

/**
 * Ends the loops without losing anything: claim nothing more; wait for what runs, leases renewed and producers open;
 * then ask it to stop; then hand it back with the attempt refunded, because an interruption is not a failure.
 */
export async function shutDown(rt: EngineRuntime, loops: readonly WorkerLoop[], timeoutMs: number): Promise<void> {
  await endLoops(rt, loops, timeoutMs);
  await within(rt.clock, FLUSH_MS, takeLeave(rt, loops));
  // Hooks and listeners of the last jobs: the process may end right after this.
  if (!(await within(rt.clock, FLUSH_MS, rt.events.idle()))) {
    rt.logger.warn('shutdown: a hook or listener does not end and is left alone');
  }
}

async function endLoops(rt: EngineRuntime, loops: readonly WorkerLoop[], timeoutMs: number): Promise<void> {
  for (const loop of loops) loop.stopClaiming();
  const idle = Promise.all(loops.map((loop) => loop.idle()));
  if (await within(rt.clock, timeoutMs, idle)) return;
  const running = loops.reduce((sum, loop) => sum + loop.running, 0);
  rt.logger.warn(`shutdown: ${running} jobs still run after ${timeoutMs} ms and are told to stop`);
  for (const loop of loops) loop.abortAll();
  const graceMs = Math.max(0, ...loops.map((loop) => loop.spec.abortGraceMs));
  if (await within(rt.clock, graceMs, idle)) return;
  for (const loop of loops) loop.releaseAll();
  if (await within(rt.clock, FLUSH_MS, idle)) return;
  rt.logger.error('shutdown: the last outcomes could not be recorded; their jobs run again when the leases expire');
}

/**
 * Says that this process does not wait for jobs any more: a wake-up that the store sends to it would be lost, and its
 * job would lie until somebody else looks. What was sent already is passed on, because the channel is still open.
 */
async function takeLeave(rt: EngineRuntime, loops: readonly WorkerLoop[]): Promise<void> {
  const reporter = new Reporter(rt);
  const leave = async ({ spec }: WorkerLoop): Promise<void> => {
    const { queue, leaseMs, policy } = spec;
    const [reply] = await rt
      .lane(queue)
      .run(`claim (queue "${queue}")`, (call) =>
        rt.store.claim([{ call, queue, count: 0, leaseMs, owner: rt.owner, policy }]),
      );
    // A claim takes back expired leases on the way: what it did must be told like any other ending.
    for (const swept of reply?.swept ?? []) reporter.swept(swept, spec);
    reporter.cascaded(reply?.cascaded ?? []);
  };
  // Without an answer the others find the job at their next look.
  await Promise.all(loops.map((loop) => leave(loop).catch(() => undefined)));
}

/** True when `promise` settles within `ms`. */
async function within(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: { cancel(): void } | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = clock.timer(ms, () => resolve(false));
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    timer?.cancel();
  }
}

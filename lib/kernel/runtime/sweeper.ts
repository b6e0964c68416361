import { MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Timer } from '../ports/clock.js';
import { Reporter } from './reporter.js';
import type { Runtime } from './runtime.js';
import type { WorkerLoop } from './worker-loop.js';

/** Queues whose slots are all taken are swept this often (ms), so that no expired lease waits longer than 5 s. */
const FULL_EVERY_MS = { least: 2_500, most: 4_500 };
/** A queue that was claimed from within this time (ms) has just been reaped. */
const JUST_CLAIMED_MS = 500;
/** Every registered queue is swept this often by any process (ms). */
const ALL_EVERY_MS = 60_000;
/** Full pages that one sweep takes at most; the rest waits for the next. */
const MAX_PAGES = 20;

/**
 * Takes back the leases of dead processes where no claim does: claims reap on the way, but a queue whose slots are all
 * taken is not claimed from. Any process may sweep; no leader is needed.
 */
export class Sweeper {
  #timer: Timer | undefined;
  #allAt: number;
  #stopped = true;
  readonly #reporter: Reporter;

  constructor(
    private readonly rt: Runtime,
    private readonly loops: () => Iterable<WorkerLoop>,
  ) {
    this.#reporter = new Reporter(rt);
    this.#allAt = rt.clock.monotonic() + ALL_EVERY_MS * (0.5 + rt.random.next() / 2);
  }

  start(): void {
    this.#stopped = false;
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** One pass; the loop around it only decides when. */
  async runOnce(): Promise<void> {
    const now = this.rt.clock.monotonic();
    if (now >= this.#allAt) {
      this.#allAt = now + ALL_EVERY_MS * (0.75 + this.rt.random.next() / 2);
      await this.#sweep(undefined);
      return;
    }
    const full: string[] = [];
    for (const loop of this.loops()) {
      if (loop.full && now - loop.lastClaimAt >= JUST_CLAIMED_MS) full.push(loop.queue);
    }
    if (full.length > 0) await this.#sweep(full);
  }

  async #sweep(queues: readonly string[] | undefined): Promise<void> {
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const { swept, more } = await this.rt.store.sweep({ ...(queues ? { queues } : {}), limit: MAX_BATCH_ITEMS });
      const specs = new Map([...this.loops()].map((loop) => [loop.queue, loop.spec]));
      for (const job of swept) this.#reporter.swept(job, specs.get(job.queue));
      if (!more) return;
    }
  }

  #arm(): void {
    if (this.#stopped) return;
    const { least, most } = FULL_EVERY_MS;
    this.#timer = this.rt.clock.timer(least + (most - least) * this.rt.random.next(), () => {
      void this.runOnce()
        .catch((error: unknown) => this.rt.events.report('Sweeper.runOnce', error))
        .finally(() => this.#arm());
    });
    this.#timer.unref();
  }
}

import { MAX_BATCH_ITEMS } from '../job/limits.js';
import type { Timer } from '../ports/clock.js';
import { Reporter } from './reporter.js';
import type { Runtime } from './runtime.js';
import type { WorkerLoop } from './worker-loop.js';

/** Queues that nobody here claims from now are swept this often (ms), so that no expired lease waits longer than 5 s. */
const BLIND_EVERY_MS = { least: 2_500, most: 4_500 };
/** A queue that was claimed from within this time (ms) has just been reaped. */
const JUST_CLAIMED_MS = 500;
/** Every registered queue is swept this often by the leader (ms). */
const ALL_EVERY_MS = 60_000;
/** Full pages that one sweep takes at most; the rest waits for the next. */
const MAX_PAGES = 20;

/**
 * Takes back the leases of dead processes where no claim does: claims reap on the way, but a queue whose slots are all
 * taken, or whose rate or throttle is used up, is not claimed from. Those of its own queues each process sweeps itself.
 * All registered queues are swept by the leader; whoever does not know of a leader sweeps them as well. Two sweeps do no
 * harm, and one that is missing costs time only.
 */
export class Sweeper {
  #allTimer: Timer | undefined;
  /** Armed only while a loop claims nothing: idle queues cost nothing. */
  #blindTimer: Timer | undefined;
  #stopped = true;
  readonly #reporter: Reporter;

  constructor(
    private readonly rt: Runtime,
    private readonly loops: () => Iterable<WorkerLoop>,
    private readonly leadership: { readonly follows: boolean },
  ) {
    this.#reporter = new Reporter(rt);
  }

  start(): void {
    this.#stopped = false;
    this.#armAll();
    this.watchBlind();
  }

  stop(): void {
    this.#stopped = true;
    this.#allTimer?.cancel();
    this.#blindTimer?.cancel();
    this.#blindTimer = undefined;
  }

  /** A loop claims nothing for a while: its queue is swept from now on, until it does again. */
  watchBlind(): void {
    if (this.#blindTimer || this.#stopped || this.#blindLoops().length === 0) return;
    const { least, most } = BLIND_EVERY_MS;
    this.#blindTimer = this.#timer(least + (most - least) * this.rt.random.next(), async () => {
      this.#blindTimer = undefined;
      const now = this.rt.clock.monotonic();
      const queues = this.#blindLoops()
        .filter(({ lastClaimAt }) => now - lastClaimAt >= JUST_CLAIMED_MS)
        .map(({ queue }) => queue);
      try {
        if (queues.length > 0) await this.#sweep(queues);
      } finally {
        this.watchBlind();
      }
    });
  }

  #armAll(): void {
    if (this.#stopped) return;
    this.#allTimer = this.#timer(ALL_EVERY_MS * (0.75 + this.rt.random.next() / 2), async () => {
      try {
        if (!this.leadership.follows) await this.#sweep(undefined);
      } finally {
        this.#armAll();
      }
    });
  }

  #blindLoops(): WorkerLoop[] {
    return [...this.loops()].filter(({ blind }) => blind);
  }

  #timer(ms: number, run: () => Promise<void>): Timer {
    const timer = this.rt.clock.timer(ms, () => {
      run().catch((error: unknown) => this.rt.events.report('Sweeper', error));
    });
    timer.unref();
    return timer;
  }

  async #sweep(queues: readonly string[] | undefined): Promise<void> {
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const { swept, cascaded, more } = await this.rt.store.sweep({
        ...(queues ? { queues } : {}),
        limit: MAX_BATCH_ITEMS,
      });
      const specs = new Map([...this.loops()].map((loop) => [loop.queue, loop.spec]));
      for (const job of swept) this.#reporter.swept(job, specs.get(job.queue));
      this.#reporter.cascaded(cascaded);
      if (!more) return;
    }
  }
}

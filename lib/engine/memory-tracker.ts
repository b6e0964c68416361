import type { Clock, Timer } from '../kernel/ports/clock.js';

const SAMPLE_MS = 5_000;

/** Memory of this process, in bytes. @publicApi */
export interface MemoryStats {
  readonly rss: number;
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
  /** The largest `rss` that was sampled since the start. Only with `observability.trackMemory`. */
  readonly peakRss?: number;
  /** The largest `heapUsed` that was sampled since the start. Only with `observability.trackMemory`. */
  readonly peakHeapUsed?: number;
}

/** Remembers the peak of the process's memory between questions. */
export class MemoryTracker {
  #timer: Timer | undefined;
  #peak = { rss: 0, heapUsed: 0 };

  constructor(
    private readonly clock: Clock,
    private readonly enabled: boolean,
    private readonly read: () => NodeJS.MemoryUsage = () => process.memoryUsage(),
  ) {}

  start(): void {
    if (!this.enabled || this.#timer) return;
    this.#sample();
    this.#timer = this.clock.timer(SAMPLE_MS, () => {
      this.#timer = undefined;
      this.start();
    });
    // Watching must not keep the process alive.
    this.#timer.unref();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  stats(): MemoryStats {
    const { rss, heapUsed, heapTotal, external } = this.#sample();
    const now = { rss, heapUsed, heapTotal, external };
    return this.enabled ? { ...now, peakRss: this.#peak.rss, peakHeapUsed: this.#peak.heapUsed } : now;
  }

  #sample(): NodeJS.MemoryUsage {
    const usage = this.read();
    this.#peak = {
      rss: Math.max(this.#peak.rss, usage.rss),
      heapUsed: Math.max(this.#peak.heapUsed, usage.heapUsed),
    };
    return usage;
  }
}

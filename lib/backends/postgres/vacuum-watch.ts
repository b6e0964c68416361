import type { Clock, Timer } from '../../kernel/ports/clock.js';
import type { Logger } from '../../kernel/ports/logger.js';

/** One statement a minute per process (ms). */
const EVERY_MS = 60_000;

/** Looks now and then for what keeps our tables from being cleaned, for health; the log hears when it begins. */
export class VacuumWatch {
  warnings: readonly string[] = [];
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    private readonly look: () => Promise<readonly string[]>,
    private readonly clock: Clock,
    private readonly logger: Logger | undefined,
  ) {}

  start(): void {
    if (this.#stopped) return;
    this.#timer = this.clock.timer(EVERY_MS, () => void this.#round());
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    try {
      const found = await this.look();
      if (this.warnings.length === 0) for (const warning of found) this.logger?.warn(`PostgreSQL: ${warning}`);
      this.warnings = found;
    } catch {
      // The store is away, which others notice, or hides its statistics from this role.
    }
    this.start();
  }
}

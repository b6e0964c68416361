import { OqronEngine, type Backend, type EngineParts, type OqronConfig } from 'oqronkit';
import { createMemoryBackend, VirtualClock } from 'oqronkit/testing';
import { passUntil } from './pass-until.js';
import { RecordingLogger } from './recording-logger.js';
import { seededRandom } from './seeded-random.js';

/** Engines on one virtual clock that share one memory store unless they are given another. */
export class World {
  readonly clock = new VirtualClock();
  readonly log = new RecordingLogger();
  readonly backend: Backend = createMemoryBackend({ clock: this.clock });
  readonly #engines: OqronEngine[] = [];

  engine(config: OqronConfig = {}, parts: EngineParts = {}): OqronEngine {
    const engine = new OqronEngine(
      { logger: this.log, ...config },
      { clock: this.clock, backend: this.backend, random: seededRandom(this.#engines.length + 1), ...parts },
    );
    this.#engines.push(engine);
    return engine;
  }

  /** Waits for `promise` with the handler parked on the clock, so that `advance` need not wait for it in real time. */
  hold<T>(promise: Promise<T>): Promise<T> {
    const parked = this.clock.sleep('50y').then(() => {
      throw new Error('fifty years have passed');
    });
    return Promise.race([promise, parked]);
  }

  /** A handler that never returns. */
  never(): Promise<never> {
    return this.hold(new Promise<never>(() => undefined));
  }

  /** Moves the clock on until `promise` settles. */
  passUntil<T>(promise: Promise<T>, step?: '100ms' | '1s' | '10s', steps?: number): Promise<T> {
    return passUntil(this.clock, promise, step, steps);
  }

  /** Stops every engine, whatever its handlers do. */
  async end(): Promise<void> {
    for (const engine of this.#engines) await this.passUntil(engine.stop(), '10s');
  }
}

import type { EngineAdapters } from './engine-adapters.js';
import { OqronKit } from './oqronkit.js';

/**
 * The adapters of the default engine, for what an application keeps beside its jobs. With an engine of your own, use
 * `engine.adapters`.
 *
 * @example
 * await OqronKit.init({ config: { project: 'shop' } });
 * const { storage } = OqronContainer.get();
 * await storage.save('settings', 'theme', { dark: true });
 * await storage.count('jobs', { status: 'failed' });
 * @publicApi
 */
export class OqronContainer {
  private constructor() {}

  /** @throws EngineStateError before `OqronKit.init`, and after `OqronKit.stop` */
  static get(): EngineAdapters {
    return OqronKit.engine.adapters;
  }
}

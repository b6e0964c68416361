import { silentLogger } from '../../engine/console-logger.js';
import type { OqronEngine } from '../../engine/oqron-engine.js';
import { nestLogger } from '../nest-logger.js';
import { bootstrapTable } from './bootstrap-table.js';
import { listen, type Listener } from './listeners.js';

/** What the walk through an application found, when nothing is wrong with it. The engine has its definitions. */
export class Discovery {
  constructor(
    private readonly engine: OqronEngine,
    /** `Class.method` of definitions, by kind and name. */
    private readonly places: ReadonlyMap<string, string>,
    private readonly listeners: readonly Listener[],
  ) {}

  /**
   * From now on methods with `@OnJob` are called; answers a function that ends it. Begin before the engine starts and
   * end when it has drained: so they hear all of it, from `system:ready` to the end of the last job.
   */
  listen(): () => void {
    const { logger } = this.engine.config;
    const own = typeof logger === 'object' && 'info' in logger ? logger : nestLogger();
    return listen(this.engine, this.listeners, logger === false ? silentLogger : own);
  }

  /** The lines of the bootstrap table. Only a running engine knows of everything that is inactive. */
  table(): string[] {
    return bootstrapTable(this.engine.definitions(), this.places, this.listeners);
  }
}

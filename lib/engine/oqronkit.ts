import { EngineStateError } from '../kernel/errors/index.js';
import type { QueueDefinition, QueueHost } from '../modules/queue/index.js';
import { resolveConfig, type OqronConfig } from './config.js';
import type { EngineParts } from './engine-parts.js';
import { OqronEngine } from './oqron-engine.js';
import type { Definition } from './definition.js';

/**
 * A default engine for programs without dependency injection: what `queue()` and `worker()` define belongs to it.
 *
 * @example
 * export const mail = queue<{ to: string }>({ name: 'mail', handler: (ctx) => send(ctx.data.to) });
 * await OqronKit.init({ config: { project: 'shop' } });
 * await mail.add({ to: 'ada@example.com' });
 * @publicApi
 */
export class OqronKit {
  /** Definitions made by the factories, in order; each engine that is started gets them all. */
  static readonly #definitions: Definition[] = [];
  static #engine: OqronEngine | undefined;
  static #stopping: Promise<void> | undefined;
  static #forgetSignals: (() => void) | undefined;

  private constructor() {}

  /**
   * Imports the files of the trigger folder (see `triggers` of the configuration), starts the default engine and,
   * unless `shutdown.enabled` is false, stops it on SIGINT and SIGTERM.
   *
   * @throws InvalidOptionsError, ModuleNotAvailableError
   * @throws TriggerLoadError naming the file that could not be imported; nothing was started
   * @throws EngineStateError when it runs already
   */
  static async init({ config = {}, parts }: { config?: OqronConfig; parts?: EngineParts } = {}): Promise<OqronEngine> {
    if (OqronKit.#engine) throw new EngineStateError('OqronKit.init', 'it has been called already; call stop() first');
    const engine = new OqronEngine(config, parts);
    OqronKit.#engine = engine;
    try {
      for (const definition of OqronKit.#definitions) engine.define(definition);
      // What these files define joins this engine by itself: it is the default one already.
      await engine.loadTriggers();
      await engine.start();
    } catch (error) {
      OqronKit.#engine = undefined;
      await engine.stop();
      throw error;
    }
    OqronKit.#listen(engine);
    return engine;
  }

  /** Stops the default engine. Idempotent; harmless before `init`. */
  static async stop(): Promise<void> {
    const engine = OqronKit.#engine;
    if (!engine) return;
    OqronKit.#stopping ??= engine.stop().finally(() => {
      OqronKit.#forgetSignals?.();
      OqronKit.#engine = undefined;
      OqronKit.#stopping = undefined;
    });
    await OqronKit.#stopping;
  }

  /** The default engine. @throws EngineStateError before `init` */
  static get engine(): OqronEngine {
    if (OqronKit.#engine) return OqronKit.#engine;
    throw new EngineStateError('OqronKit', 'call OqronKit.init() first');
  }

  /** The configuration given to `init`. @throws EngineStateError before `init` */
  static getConfig(): OqronConfig {
    return OqronKit.engine.config;
  }

  /** @internal */
  static define(definition: Definition): void {
    const { kind, name } = definition;
    const before = OqronKit.#definitions.findIndex((other) => other.kind === kind && other.name === name);
    if (before >= 0) OqronKit.#definitions.splice(before, 1);
    OqronKit.#definitions.push(definition);
    OqronKit.#engine?.define(definition);
  }

  /** @internal The producer side of a definition, whichever engine is the default one when it is used. */
  static host(definition: QueueDefinition): () => QueueHost {
    let bound: { engine: OqronEngine; host: () => QueueHost } | undefined;
    return () => {
      const engine = OqronKit.#engine;
      if (!engine) {
        throw new EngineStateError(`Queue (queue "${definition.name}")`, 'call OqronKit.init() before adding jobs');
      }
      if (bound?.engine !== engine) bound = { engine, host: engine.host(definition) };
      return bound.host();
    };
  }

  static #listen(engine: OqronEngine): void {
    const { enabled, signals } = resolveConfig(engine.config).shutdown;
    if (!enabled) return;
    const onSignal = (signal: NodeJS.Signals): void => {
      // A second signal finds no listener of ours and ends the process at once.
      OqronKit.#forgetSignals?.();
      void OqronKit.stop()
        .catch((error: unknown) => process.stderr.write(`OqronKit.stop: ${String(error)}\n`))
        .finally(() => {
          if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
        });
    };
    for (const signal of signals) process.on(signal, onSignal);
    OqronKit.#forgetSignals = () => {
      for (const signal of signals) process.off(signal, onSignal);
      OqronKit.#forgetSignals = undefined;
    };
  }
}

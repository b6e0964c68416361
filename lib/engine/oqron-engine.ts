import { hostname } from 'node:os';
import { createMemoryBackend } from '../backends/memory/index.js';
import { EngineStateError } from '../kernel/errors/index.js';
import { EventBus, type EngineEventName, type EngineListener } from '../kernel/events.js';
import { idFactory } from '../kernel/job/ids.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock, Random } from '../kernel/ports/clock.js';
import { systemClock, systemRandom } from '../kernel/ports/system-clock.js';
import { Lifecycle } from '../kernel/runtime/lifecycle.js';
import { Sweeper } from '../kernel/runtime/sweeper.js';
import {
  Queue,
  queueDefinition,
  type QueueContract,
  type QueueDefinition,
  type QueueHost,
  type QueueOptions,
} from '../modules/queue/index.js';
import { workerDefinition, type Worker, type WorkerOptions } from '../modules/worker/index.js';
import { requireMode, resolveConfig, type OqronConfig, type ResolvedConfig } from './config.js';
import { EngineRuntime } from './engine-runtime.js';
import { declarationOf, type Definition } from './definition.js';
import { producerPlan, specOf } from './plans.js';
import { Registry, type DefinitionStatus } from './registry.js';
import { shutDown } from './shutdown.js';

/** What tests and embedders may replace. @publicApi */
export interface EngineParts {
  /** Engines that are given one backend share its jobs. It is then not closed by the engine. */
  readonly backend?: Backend;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** How an engine is doing. @publicApi */
export interface EngineHealth {
  /** `drained`: nothing runs any more, producers still work. */
  readonly state: 'new' | 'started' | 'drained' | 'stopped';
  readonly backend: string;
  /** What an acknowledged job survives. */
  readonly durability: string;
  readonly running: number;
  /** Handlers that were told to stop and still run past their grace. */
  readonly zombies: number;
  /** The wake-up channel works; otherwise idle consumers poll. */
  readonly signals: boolean;
}

/**
 * One engine: definitions, the loops that run them, and the store behind them. Two engines in one process do not see
 * each other unless they are given one backend.
 *
 * @example
 * const engine = new OqronEngine({ project: 'shop' });
 * const mail = engine.queue<{ to: string }>({ name: 'mail', handler: (ctx) => send(ctx.data.to) });
 * await engine.start();
 * await mail.add({ to: 'ada@example.com' });
 * await engine.stop();
 * @publicApi
 */
export class OqronEngine {
  /** The configuration as it was given. */
  readonly config: OqronConfig;
  readonly #resolved: ResolvedConfig;
  readonly #events: EventBus;
  readonly #runtime: EngineRuntime;
  readonly #registry: Registry;
  readonly #sweeper: Sweeper;
  readonly #lifecycle: Lifecycle;
  readonly #ownsBackend: boolean;
  readonly #newId: () => string;
  #opened: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #stopped = false;
  #drained = false;

  /**
   * @throws InvalidOptionsError with every problem of the configuration
   * @throws ModuleNotAvailableError for a mode or module that has not landed
   */
  constructor(config: OqronConfig = {}, parts: EngineParts = {}) {
    this.config = config;
    this.#resolved = resolveConfig(config);
    const clock = parts.clock ?? systemClock;
    const random = parts.random ?? systemRandom;
    if (!parts.backend) requireMode(this.#resolved.mode);
    this.#ownsBackend = !parts.backend;
    const backend = parts.backend ?? createMemoryBackend({ clock, limits: this.#resolved.history });
    this.#events = new EventBus(this.#resolved.logger);
    this.#newId = idFactory(clock, random);
    const owner = `${hostname()}:${process.pid}:${this.#newId()}`;
    this.#runtime = new EngineRuntime(owner, this.#resolved, backend, clock, random, this.#events);
    this.#registry = new Registry(this.#runtime, this.#resolved.modules, (definition) =>
      specOf(definition, this.#resolved),
    );
    this.#sweeper = new Sweeper(this.#runtime, () => this.#registry.loops());
    this.#runtime.onFullLoop = () => this.#sweeper.watchFull();
    this.#lifecycle = new Lifecycle(
      () => this.#start(),
      () => this.#stop(),
    );
  }

  /** Names this process incarnation: owner of its leases. */
  get owner(): string {
    return this.#runtime.owner;
  }

  /** Defines a queue. With a handler it consumes as soon as the engine runs. */
  queue<T = unknown, R = unknown>(options: QueueOptions<T, R>): Queue<T, R>;
  queue<T, R>(contract: QueueContract<T, R>, options?: Omit<QueueOptions<NoInfer<T>, NoInfer<R>>, 'name'>): Queue<T, R>;
  queue<T, R>(
    target: QueueOptions<T, R> | QueueContract<T, R>,
    options?: Omit<QueueOptions<T, R>, 'name'>,
  ): Queue<T, R> {
    const definition = queueDefinition(target, options);
    this.define(definition);
    return new Queue<T, R>(definition.name, this.host(definition));
  }

  /** Defines a consumer of a topic. */
  worker<T = unknown, R = unknown>(options: WorkerOptions<T, R>): Worker;
  worker<T, R>(contract: QueueContract<T, R>, options: Omit<WorkerOptions<NoInfer<T>, NoInfer<R>>, 'topic'>): Worker;
  worker<T, R>(
    target: WorkerOptions<T, R> | QueueContract<T, R>,
    options?: Omit<WorkerOptions<T, R>, 'topic'>,
  ): Worker {
    const definition = workerDefinition(target, options);
    this.define(definition);
    return { topic: definition.name };
  }

  /** The producer side of a queue that is defined, or consumed, elsewhere: it adds no definition. */
  producer<T = unknown, R = unknown>(target: QueueContract<T, R> | string): Queue<T, R> {
    const definition = queueDefinition<T, R>(typeof target === 'string' ? { name: target } : target);
    return new Queue<T, R>(definition.name, this.host(definition));
  }

  /** @internal Takes a definition made elsewhere. */
  define(definition: Definition): void {
    this.#registry.define(definition);
  }

  /** @internal What the producer side of a definition works with. */
  host(definition: QueueDefinition): () => QueueHost {
    const { name } = definition;
    const rt = this.#runtime;
    let ready: Promise<void> | undefined;
    const forget = (error: unknown): never => {
      ready = undefined;
      throw error;
    };
    const host: QueueHost = {
      plan: producerPlan(definition, this.#resolved),
      enqueuer: rt.enqueuer(name),
      store: rt.store,
      signals: rt.signals,
      events: this.#events,
      newId: this.#newId,
      ready: () => (ready ??= this.#readyFor(definition).catch(forget)),
      call: (where, send) => rt.lane(name).run(`${where} (queue "${name}")`, send),
    };
    return () => {
      if (this.#stopped) throw new EngineStateError(`Queue (queue "${name}")`, 'the engine has been stopped');
      return host;
    };
  }

  /** Calls `listener` for each event of this engine; answers a function that ends it. */
  on<K extends EngineEventName>(event: K, listener: EngineListener<K>): () => void {
    return this.#events.on(event, listener);
  }

  once<K extends EngineEventName>(event: K, listener: EngineListener<K>): () => void {
    return this.#events.once(event, listener);
  }

  off<K extends EngineEventName>(event: K, listener: EngineListener<K>): void {
    this.#events.off(event, listener);
  }

  /** What is defined here, and whether it runs. */
  definitions(): DefinitionStatus[] {
    return this.#registry.statuses();
  }

  health(): EngineHealth {
    const loops = [...this.#registry.loops()];
    const { backend, durability } = this.#runtime.store.capabilities;
    return {
      state: this.#lifecycle.started ? 'started' : this.#stopped ? 'stopped' : this.#drained ? 'drained' : 'new',
      backend,
      durability,
      running: loops.reduce((sum, loop) => sum + loop.running, 0),
      zombies: loops.reduce((sum, loop) => sum + loop.zombies, 0),
      signals: this.#runtime.pulse.proven,
    };
  }

  /** Connects and begins to consume. Idempotent; a start that fails is rolled back. */
  start(): Promise<void> {
    if (this.#stopping) {
      return Promise.reject(
        new EngineStateError('OqronEngine.start', 'an engine that was stopped cannot start again; make a new one'),
      );
    }
    return this.#lifecycle.start();
  }

  /** The first half of {@link stop}: nothing runs any more, and producers still work. Idempotent. */
  drain(): Promise<void> {
    this.#drained ||= this.#lifecycle.started;
    return this.#lifecycle.stop();
  }

  /**
   * Stops claiming, lets running jobs end within `shutdown.timeout`, tells the others to stop, hands back what still
   * runs, and closes connections last. Idempotent; harmless before start.
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#end());
  }

  async #end(): Promise<void> {
    try {
      await this.#lifecycle.stop();
    } finally {
      this.#stopped = true;
      await this.#close();
    }
  }

  async #start(): Promise<void> {
    this.#drained = false;
    await this.#open();
    await this.#runtime.pulse.start();
    await this.#registry.start();
    this.#sweeper.start();
    this.#events.emit('system:ready', { owner: this.owner });
  }

  async #stop(): Promise<void> {
    this.#events.emit('system:stop', { owner: this.owner });
    this.#sweeper.stop();
    await shutDown(this.#runtime, [...this.#registry.loops()], this.#resolved.shutdown.timeoutMs);
    this.#registry.stop();
    await this.#runtime.pulse.stop();
  }

  /** What a definition says of its queue is recorded before its first job, also one that comes before the start. */
  async #readyFor(definition: QueueDefinition): Promise<void> {
    await this.#open();
    const want = declarationOf(definition);
    if (Object.keys(want).length === 0) return;
    const { name } = definition;
    await this.#runtime
      .lane(name)
      .run(`declare (queue "${name}")`, (call) => this.#runtime.store.admin.declare(call, name, want));
  }

  #open(): Promise<void> {
    this.#opened ??= this.#runtime.backend.open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #close(): Promise<void> {
    await this.#runtime.flushAdds();
    this.#runtime.notes.stop();
    this.#runtime.keeper.stop();
    if (this.#opened && this.#ownsBackend) await this.#runtime.backend.close();
  }
}

import { hostname } from 'node:os';
import { EngineStateError } from '../kernel/errors/index.js';
import {
  EventBus,
  type ClusterEventName,
  type ClusterListener,
  type EngineEventName,
  type EngineListener,
  type ListenOptions,
} from '../kernel/events.js';
import { idFactory } from '../kernel/job/ids.js';
import { systemClock, systemRandom } from '../kernel/ports/system-clock.js';
import type { OqronInstrumentation } from '../kernel/runtime/instrumentation.js';
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
import { backendOf } from './backends.js';
import { childAdder, type ChildTarget } from './children.js';
import { resolveConfig, type OqronConfig, type ResolvedConfig } from './config.js';
import { EngineAdapters } from './engine-adapters.js';
import type { EngineParts } from './engine-parts.js';
import { EngineRuntime } from './engine-runtime.js';
import { declarationOf, type Definition } from './definition.js';
import { keepInside } from './engine-inside.js';
import { healthOf, type EngineHealth } from './health.js';
import { Liveness } from './liveness.js';
import { LoopWatch } from './loop-watch.js';
import { lendEngine } from './manager/lend-engine.js';
import { createManager, type OqronManager } from './manager/oqron-manager.js';
import { specOf } from './plans.js';
import { producerHost } from './producer-host.js';
import { Registry, type DefinitionStatus } from './registry.js';
import { shutDown } from './shutdown.js';
import { loadTriggers } from './triggers.js';

type AnyListener = (event: object) => unknown;

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
  /** Looks at jobs, queues and modules, and changes them. */
  readonly manager: OqronManager;
  /** Storage, broker and lock, for what the application keeps beside its jobs. */
  readonly adapters: EngineAdapters;
  /** Private, so that an engine that is printed shows no password. */
  readonly #config: OqronConfig;
  readonly #resolved: ResolvedConfig;
  readonly #events: EventBus;
  readonly #runtime: EngineRuntime;
  readonly #registry: Registry;
  readonly #sweeper: Sweeper;
  readonly #watch: LoopWatch;
  readonly #liveness: Liveness | undefined;
  readonly #lifecycle: Lifecycle;
  readonly #ownsBackend: boolean;
  readonly #newId: () => string;
  #opened: Promise<void> | undefined;
  /** Somebody beside the start uses the store. */
  #inUse = false;
  #stopping: Promise<void> | undefined;
  #stopped = false;
  #drained = false;
  /** Monotonic time of the start. */
  #startedAt: number | undefined;
  #triggersAreLoaded = false;

  /**
   * @throws InvalidOptionsError with every problem of the configuration
   * @throws ModuleNotAvailableError for a mode or module that has not landed
   */
  constructor(config: OqronConfig = {}, parts: EngineParts = {}) {
    this.#config = config;
    this.#resolved = resolveConfig(config);
    const clock = parts.clock ?? systemClock;
    const random = parts.random ?? systemRandom;
    this.#ownsBackend = !parts.backend;
    const backend = parts.backend ?? backendOf(this.#resolved, clock);
    this.#events = new EventBus(this.#resolved.logger);
    this.#newId = idFactory(clock, random);
    const owner = `${hostname()}:${process.pid}:${this.#newId()}`;
    this.#runtime = new EngineRuntime(owner, this.#resolved, backend, clock, random, this.#events);
    this.#registry = new Registry(this.#runtime, this.#resolved.modules, (definition) =>
      specOf(definition, this.#resolved),
    );
    this.#sweeper = new Sweeper(this.#runtime, () => this.#registry.loops(), this.#runtime.leadership);
    this.#watch = new LoopWatch(this.#runtime, () => this.#registry.loops());
    keepInside(this, this.#runtime);
    const { liveness, logger } = this.#resolved;
    this.#liveness = liveness && new Liveness(liveness, { clock, logger, stuck: () => this.#watch.look() });
    this.#runtime.onBlindLoop = () => this.#sweeper.watchBlind();
    this.#runtime.judgeError = parts.judgeError;
    this.#runtime.codecOf = (queue) => this.#registry.codecOf(queue);
    this.#runtime.addChild = childAdder(
      (target) => this.#childProducer(target),
      (name) => this.#registry.definitionOf(name),
    );
    this.#lifecycle = new Lifecycle(
      () => this.#start(),
      () => this.#stop(),
    );
    const ready = (where: string): Promise<void> => this.#readyTo(where);
    const jobs = {
      admin: () => ready('OqronEngine.adapters').then(() => backend.store.admin),
      codecOf: (queue: string) => this.#registry.codecOf(queue),
    };
    this.adapters = new EngineAdapters(backend, this.#resolved, jobs, ready);
    const now = (): number => clock.monotonic();
    this.manager = createManager(
      config,
      lendEngine({
        runtime: this.#runtime,
        config: this.#resolved,
        registry: this.#registry,
        newId: this.#newId,
        ready,
        host: (definition) => this.host(definition),
        health: () => this.health(),
        uptimeMs: () => (this.#startedAt === undefined ? 0 : now() - this.#startedAt),
      }),
    );
    for (const one of this.#resolved.instrumentation) this.instrument(one);
  }

  /** The configuration as it was given, connections with their passwords included. */
  get config(): OqronConfig {
    return this.#config;
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

  /** @internal Imports the files of the trigger folder; only the facade does. */
  async loadTriggers(): Promise<void> {
    this.#triggersAreLoaded = true;
    await loadTriggers(this.#resolved.triggers, this.#resolved.logger);
  }

  /** @internal What the producer side of a definition works with. */
  host(definition: QueueDefinition): () => QueueHost {
    return producerHost(definition, {
      config: this.#resolved,
      runtime: this.#runtime,
      newId: this.#newId,
      ready: (of) => this.#readyFor(of),
      stopped: () => this.#stopped,
    });
  }

  /**
   * Calls `listener` for each event of this engine; answers a function that ends it. With `{ scope: 'cluster' }` it
   * also hears of what happens in other processes, while this engine is started: through the signal bus, as hints that
   * may get lost, and without what may be large (see {@link ClusterEvents}). What a listener throws is logged.
   *
   * @example
   * engine.on('job:fail', ({ queue, id, error }) => alert(queue, id, error.message), { scope: 'cluster' });
   */
  on<K extends ClusterEventName>(
    event: K,
    listener: ClusterListener<K>,
    options: ListenOptions & { readonly scope: 'cluster' },
  ): () => void;
  on<K extends EngineEventName>(
    event: K,
    listener: EngineListener<K>,
    options?: { readonly scope?: 'engine' },
  ): () => void;
  on(event: EngineEventName, listener: AnyListener, options?: ListenOptions): () => void {
    if (isCluster(event, options)) return this.#runtime.cluster.on(event, listener);
    return this.#events.on(event, listener);
  }

  /** Like {@link on}, for the next event only. */
  once<K extends ClusterEventName>(
    event: K,
    listener: ClusterListener<K>,
    options: ListenOptions & { readonly scope: 'cluster' },
  ): () => void;
  once<K extends EngineEventName>(
    event: K,
    listener: EngineListener<K>,
    options?: { readonly scope?: 'engine' },
  ): () => void;
  once(event: EngineEventName, listener: AnyListener, options?: ListenOptions): () => void {
    if (isCluster(event, options)) return this.#runtime.cluster.once(event, listener);
    return this.#events.once(event, listener);
  }

  /** Ends what {@link on} began with the same listener and scope. */
  off<K extends ClusterEventName>(
    event: K,
    listener: ClusterListener<K>,
    options: ListenOptions & { readonly scope: 'cluster' },
  ): void;
  off<K extends EngineEventName>(event: K, listener: EngineListener<K>, options?: { readonly scope?: 'engine' }): void;
  off(event: EngineEventName, listener: AnyListener, options?: ListenOptions): void {
    if (isCluster(event, options)) this.#runtime.cluster.off(event, listener);
    else this.#events.off(event, listener);
  }

  /** Watches jobs from now on; answers a function that ends it. What it throws is logged. */
  instrument(instrumentation: OqronInstrumentation): () => void {
    return this.#runtime.instruments.add(instrumentation, this);
  }

  /** What is defined here, and whether it runs. */
  definitions(): DefinitionStatus[] {
    return this.#registry.statuses();
  }

  health(): EngineHealth {
    const state = this.#lifecycle.started ? 'started' : this.#stopped ? 'stopped' : this.#drained ? 'drained' : 'new';
    return healthOf(this.#runtime, [...this.#registry.loops()], {
      state,
      stuck: this.#lifecycle.started ? this.#watch.look() : [],
    });
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
      this.#runtime.waiter.close();
      this.#runtime.instruments.end();
      await this.#close();
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      // Open connections would keep a process alive that has nothing to do.
      if (!this.#inUse) await this.#closeBackend().catch(() => undefined);
      throw error;
    }
  }

  async #begin(): Promise<void> {
    this.#drained = false;
    if (this.#resolved.triggers && !this.#triggersAreLoaded) {
      this.#resolved.logger.debug('the option `triggers` has no effect here: only OqronKit.init loads trigger files');
    }
    await this.#open();
    await this.#runtime.pulse.start();
    await this.#registry.start();
    this.#runtime.leadership.start();
    this.#sweeper.start();
    await this.#liveness?.start();
    this.#startedAt = this.#runtime.clock.monotonic();
    this.#events.emit('system:ready', { owner: this.owner });
  }

  async #stop(): Promise<void> {
    this.#events.emit('system:stop', { owner: this.owner });
    this.#sweeper.stop();
    const resigned = this.#runtime.leadership.stop();
    await shutDown(this.#runtime, [...this.#registry.loops()], this.#resolved.shutdown.timeoutMs);
    this.#registry.stop();
    await resigned;
    await this.#runtime.pulse.stop();
  }

  /** A worker's definition is no producer's, but payloads have to be what it can read. */
  #childProducer(target: ChildTarget): Queue {
    if (typeof target === 'string' || target.kind === 'queue-contract') return this.producer(target);
    const { kind, name } = target;
    if (kind === 'queue') return new Queue(name, this.host(target));
    const codec = this.#registry.codecOf(name);
    return new Queue(name, this.host(queueDefinition({ name, ...(codec ? { codec } : {}) })));
  }

  /** What a definition says of its queue is recorded before its first job, also one that comes before the start. */
  async #readyFor(definition: QueueDefinition): Promise<void> {
    this.#inUse = true;
    await this.#open();
    if (Object.keys(declarationOf(definition)).length > 0) await this.#registry.declare(definition);
  }

  async #readyTo(where: string): Promise<void> {
    if (this.#stopped) throw new EngineStateError(where, 'the engine has been stopped');
    this.#inUse = true;
    await this.#open();
  }

  #open(): Promise<void> {
    this.#opened ??= this.#runtime.backend.open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #close(): Promise<void> {
    try {
      await this.#runtime.flushAdds();
      this.#runtime.notes.stop();
      this.#runtime.keeper.stop();
      await this.#closeBackend();
    } finally {
      await this.#liveness?.stop();
    }
  }

  async #closeBackend(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened && this.#ownsBackend) await this.#runtime.backend.close();
  }
}

function isCluster(event: EngineEventName, options: ListenOptions | undefined): event is ClusterEventName {
  return options?.scope === 'cluster' && event !== 'error';
}

import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { Codec } from '../kernel/job/codec.js';
import type { QueueStrategy } from '../kernel/job/states.js';
import type { ConsumerSpec } from '../kernel/runtime/consumer.js';
import { WorkerLoop } from '../kernel/runtime/worker-loop.js';
import { declarationOf, type Definition } from './definition.js';
import type { EngineRuntime } from './engine-runtime.js';
import type { ModuleName, SelectedModule } from './modules.js';

/** @publicApi */
export interface DefinitionStatus {
  readonly kind: 'queue' | 'worker';
  readonly name: string;
  /** It has a handler and this process runs it. */
  readonly active: boolean;
  /** Why it is not active. */
  readonly reason?: string;
  readonly concurrency?: number;
  readonly handlers: readonly string[];
}

interface Entry {
  readonly definition: Definition;
  readonly spec: ConsumerSpec | undefined;
  /** Why it does not run here, if it does not. */
  inactive: string | undefined;
  loop: WorkerLoop | undefined;
  /** Settles when it has joined, or has not. */
  joined: Promise<void> | undefined;
}

/** The definitions of one engine and their loops. */
export class Registry {
  readonly #entries = new Map<string, Entry>();
  /** Loops whose definition was replaced and that still run their last jobs. */
  readonly #leaving = new Set<WorkerLoop>();
  /** Modules that the manager switched off: the queues of definitions that join are switched off too. */
  readonly disabledModules = new Set<ModuleName>();
  #running = false;

  constructor(
    private readonly rt: EngineRuntime,
    private readonly modules: ReadonlyMap<ModuleName, SelectedModule>,
    private readonly specOf: (definition: Definition) => ConsumerSpec,
  ) {}

  /** Adds a definition, or replaces the one of this kind and name. While the engine runs it joins at once. */
  define(definition: Definition): void {
    const { kind, name, settings } = definition;
    const inactive = this.#inactive(definition);
    const spec = definition.consumes ? this.specOf(definition) : undefined;
    // What is refused must leave the earlier definition as it is.
    if (spec) this.#judgeTimes(spec);
    const key = keyOf(definition);
    const before = this.#entries.get(key);
    if (before) {
      this.rt.logger.warn(`${kind} "${name}" is defined again; the later definition replaces the earlier`);
      this.#leave(before);
    }
    const entry: Entry = { definition, spec, inactive, loop: undefined, joined: undefined };
    this.#entries.set(key, entry);
    const other = this.#entries.get(`${kind === 'queue' ? 'worker' : 'queue'} ${name}`);
    if (other?.spec && spec) {
      this.rt.logger.warn(
        `"${name}" has both a queue with a handler and a worker in this process: they share its jobs`,
      );
    }
    if (!this.#running) return;
    this.#join(entry).catch((error: unknown) => {
      entry.inactive = `it could not join: ${error instanceof Error ? error.message : String(error)}`;
      this.rt.events.report(`${kind} "${name}"`, error);
    });
    if (settings.strategy) this.rt.logger.debug(`${kind} "${name}" joined`, { strategy: settings.strategy });
  }

  *loops(): Iterable<WorkerLoop> {
    for (const { loop } of this.#entries.values()) if (loop) yield loop;
    yield* this.#leaving;
  }

  statuses(): DefinitionStatus[] {
    return [...this.#entries.values()].map(({ definition, spec, inactive }) => ({
      kind: definition.kind,
      name: definition.name,
      active: inactive === undefined,
      ...(inactive === undefined ? {} : { reason: inactive }),
      ...(spec ? { concurrency: spec.concurrency } : {}),
      handlers: spec?.knownNames ?? [],
    }));
  }

  /** Names of the queues that definitions of this kind have handlers for, whether or not they run here. */
  consumed(kind: ModuleName): string[] {
    const definitions = [...this.#entries.values()].map(({ definition }) => definition);
    return definitions.filter((one) => one.kind === kind && one.consumes).map(({ name }) => name);
  }

  /** The definition of this name: of the queue if there is one, else of the worker. */
  definitionOf(name: string): Definition | undefined {
    return (this.#entries.get(`queue ${name}`) ?? this.#entries.get(`worker ${name}`))?.definition;
  }

  /** How a definition of this name turns payloads into text, if it says so. */
  codecOf(name: string): Codec | undefined {
    const entries = [this.#entries.get(`queue ${name}`), this.#entries.get(`worker ${name}`)];
    return entries.find((entry) => entry?.definition.settings.codec)?.definition.settings.codec;
  }

  /**
   * Records what a definition says of its queue. Answers how that is recorded, and why it must not be consumed here, if
   * it must not.
   *
   * @throws StrategyMismatchError
   */
  async declare(definition: Definition): Promise<{ strategy: QueueStrategy; outdated?: string }> {
    const { kind, name, settings } = definition;
    const { admin } = this.rt.store;
    const {
      strategy,
      version: stored,
      upgradedFrom: from,
    } = await this.rt
      .lane(name)
      .run(`declare (queue "${name}")`, (call) => admin.declare(call, name, declarationOf(definition)));
    const { version } = settings;
    if (version === undefined) return { strategy };
    if (from !== undefined) {
      this.rt.logger.info(`${kind} "${name}": version ${version} takes the place of version ${from}`);
      this.rt.events.emit('queue:upgraded', { queue: name, from, to: version });
    }
    if (stored <= version) return { strategy };
    const outdated = `the store has version ${stored} of it and this code is version ${version}: newer processes run its jobs`;
    return { strategy, outdated };
  }

  async start(): Promise<void> {
    // From now on definitions join by themselves: one that is replaced meanwhile would be passed over here.
    this.#running = true;
    for (const entry of this.#entries.values()) await this.#join(entry);
  }

  stop(): void {
    this.#running = false;
    for (const loop of this.loops()) {
      loop.close();
      this.rt.pulse.detach(loop);
    }
    this.#leaving.clear();
    for (const entry of this.#entries.values()) entry.loop = entry.joined = undefined;
  }

  #join(entry: Entry): Promise<void> {
    return (entry.joined ??= this.#admit(entry).then((strategy) => this.#run(entry, strategy)));
  }

  /** Answers in which order its queue is recorded. */
  async #admit(entry: Entry): Promise<QueueStrategy> {
    const { definition } = entry;
    const { kind, name, consumes } = definition;
    const { strategy, outdated } = await this.declare(definition);
    if (outdated !== undefined && entry.inactive === undefined) {
      entry.inactive = outdated;
      this.rt.logger.warn(`${kind} "${name}" does not run here: ${outdated}`);
    }
    if (!consumes || !this.disabledModules.has(kind)) return strategy;
    const { store, events } = this.rt;
    const disable = this.rt.lane(name).run(`disable (queue "${name}")`, (call) => store.admin.disable(call, name));
    if (await disable) events.emit('queue:disabled', { queue: name });
    return strategy;
  }

  #run(entry: Entry, strategy: QueueStrategy): void {
    const { definition, spec, inactive } = entry;
    // While it was declared the engine may have stopped, or another definition have taken its place.
    const current = this.#running && this.#entries.get(keyOf(definition)) === entry;
    if (!spec || inactive !== undefined || entry.loop || !current) return;
    entry.loop = new WorkerLoop(spec, this.rt, strategy);
    this.rt.pulse.attach(entry.loop);
    entry.loop.start();
  }

  #leave({ loop }: Entry): void {
    if (!loop) return;
    loop.stopClaiming();
    this.#leaving.add(loop);
    void loop.idle().then(() => {
      loop.close();
      this.rt.pulse.detach(loop);
      this.#leaving.delete(loop);
    });
  }

  #inactive({ kind, consumes }: Definition): string | undefined {
    if (!consumes) return 'publishes only';
    const module = this.modules.get(kind);
    if (!module) return `the ${kind} module is not selected`;
    return module.consume === false ? `the ${kind} module has consume: false` : undefined;
  }

  #judgeTimes({ kind, queue, heartbeatMs, leaseMs }: ConsumerSpec): void {
    if (leaseMs < heartbeatMs) {
      throw new InvalidOptionsError(`${kind}(${JSON.stringify(queue)})`, [
        `lockTtlMs ${leaseMs} is below heartbeatMs ${heartbeatMs}: every lease would expire before it is renewed`,
      ]);
    }
    if (leaseMs >= 3 * heartbeatMs) return;
    this.rt.logger.warn(
      `${kind} "${queue}": lockTtlMs ${leaseMs} is below 3 x heartbeatMs ${heartbeatMs}; one lost renewal may cost the lease`,
    );
  }
}

function keyOf({ kind, name }: Definition): string {
  return `${kind} ${name}`;
}

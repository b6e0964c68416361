import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { EngineStateError } from '../kernel/errors/index.js';
import type { Clock } from '../kernel/ports/clock.js';
import { Lifecycle } from '../kernel/runtime/lifecycle.js';
import type { Discovery } from './discovery/discovery.js';
import { destroyedBeforeDrain, shutdownHooksMissing } from './messages/lifecycle.messages.js';
import { OqronCoreModule } from './oqron-core.module.js';
import { OqronQueueRegistry } from './oqron-queue.registry.js';
import { OqronExplorer } from './oqron.explorer.js';
import { forRootTwice } from './oqron.messages.js';
import { OQRON_MODULE_OPTIONS, type OqronModuleOptions } from './oqron.module-definition.js';
import { OQRON_CLOCK } from './oqron.tokens.js';
import { Readiness } from './readiness.js';
import { watchForShutdownHooks } from './shutdown-hint.js';
import { destroyedBefore } from './shutdown-order.js';

/**
 * Starts the engine when the application is ready and drains it first when the application ends. It lives in the outer
 * module, whose hooks run before those of everything that handlers may still need.
 *
 * @example
 * // With `OqronModule.forRoot({ autoStart: false })`:
 * await app.get(OqronRunner).start();
 * @publicApi
 */
@Injectable()
export class OqronRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('OqronModule');
  private readonly table = new Logger('OqronExplorer');
  private readonly readiness = new Readiness();
  private readonly lifecycle = new Lifecycle(
    () => this.begin(),
    () => this.end(),
  );
  private found: Promise<Discovery> | undefined;
  private unlisten: (() => void) | undefined;
  private unwatch: (() => void) | undefined;
  private closing = false;

  constructor(
    private readonly engine: OqronEngine,
    private readonly explorer: OqronExplorer,
    private readonly queues: OqronQueueRegistry,
    private readonly modules: ModulesContainer,
    @Inject(OQRON_MODULE_OPTIONS) private readonly options: OqronModuleOptions,
    @Inject(OQRON_CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Begins to run jobs. Idempotent; needed only with `autoStart: false` and after {@link stop}. A start that fails is
   * rolled back and may be tried again.
   *
   * @throws InvalidOptionsError for what is wrong with the handlers
   * @throws EngineStateError when the application is closing
   */
  async start(): Promise<void> {
    if (this.closing) throw closed('OqronRunner.start');
    this.readiness.renew('failed');
    try {
      await this.lifecycle.start();
      this.readiness.reached();
    } catch (error) {
      this.readiness.failed(error);
      throw error;
    }
  }

  /**
   * Claims nothing more and waits for running jobs, as the shutdown does. Producers go on working, and {@link start}
   * begins again. Idempotent; harmless before the start.
   */
  async stop(): Promise<void> {
    await this.lifecycle.stop();
    this.readiness.renew('reached');
  }

  /**
   * Resolves when jobs run here: at once if they do, else with the next start that succeeds. Rejects with the error of
   * a start that failed, and when the application is closed.
   */
  ready(): Promise<void> {
    return this.readiness.promise;
  }

  /** @internal */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.explore();
      if (this.options.autoStart ?? true) await this.start();
    } catch (error) {
      // Nest closes nothing when an application cannot start: open connections would keep the process alive.
      await this.engine.stop().catch(() => undefined);
      throw error;
    }
    this.judgeOrder();
  }

  /** @internal Running jobs end before the modules that they use are destroyed. */
  async onModuleDestroy(): Promise<void> {
    this.closing = true;
    await this.lifecycle.stop();
    // Somebody may have started the engine without us.
    await this.engine.drain();
    this.readiness.renew('reached');
    this.readiness.failed(closed('OqronRunner.ready'));
  }

  /** Once: the definitions of an engine stay. */
  private explore(): Promise<Discovery> {
    const cores = [...this.modules.values()].filter(({ metatype }) => metatype === OqronCoreModule);
    const problems = [...(cores.length > 1 ? [forRootTwice()] : []), ...this.queues.problems];
    return (this.found ??= this.explorer.explore(problems));
  }

  private async begin(): Promise<void> {
    const found = await this.explore();
    this.unlisten = found.listen();
    await this.engine.start();
    for (const line of found.table()) this.table.log(line);
    const { shutdown } = this.options;
    if (shutdown?.enabled === false || !this.runsHandlers()) return;
    this.unwatch = watchForShutdownHooks(this.clock, () => this.logger.warn(shutdownHooksMissing()));
  }

  private async end(): Promise<void> {
    this.unwatch?.();
    try {
      await this.engine.drain();
    } finally {
      this.unlisten?.();
    }
  }

  /** Says so when the order of imports would take from running jobs what they use. */
  private judgeOrder(): void {
    if (!this.runsHandlers()) return;
    const places = destroyedBefore(this.modules.values(), ({ providers }) => providers.has(OqronRunner));
    if (places.length > 0) this.logger.warn(destroyedBeforeDrain(places));
  }

  private runsHandlers(): boolean {
    return this.engine.definitions().some(({ active }) => active);
  }
}

function closed(where: string): EngineStateError {
  return new EngineStateError(where, 'the application was closed');
}

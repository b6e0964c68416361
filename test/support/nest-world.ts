import type { ModuleMetadata } from '@nestjs/common';
import { Test, type TestingModule, type TestingModuleBuilder } from '@nestjs/testing';
import type { EngineParts } from 'oqronkit';
import { OQRON_BACKEND, OQRON_CLOCK, OQRON_RANDOM } from 'oqronkit/nestjs';
import { VirtualClock } from 'oqronkit/testing';
import { passUntil } from './pass-until.js';

/** Nest's own lines, by level and context. */
class NestLines {
  readonly lines: string[] = [];
  readonly log = (message: unknown, context?: string) => this.#keep('log', message, context);
  readonly debug = (message: unknown, context?: string) => this.#keep('debug', message, context);
  readonly warn = (message: unknown, context?: string) => this.#keep('warn', message, context);
  readonly error = (message: unknown, context?: string) => this.#keep('error', message, context);

  #keep(level: string, message: unknown, context?: string): void {
    this.lines.push(`${level} ${context ?? ''} ${String(message)}`);
  }
}

/** Nest applications on one virtual clock. */
export class NestWorld {
  readonly clock = new VirtualClock();
  readonly logger = new NestLines();
  readonly #apps: TestingModule[] = [];

  /** An application that is compiled, not started. */
  async compile(
    metadata: ModuleMetadata,
    parts: EngineParts = {},
    override: (builder: TestingModuleBuilder) => TestingModuleBuilder = (builder) => builder,
  ): Promise<TestingModule> {
    const builder = Test.createTestingModule(metadata)
      .setLogger(this.logger)
      .overrideProvider(OQRON_CLOCK)
      .useValue(parts.clock ?? this.clock);
    if (parts.random) builder.overrideProvider(OQRON_RANDOM).useValue(parts.random);
    if (parts.backend) builder.overrideProvider(OQRON_BACKEND).useValue(parts.backend);
    const app = await override(builder).compile();
    this.#apps.push(app);
    return app;
  }

  /** An application that runs. */
  async start(...args: Parameters<NestWorld['compile']>): Promise<TestingModule> {
    const app = await this.compile(...args);
    await app.init();
    return app;
  }

  /** Closes one, whatever its handlers do. */
  async close(app: TestingModule): Promise<void> {
    this.#apps.splice(this.#apps.indexOf(app), 1);
    await passUntil(this.clock, app.close());
  }

  async end(): Promise<void> {
    for (const app of [...this.#apps]) await this.close(app);
  }
}

import { ConfigurableModuleBuilder, type Provider } from '@nestjs/common';
import type { OqronConfig } from '../engine/config.js';
import { coreProviders } from './core-providers.js';
import { OqronQueuesModule } from './oqron-queues.module.js';

/** Which enhancers run around handlers. @publicApi */
export interface EnhancerOptions {
  /** Also those of the whole application: `app.useGlobalGuards()`, `APP_GUARD` and their like. @default false */
  readonly global?: boolean;
  /** @default true */
  readonly guards?: boolean;
  /** @default true */
  readonly interceptors?: boolean;
  /** @default true */
  readonly filters?: boolean;
}

/** Options of `OqronModule.forRoot`: the engine's configuration, and what only Nest needs. @publicApi */
export interface OqronModuleOptions extends OqronConfig {
  /** `false`: handlers are found and checked, and nothing runs before `OqronRunner.start()`. @default true */
  readonly autoStart?: boolean;
  /** `false`: none at all; `true`: those of methods and classes. @default true */
  readonly enhancers?: boolean | EnhancerOptions;
}

/** What `forRoot` and `forRootAsync` take beside the options: it has to be known before anything is injected. */
export interface OqronModuleExtras {
  /**
   * Queues can be injected in every module; else only in those that import `OqronModule` or what
   * `OqronModule.forFeature()` answers. The engine can be injected everywhere. @default true
   */
  isGlobal?: boolean;
  /** Providers that the options factory, or each other, may inject. They are destroyed last, with the engine. */
  extraProviders?: Provider[];
}

/** What `forRootAsync({ useClass })` and `useExisting` name. @publicApi */
export interface OqronOptionsFactory {
  createOqronOptions(): OqronModuleOptions | Promise<OqronModuleOptions>;
}

/** Injects the `OqronModuleOptions`, and overrides them in tests. @publicApi */
export const OQRON_MODULE_OPTIONS = 'OQRON_MODULE_OPTIONS';

/** What `forRoot` and `forRootAsync` build on. {@link GIVEN_OPTIONS_TOKEN} has the options before any overrides. */
export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: GIVEN_OPTIONS_TOKEN,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<OqronModuleOptions>({ optionsInjectionToken: 'OQRON_GIVEN_OPTIONS' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createOqronOptions')
  // Nest takes only keys that have a default here out of the options.
  .setExtras<OqronModuleExtras>({ isGlobal: true, extraProviders: [] }, (definition, { isGlobal, extraProviders }) => ({
    ...definition,
    get providers(): Provider[] {
      return [...(definition.providers ?? []), ...(extraProviders ?? []), ...coreProviders()];
    },
    exports: [...(definition.exports ?? []), ...(isGlobal === false ? [] : [OqronQueuesModule])],
  }))
  .build();

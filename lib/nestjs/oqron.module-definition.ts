import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { OqronConfig } from '../engine/config.js';

/** Options of `OqronModule.forRoot`: the engine's configuration. @publicApi */
export type OqronModuleOptions = OqronConfig;

/** What `forRootAsync({ useClass })` and `useExisting` name. @publicApi */
export interface OqronOptionsFactory {
  createOqronOptions(): OqronModuleOptions | Promise<OqronModuleOptions>;
}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<OqronModuleOptions>({ moduleName: 'Oqron' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createOqronOptions')
    .build();

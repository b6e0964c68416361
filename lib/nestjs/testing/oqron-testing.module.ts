import { Module, type DynamicModule } from '@nestjs/common';
import { OqronTester } from '../../testing/index.js';
import { OqronModule } from '../oqron.module.js';
import { replacements, testerProvider, type OqronTestingOptions } from './test-providers.js';

/**
 * Takes the place of `OqronModule.forRoot()` in tests of feature modules: jobs in memory, a virtual clock, and an
 * `OqronTester` to inject. For a whole application, which imports `OqronModule` itself, use {@link withOqronTesting}.
 *
 * @example
 * const app = await Test.createTestingModule({ imports: [MailModule, OqronTestingModule.forRoot()] }).compile();
 * await app.init();
 * await app.get(OqronTester).drain();
 * @publicApi
 */
@Module({})
export class OqronTestingModule {
  static forRoot(given: OqronTestingOptions = {}): DynamicModule {
    const { values, options } = replacements(given);
    const extraProviders = values.map(([provide, useValue]) => ({ provide, useValue }));
    return {
      module: OqronTestingModule,
      global: true,
      imports: [OqronModule.forRoot({ logger: false, ...options, extraProviders })],
      providers: [testerProvider],
      exports: [OqronTester],
    };
  }
}

import type { TestingModuleBuilder } from '@nestjs/testing';
import { addCoreProvider } from '../core-providers.js';
import { OQRON_OPTION_OVERRIDES } from '../oqron.tokens.js';
import { replacements, TESTER_OPTIONS, testerProvider, type OqronTestingOptions } from './test-providers.js';

/**
 * Lets an application run on jobs in memory and a virtual clock, whatever mode its `OqronModule` names: no connection,
 * port or file is opened. Its other options stay, the selected modules among them, unless `options` names others. The
 * tester is then at `app.get(OqronTester)`.
 *
 * @example
 * const app = await withOqronTesting(Test.createTestingModule({ imports: [AppModule] })).compile();
 * await app.init();
 * const tester = app.get(OqronTester);
 * @publicApi
 */
export function withOqronTesting(
  builder: TestingModuleBuilder,
  options: OqronTestingOptions = {},
): TestingModuleBuilder {
  // A builder can replace what there is, and add nothing: so the tester is a provider of every application from now on.
  addCoreProvider({ provide: TESTER_OPTIONS, useValue: {} });
  addCoreProvider(testerProvider);
  const replaced = replacements(options);
  for (const [token, value] of replaced.values) builder.overrideProvider(token).useValue(value);
  return builder.overrideProvider(OQRON_OPTION_OVERRIDES).useValue(replaced.options);
}

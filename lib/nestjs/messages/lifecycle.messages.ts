import { withSolutions } from '../oqron.messages.js';

export const forRootMissing = (queue: string): string =>
  withSolutions(
    `The queue "${queue}" is to be injected, and there is no engine: OqronModule.forRoot() is imported nowhere.`,
    ['Import OqronModule.forRoot({ ... }) once, last in your root module.'],
  );

export const optionsMissing = (given: unknown): string =>
  withSolutions(`The options are ${String(given)}, where an object was expected.`, [
    'Return the options from the factory of forRootAsync(): `useFactory: () => ({ project: "shop" })`.',
  ]);

export const twoContracts = (queue: string, first: string, second: string): string =>
  withSolutions(`The queue "${queue}" has two different contracts in one application: of ${first} and of ${second}.`, [
    'Define it once with defineQueue() and import that contract in both places.',
    'If these are two queues, give each a name of its own.',
  ]);

export const destroyedBeforeDrain = (places: readonly string[]): string =>
  withSolutions(
    `Running jobs may lose what they use: on shutdown, ${places.join(', ')} would run before running jobs have ended.`,
    [
      'Import OqronModule.forRoot() last in the root module: Nest destroys modules in reverse order.',
      'Move a provider of the root module to a module of its own: the root module is destroyed first.',
      'Or close in onApplicationShutdown in place of onModuleDestroy: that runs after all jobs have ended.',
    ],
  );

export const shutdownHooksMissing = (): string =>
  withSolutions(
    'Nobody listens to SIGTERM: when this process is told to stop, it dies at once, and its jobs run again elsewhere when their leases expire.',
    [
      'Call app.enableShutdownHooks() after the application is made.',
      'If you end the application in another way, set `shutdown: { enabled: false }` in the options of OqronModule.',
    ],
  );

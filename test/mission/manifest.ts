import type { Missing } from './missing.js';

/** One example of the product's pages. Its text is `examples/<id>.txt`, copied from the page and never changed. */
export interface Example {
  readonly id: string;
  readonly page: 'adapters' | 'architecture' | 'crash-safety' | 'distributed-worker';
  readonly heading: string;
  /** `runs`, or the names that have to land first. */
  readonly state: 'runs' | { readonly waitsFor: readonly [Missing, ...Missing[]] };
  /** The file that the page says it is; other examples may import it. */
  readonly file?: string;
  /** Names of the library that the page uses here without importing them. */
  readonly library?: readonly string[];
  /** What the page leaves undeclared: names of `stubs.ts`. */
  readonly stubs?: readonly string[];
  /** Code around it: for a fragment, for what the page declared above, and to get hold of what it does not export. */
  readonly around?: { readonly before?: string; readonly after?: string };
  /** The page shows it after `OqronKit.init`. */
  readonly afterInit?: true;
  /** The address of a server in the text. When the example runs, that of the test's own server stands there. */
  readonly server?: string;
  /** Where in the text the code of a second process begins. */
  readonly secondProcess?: string;
  /** Codes of compiler errors about what the page leaves out with `...`. */
  readonly elided?: readonly number[];
}

const init = ['OqronKit', 'queueModule', 'cronModule'];

/**
 * Every code example of the pages. An example runs as soon as everything exists that it uses. What a waiting one waits
 * for is checked to be missing still, so whoever adds a module has to move its examples to `runs`.
 *
 * The page `introduction` has no examples. Diagrams and the two key formats (`oqron:{project}:...`) are none either.
 */
export const EXAMPLES = [
  {
    id: 'adapters-1',
    page: 'adapters',
    heading: 'In-Memory (Development)',
    state: { waitsFor: ['cronModule'] },
    library: init,
  },
  {
    id: 'adapters-2',
    page: 'adapters',
    heading: 'Redis (Production)',
    state: { waitsFor: ['cronModule'] },
    library: init,
  },
  {
    id: 'adapters-3',
    page: 'adapters',
    heading: 'PostgreSQL (Production)',
    state: { waitsFor: ['cronModule'] },
    library: init,
  },
  {
    id: 'adapters-4',
    page: 'adapters',
    heading: 'Hybrid (PG + Redis)',
    state: { waitsFor: ["mode 'hybrid-db'", 'cronModule'] },
    library: init,
  },
  {
    id: 'adapters-5',
    page: 'adapters',
    heading: 'Using Adapter Factory Functions',
    state: { waitsFor: ["adapter type 'postgres'", "mode 'custom'", 'cronModule'] },
    library: ['queueModule', 'cronModule'],
  },
  {
    id: 'adapters-6',
    page: 'adapters',
    heading: 'Using createAdapters (All at Once)',
    state: { waitsFor: ["adapters of the mode 'redis'", "mode 'custom'", 'cronModule'] },
    library: ['queueModule', 'cronModule'],
  },
  {
    id: 'adapters-7',
    page: 'adapters',
    heading: 'Implementing a Custom Adapter (Class-Based)',
    state: 'runs',
    stubs: ['type RabbitChannel'],
    around: { before: 'interface RabbitMQBroker { channel: RabbitChannel }', after: 'export { RabbitMQBroker }' },
    // `claim` ends in `// ... return job IDs`.
    elided: [2355],
  },
  {
    id: 'adapters-8',
    page: 'adapters',
    heading: 'Implementing a Custom Adapter (Factory Functions)',
    state: 'runs',
    around: { after: 'export { createStorage, createBroker, createLock }' },
  },
  {
    id: 'adapters-9',
    page: 'adapters',
    heading: 'createStorage(impl)',
    state: 'runs',
    library: ['createStorage'],
    stubs: ['dynamo'],
    around: { after: 'export { dynamoStorage }' },
  },
  {
    id: 'adapters-10',
    page: 'adapters',
    heading: 'createBroker(impl)',
    state: 'runs',
    library: ['createBroker'],
    stubs: ['queues', 'sqs'],
    around: { after: 'export { sqsBroker }' },
  },
  {
    id: 'adapters-11',
    page: 'adapters',
    heading: 'createLock(impl)',
    state: 'runs',
    library: ['createLock'],
    stubs: ['consul'],
    around: { after: 'export { consulLock }' },
  },
  {
    id: 'adapters-12',
    page: 'adapters',
    heading: 'Putting It All Together',
    // Its methods are `/* ... */`: what it does as it is written is to be refused.
    state: 'runs',
    library: ['queueModule', 'cronModule'],
    elided: [2345],
  },
  {
    // Two processes in one block: it runs in two halves.
    id: 'adapters-13',
    page: 'adapters',
    heading: 'Environment Isolation',
    state: 'runs',
    library: ['OqronKit'],
    server: 'redis://shared-redis:6379',
    secondProcess: '// Project B, staging',
  },
  {
    id: 'architecture-1',
    page: 'architecture',
    heading: 'DI Container',
    state: 'runs',
    around: { after: 'export { di }' },
    afterInit: true,
  },
  {
    id: 'architecture-2',
    page: 'architecture',
    heading: 'Sharded Leader Election (Multi-Region)',
    state: 'runs',
  },
  {
    id: 'architecture-3',
    page: 'architecture',
    heading: 'Job Dependencies (DAG)',
    state: 'runs',
    stubs: ['extractQueue', 'transformQueue'],
    around: { after: 'export { extract1, extract2, transform }' },
    afterInit: true,
  },
  {
    id: 'architecture-4',
    page: 'architecture',
    heading: 'Module System',
    state: { waitsFor: ['cronModule', 'scheduleModule'] },
  },
  {
    id: 'crash-safety-1',
    page: 'crash-safety',
    heading: 'Usage Across Modules',
    state: { waitsFor: ['cron', 'schedule', 'webhook'] },
  },
  {
    id: 'crash-safety-2',
    page: 'crash-safety',
    heading: 'Graceful Shutdown',
    state: 'runs',
    library: ['OqronKit'],
    afterInit: true,
  },
  {
    id: 'crash-safety-3',
    page: 'crash-safety',
    heading: 'AbortController Support: cancelJob',
    state: 'runs',
    library: ['OqronKit'],
    afterInit: true,
  },
  {
    id: 'crash-safety-4',
    page: 'crash-safety',
    heading: 'AbortController Support: ctx.signal',
    state: 'runs',
    library: ['queue'],
    stubs: ['chunks', 'i', 'processChunk'],
    around: { before: "export const chunkQueue = queue({ name: 'chunks',", after: '})' },
  },
  {
    id: 'crash-safety-5',
    page: 'crash-safety',
    heading: 'Cancel Behavior',
    state: 'runs',
    library: ['OqronKit', 'OqronManager'],
    around: { before: 'const mgr = OqronManager.from(OqronKit.getConfig())' },
    afterInit: true,
  },
  {
    id: 'crash-safety-6',
    page: 'crash-safety',
    heading: 'Idempotency',
    state: 'runs',
    stubs: ['emailQueue'],
    afterInit: true,
  },
  {
    id: 'distributed-worker-1',
    page: 'distributed-worker',
    heading: 'Publisher Queue (API Side)',
    state: 'runs',
    file: 'triggers/video-encode.ts',
  },
  {
    id: 'distributed-worker-2',
    page: 'distributed-worker',
    heading: 'Push jobs from your API routes',
    state: 'runs',
    file: 'api-routes.ts',
    stubs: ['app'],
  },
  {
    id: 'distributed-worker-3',
    page: 'distributed-worker',
    heading: 'Consumer Worker (Worker Side)',
    state: 'runs',
    file: 'triggers/video-worker.ts',
    stubs: ['type VideoMetadata', 'download', 'transcode', 'uploadToCDN'],
  },
  {
    id: 'distributed-worker-4',
    page: 'distributed-worker',
    heading: 'Bootstrap: API server',
    state: 'runs',
    file: 'api-server.ts',
  },
  {
    id: 'distributed-worker-5',
    page: 'distributed-worker',
    heading: 'Bootstrap: worker server',
    state: 'runs',
    file: 'worker-server.ts',
  },
] as const satisfies readonly Example[];

type Listed = (typeof EXAMPLES)[number];

/** The ids of a page's examples that run. */
export type RunningId<P extends Example['page']> = Extract<Listed, { readonly page: P; readonly state: 'runs' }>['id'];

// The import rule of docs/architecture.md. An arrow points only downward:
//   nestjs, admin, cli, testing, conformance, opentelemetry, prometheus -> engine -> modules -> kernel;  backends -> kernel
// lib/index.ts is the engine's public face and counts as engine.
const ENGINE = '^lib/(engine/|index\\.ts$)';
const NEST = '(^|node_modules/)(@nestjs/|rxjs(/|$)|reflect-metadata(/|$))';
const STORE_CLIENTS = { ioredis: 'redis', pg: 'postgres' };
const IO = 'fs|net|tls|http|https|http2|dns|dgram|child_process|cluster|worker_threads|readline|repl|inspector|vm|wasi';
const KERNEL_PACKAGES = 'fastest-levenshtein|ms|uuid|zod';

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** `layer` may import from lib/ only itself and what `below` names. */
const layer = (name, self, below) =>
  forbid(
    `layer-${name}`,
    `${name} may import only: ${below.join(', ') || 'itself'}`,
    { path: self },
    {
      path: '^lib/',
      pathNot: [self, ...below],
    },
  );

export default {
  forbidden: [
    forbid('no-circular', 'No circles, type-only imports included.', {}, { circular: true }),

    layer('kernel', '^lib/kernel/', []),
    layer('backends', '^lib/backends/', ['^lib/kernel/']),
    layer('modules', '^lib/modules/', ['^lib/kernel/']),
    layer('engine', ENGINE, ['^lib/modules/', '^lib/kernel/', '^lib/backends/']),
    layer('conformance', '^lib/conformance/', ['^lib/kernel/ports/']),
    layer('testing', '^lib/testing/', [ENGINE, '^lib/modules/', '^lib/kernel/']),
    layer('opentelemetry', '^lib/opentelemetry/', [ENGINE, '^lib/kernel/']),
    layer('prometheus', '^lib/prometheus/', [ENGINE, '^lib/kernel/']),
    layer('admin', '^lib/admin/', [ENGINE, '^lib/modules/', '^lib/kernel/']),
    layer('cli', '^lib/cli/', [ENGINE, '^lib/modules/', '^lib/kernel/']),
    layer('nestjs', '^lib/nestjs/', [ENGINE, '^lib/modules/', '^lib/kernel/', '^lib/testing/', '^lib/prometheus/']),
    forbid(
      'nest-prometheus',
      'Of lib/nestjs only its module for Prometheus builds on lib/prometheus.',
      { path: '^lib/nestjs/', pathNot: '^lib/nestjs/prometheus/' },
      { path: '^lib/prometheus/' },
    ),
    ...Object.entries({ 'prom-client': 'lib/(nestjs/)?prometheus', '@opentelemetry/api': 'lib/opentelemetry' }).map(
      ([name, folder]) =>
        forbid(
          `${name.replace(/\W+/g, '-')}-alone`,
          `${name} is an optional peer.`,
          { path: '^lib/', pathNot: `^${folder}/` },
          { path: `(^|node_modules/)${name}(/|$)` },
        ),
    ),
    forbid(
      'nest-test-kit',
      'Of lib/nestjs only its own test kit builds on lib/testing.',
      { path: '^lib/nestjs/', pathNot: '^lib/nestjs/testing/' },
      { path: '^lib/testing/' },
    ),
    forbid(
      'lazy-backends',
      'ioredis and pg are optional peers: the engine loads these backends with import(), only when they are chosen.',
      { path: ENGINE },
      {
        path: `^lib/backends/(${Object.values(STORE_CLIENTS).join('|')})/`,
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    ),
    ...Object.entries(STORE_CLIENTS).map(([client, backend]) =>
      forbid(
        `${client}-in-${backend}`,
        `Only lib/backends/${backend} knows ${client}.`,
        { path: '^lib/', pathNot: `^lib/backends/${backend}/` },
        { path: `(^|node_modules/)(@types/)?${client}(/|$)` },
      ),
    ),
    forbid(
      'no-nest-in-engine',
      'Only lib/nestjs knows Nest.',
      { path: '^lib/', pathNot: '^lib/nestjs/' },
      { path: NEST },
    ),
    forbid(
      'kernel-no-io',
      'The kernel does no I/O.',
      { path: '^lib/kernel/' },
      { dependencyTypes: ['core'], path: `^(node:)?(${IO})(/|$)` },
    ),
    forbid(
      'kernel-packages',
      `The kernel uses of npm only: ${KERNEL_PACKAGES}`,
      { path: '^lib/kernel/' },
      { dependencyTypesNot: ['core', 'local'], pathNot: `^(lib/|node_modules/(@types/)?(${KERNEL_PACKAGES})/)` },
    ),

    forbid(
      'lib-stands-alone',
      'The library knows nothing of its users, and itself only by relative paths.',
      { path: '^lib/' },
      { path: `^(apps|libs|test|tools)/|^dist/|^oqronkit(/|$)|^#` },
    ),
    forbid(
      'library-by-name',
      "Apps and contracts import the library as 'oqronkit' or 'oqronkit/...'.",
      { path: '^(apps|libs)/' },
      { path: '^lib/' },
    ),
    forbid(
      'no-build-output',
      'Nobody imports build output by path.',
      { path: '^(apps|libs)/' },
      { path: '(^|/)dist/', dependencyTypesNot: ['aliased', 'undetermined'] },
    ),
    forbid('contracts-by-name', "Apps import the contracts as '#contracts'.", { path: '^apps/' }, { path: '^libs/' }),
    forbid('contracts-below-apps', 'Contracts do not know the apps.', { path: '^libs/' }, { path: '^apps/' }),
    forbid('api-alone', 'apps/api shares only contracts.', { path: '^apps/api/' }, { path: '^apps/(?!api/)' }),
    forbid(
      'worker-alone',
      'apps/worker shares only contracts.',
      { path: '^apps/worker/' },
      { path: '^apps/(?!worker/)' },
    ),
    forbid(
      'no-tests-in-apps',
      'Apps do not import tests or tools.',
      { path: '^(apps|libs)/' },
      { path: '^(test|tools)/' },
    ),
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
};

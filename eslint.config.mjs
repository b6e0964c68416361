// ESLint does only what oxlint cannot: rules that need types, and the ban on real time and randomness in lib/.
import tseslint from 'typescript-eslint';

const use = (what) => `${what} is banned in lib/: use the injected Clock or Random (lib/kernel/ports/clock.ts).`;

const globals = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
  'performance',
  'crypto',
];

const properties = [
  ['Date', 'now'],
  ['Math', 'random'],
  ['process', 'hrtime'],
  ['process', 'nextTick'],
  ['AbortSignal', 'timeout'],
];

const timeModules = ['timers', 'timers/promises', 'perf_hooks'].flatMap((name) => [name, `node:${name}`]);

const names = {
  crypto: [
    'default',
    'getRandomValues',
    'randomBytes',
    'randomFill',
    'randomFillSync',
    'randomInt',
    'randomUUID',
    'randomUUIDv7',
    'webcrypto',
  ],
  process: ['hrtime', 'nextTick'],
};

const realTime = {
  'no-restricted-globals': ['error', ...globals.map((name) => ({ name, message: use(name) }))],
  'no-restricted-properties': [
    'error',
    ...properties.map(([object, property]) => ({ object, property, message: use(`${object}.${property}`) })),
  ],
  'no-restricted-imports': [
    'error',
    {
      paths: [
        ...timeModules.map((name) => ({ name, message: use(name) })),
        ...Object.entries(names).flatMap(([name, importNames]) =>
          [name, `node:${name}`].map((module) => ({ name: module, importNames, message: use('This import') })),
        ),
      ],
    },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: use('new Date()') },
    { selector: "CallExpression[callee.name='Date']", message: use('Date()') },
    {
      selector: `MemberExpression[object.name=/^(globalThis|global)$/][property.name=/^(Date|Math|process|${globals.join('|')})$/]`,
      message: use('The real one behind globalThis'),
    },
    {
      selector: 'ImportExpression[source.value=/^(node:)?(timers|timers.promises|perf_hooks|crypto)$/]',
      message: use('This import'),
    },
  ],
};

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '**/*.mjs', '**/*.cjs', '**/*.js'] },
  // A disable comment may be meant for oxlint, which reads the same ones.
  { linterOptions: { reportUnusedDisableDirectives: 'off' } },
  {
    files: ['{lib,apps,libs,test}/**/*.ts'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
    },
  },
  { files: ['lib/**/*.ts'], ignores: ['lib/kernel/ports/system-clock.ts'], rules: realTime },
);

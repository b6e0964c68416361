import { availableParallelism } from 'node:os';

// Nest 12 is ESM only; on Node 20 Jest can load it only as native ES modules (run with --experimental-vm-modules).
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^oqronkit$': '<rootDir>/lib/index.ts',
    '^oqronkit/(.+)$': '<rootDir>/lib/$1/index.ts',
    '^#contracts$': '<rootDir>/libs/contracts/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  // Two noisy cores: a limit is there to end what hangs, not to judge speed.
  testTimeout: 40_000,
  // Every spec file leaves modules behind in the process that ran it: after a hundred of them it would do little but
  // collect garbage. A worker above this is replaced by a new one before the next file.
  workerIdleMemoryLimit: '600MB',
  // Many files wait for servers and clocks more than they work: two beside each other, also on two cores.
  maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
  testMatch: ['<rootDir>/test/**/*.spec.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

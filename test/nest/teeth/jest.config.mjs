// One Jest project for each switch, and one for each of their specs with everything in place. teeth.spec.ts runs it. To
// see what a switch breaks: OQRON_WITHOUT='autoStart: false' npx jest --config test/nest/teeth/jest.config.mjs
import { join } from 'node:path';
import base from '../../../jest.config.mjs';
import { chosen, whole, without } from './switches.mjs';

const rootDir = join(import.meta.dirname, '../../..');
const [[pattern, [, options]]] = Object.entries(base.transform);
const rows = chosen(process.env);

const project = (displayName, spec, change) => ({
  displayName,
  rootDir,
  // Every project looks through these: not through all that is installed.
  roots: ['<rootDir>/lib', '<rootDir>/test/nest', '<rootDir>/test/support'],
  testMatch: [`<rootDir>/${spec}`],
  testEnvironment: base.testEnvironment,
  extensionsToTreatAsEsm: base.extensionsToTreatAsEsm,
  moduleNameMapper: base.moduleNameMapper,
  transform: { [pattern]: ['<rootDir>/test/nest/teeth/transform.mjs', { options, change }] },
});

const escaped = (name) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
const names = rows.flatMap(({ red, green = [] }) => [...red, ...green]);

export default {
  rootDir,
  projects: [
    ...[...new Set(rows.map(({ spec }) => spec))].map((spec) => project(whole(spec), spec)),
    ...rows.map((row) => project(without(row), row.spec, { file: row.file, find: row.find, replace: row.replace })),
  ],
  testNamePattern: `^(${[...new Set(names)].map(escaped).join('|')})$`,
  testTimeout: base.testTimeout,
  workerIdleMemoryLimit: base.workerIdleMemoryLimit,
  maxWorkers: 2,
};

// npm test [-- jest arguments]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './lib/child.mjs';
import { checkNode, ensureInstalled } from './lib/ensure.mjs';
import { ServiceError, testServices } from './lib/services.mjs';

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 0 };
  }
}

async function jest(args, countsFile, servicesEnv) {
  const reporter = join(root, 'tools', 'lib', 'jest-counts.mjs');
  const jestBin = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const nodeOptions = [
    process.env.NODE_OPTIONS,
    '--experimental-vm-modules', // Nest 12 is ESM only
    '--disable-warning=ExperimentalWarning',
  ];
  const env = {
    ...process.env,
    ...servicesEnv,
    NODE_OPTIONS: nodeOptions.filter(Boolean).join(' '),
    OQRON_TEST_COUNTS: countsFile,
  };
  const code = await run(process.execPath, [jestBin, ...args, '--reporters=default', `--reporters=${reporter}`], {
    env,
  });
  const counts = readCounts(countsFile);
  // Jest can fail without a failed test: no test file found, a crash, a coverage threshold.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return { code, counts };
}

async function services() {
  try {
    return await testServices();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

checkNode();
await ensureInstalled();
await ensureInstalled('test/transactions');
const { env, stop } = await services();

const temp = mkdtempSync(join(tmpdir(), 'oqronkit-test-'));
const countsFile = process.env.OQRON_TEST_COUNTS ?? join(temp, 'counts.json');
rmSync(countsFile, { force: true });
let code, counts;
try {
  ({ code, counts } = await jest(process.argv.slice(2), countsFile, env));
} finally {
  await stop();
}
writeFileSync(countsFile, JSON.stringify(counts));
rmSync(temp, { recursive: true, force: true });

console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(code);

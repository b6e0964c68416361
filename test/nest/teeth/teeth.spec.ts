import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosen, switches, whole, without, type Switch } from './switches.mjs';

/** What became of the tests that a switch names, in one project. */
interface Outcome {
  readonly tests: Readonly<Record<string, 'passed' | 'failed'>>;
  /** Why there are none. */
  readonly trouble?: string;
}

const JEST = 'node_modules/jest/bin/jest.js';
const HERE = 'test/nest/teeth';

const rows = chosen(process.env);
const specs = [...new Set(rows.map(({ spec }) => spec))];
let projects: Readonly<Record<string, Outcome>>;

/** All projects in one Jest, which is another than the one that runs this: their applications must not meet. */
async function runAll(): Promise<typeof projects> {
  const folder = mkdtempSync(join(tmpdir(), 'oqronkit-teeth-'));
  const report = join(folder, 'report.json');
  // A number of jobs that somebody wants for the usual run stands in the name of a test.
  const { OQRON_JOBS: _jobs, JEST_WORKER_ID: _worker, ...env } = process.env;
  const args = [JEST, '--config', `${HERE}/jest.config.mjs`, `--reporters=<rootDir>/${HERE}/reporter.mjs`];
  const child = spawn(process.execPath, args, {
    env: { ...env, NODE_OPTIONS: '--experimental-vm-modules', OQRON_TEETH_REPORT: report },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 500_000,
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  try {
    await new Promise((ended, failed) => child.once('close', ended).once('error', failed));
    return JSON.parse(readFileSync(report, 'utf8')) as typeof projects;
  } catch (cause) {
    throw new Error(`Jest told nothing:\n${Buffer.concat(output).toString()}`, { cause });
  } finally {
    child.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Of the tests that these switches name, what became of each. */
function outcomes(project: string, named: readonly Switch[]): Record<string, string> {
  const { tests = {}, trouble = 'it did not run' } = projects[project] ?? {};
  const names = named.flatMap(({ red, green = [] }) => [...red, ...green]);
  return Object.fromEntries(names.map((name) => [name, tests[name] ?? trouble]));
}

const all = (names: readonly string[], outcome: string) => Object.fromEntries(names.map((name) => [name, outcome]));

it.each(switches)('the switch of "$feature" finds its text once', ({ file, find, replace }) => {
  expect(readFileSync(file, 'utf8').split(find).length - 1).toBe(1);
  expect(replace).not.toBe(find);
});

describe('a test proves its feature', () => {
  beforeAll(async () => {
    projects = await runAll();
  }, 600_000);

  it.each(specs)('%s passes with everything in place', (spec) => {
    const named = rows.filter((row) => row.spec === spec);
    const names = named.flatMap(({ red, green = [] }) => [...red, ...green]);
    expect(outcomes(whole(spec), named)).toEqual(all(names, 'passed'));
  });

  it.each(rows)('$spec fails without "$feature", and only its test', (row) => {
    const { red, green = [] } = row;
    expect(outcomes(without(row), [row])).toEqual({ ...all(red, 'failed'), ...all(green, 'passed') });
  });
});

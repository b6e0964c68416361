import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, it } from '@jest/globals';
import { build, ROOT } from '../support/build.js';

beforeAll(build, 120_000);

it('carries the context of nestjs-cls from a request to the handler, and to what that adds', async () => {
  const program = join(ROOT, 'test', 'nest', 'fixtures', 'cls-app.mjs');
  const child = spawn(process.execPath, [program], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let problems = '';
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (problems += piece.toString()));
  const limit = setTimeout(() => child.kill('SIGKILL'), 15_000);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(limit);
  expect([code, problems]).toEqual([0, '']);
  expect(JSON.parse(output)).toEqual([
    [0, 'r1', 'acme'],
    [0, 'r2', 'globex'],
    [0, null, null],
    [1, 'r1', 'acme'],
    [1, 'r2', 'globex'],
  ]);
});

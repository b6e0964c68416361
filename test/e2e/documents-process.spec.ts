import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { Client, MIB, noise } from './support.js';

const ROOT = join(import.meta.dirname, '../..');
const MAX_SECONDS = 30;
const MAX_MEMORY_MIB = 250;

/** Compiles what is missing or stale; a build that is up to date costs nothing. */
function build(): void {
  const code = "import('./tools/lib/ensure.mjs').then(({ ensureBuilt }) => ensureBuilt())";
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The build failed:\n${stdout}${stderr}`);
}

describe('the demo as a process', () => {
  let dataDir: string;
  let child: ChildProcess;
  let client: Client;
  let output = '';
  let exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  beforeAll(async () => {
    build();
    dataDir = await mkdtemp(join(tmpdir(), 'oqronkit-e2e-'));
    child = spawn(process.execPath, [join(ROOT, 'dist/apps/demo/src/main.js')], {
      cwd: ROOT,
      // A group of its own tells whether it left a process behind.
      detached: true,
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', PORT: '0', DATA_DIR: dataDir },
    });
    exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => (output += text));
    const url = await until('the address to be printed', () => /served at (http:\S+)/.exec(output)?.[1], 10_000);
    client = new Client(url);
  }, 120_000);

  afterAll(async () => {
    if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  it('prints its address, its handlers and a line to try', () => {
    expect(output).toContain('DigestProcessor.digest');
    expect(output).toContain(`curl --data-binary @README.md ${client.url}/documents\n`);
  });

  it(`digests 50 MiB in less than ${MAX_SECONDS} s`, async () => {
    const body = noise(50 * MIB);
    const began = performance.now();
    const { status, result } = await client.untilFinal(await client.post(body), MAX_SECONDS * 1000);
    const seconds = (performance.now() - began) / 1000;
    expect(status).toBe('completed');
    expect(result?.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    expect(seconds).toBeLessThan(MAX_SECONDS);
  }, 60_000);

  it('digests the README', async () => {
    const text = await readFile(join(ROOT, 'README.md'));
    const { status, result } = await client.untilFinal(await client.post(text));
    expect(status).toBe('completed');
    expect(result).toMatchObject({
      sha256: createHash('sha256').update(text).digest('hex'),
      lines: text.toString().trimEnd().split('\n').length,
    });
  });

  it(`takes less than ${MAX_MEMORY_MIB} MB for all that`, async () => {
    const file = `/proc/${child.pid}/status`;
    if (!existsSync(file)) return; // Only Linux tells.
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(file, 'utf8'))?.[1]) / 1024;
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(MAX_MEMORY_MIB);
  });

  it('ends with exit code 0 when it is told to stop during a job, and leaves no process behind', async () => {
    const id = await client.post(noise(50 * MIB));
    await client.until(id, 'active', ({ status }) => status === 'active');
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(() => process.kill(-child.pid!, 0)).toThrow('ESRCH');
    expect(output).not.toMatch(/unhandled| ERROR /i);
  }, 20_000);
});

describe('the demo that cannot start', () => {
  const start = (args: string[], env: Record<string, string>) =>
    spawnSync(process.execPath, [join(ROOT, 'dist/apps/demo/src/main.js'), ...args], {
      encoding: 'utf8',
      timeout: 10_000,
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', DATA_DIR: tmpdir(), ...env },
    });

  beforeAll(build, 120_000);

  it.each([
    { why: 'a bad setting', args: [], env: { PORT: 'abc' }, message: 'PORT: expected a whole number' },
    { why: 'an unknown argument', args: ['--fast'], env: { PORT: '0' }, message: "Unknown option '--fast'" },
    { why: 'an unknown mode', args: ['--mode', 'nope'], env: { PORT: '0' }, message: 'OqronKit config: mode' },
  ])('says why in one message: $why', ({ args, env, message }) => {
    const { status, stderr } = start(args, env);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('names the port that is taken', async () => {
    const { createServer } = await import('node:net');
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { status, stderr } = start([], { PORT: String(port) });
    server.close();
    expect(status).toBe(1);
    expect(stderr).toContain(`Port ${port} of 127.0.0.1 is taken.`);
  });
});

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { build, ROOT } from '../support/build.js';
import { appEnv, mainOf, startApp, type AppProcess } from './app-process.js';
import { Client, MIB, noise } from './support.js';

const MAX_SECONDS = 30;
const MAX_MEMORY_MIB = 250;

describe('the demo as a process', () => {
  let dataDir: string;
  let demo: AppProcess;
  let client: Client;

  beforeAll(async () => {
    build();
    dataDir = await mkdtemp(join(tmpdir(), 'oqronkit-e2e-'));
    demo = startApp('demo', { PORT: '0', DATA_DIR: dataDir });
    client = new Client(await demo.printed(/served at (http:\S+)/));
  }, 120_000);

  afterAll(async () => {
    await demo?.end();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('prints its address, its handlers and a line to try', () => {
    expect(demo.output).toContain('DigestProcessor.digest');
    expect(demo.output).toContain(`curl --data-binary @README.md ${client.url}/documents\n`);
  });

  it(`digests 50 MiB in less than ${MAX_SECONDS} s`, async () => {
    const body = noise(50 * MIB);
    const began = performance.now();
    const { status, result } = await client.untilFinal(await client.post(body), MAX_SECONDS * 1000);
    const seconds = (performance.now() - began) / 1000;
    expect(status).toBe('completed');
    expect(result?.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    expect(seconds).toBeLessThan(MAX_SECONDS);
  }, 120_000);

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
    const file = `/proc/${demo.pid}/status`;
    if (!existsSync(file)) return; // Only Linux tells.
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(file, 'utf8'))?.[1]) / 1024;
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(MAX_MEMORY_MIB);
  });

  it('ends with exit code 0 when it is told to stop during a job, and leaves no process behind', async () => {
    const id = await client.post(noise(50 * MIB));
    await client.until(id, 'active', ({ status }) => status === 'active');
    demo.kill('SIGTERM');
    expect(await demo.ended).toEqual({ code: 0, signal: null });
    expect(demo.leftNothing).toBe(true);
    expect(demo.output).not.toMatch(/unhandled| ERROR /i);
  }, 120_000);
});

describe('the demo that cannot start', () => {
  const start = (args: string[], env: Record<string, string>) =>
    spawnSync(process.execPath, [mainOf('demo'), ...args], {
      encoding: 'utf8',
      timeout: 10_000,
      env: appEnv({ DATA_DIR: tmpdir(), ...env }),
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

import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { Injectable } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EngineStateError, InvalidOptionsError, OqronEngine, systemClock, type OqronConfig } from 'oqronkit';
import { OqronModule, Worker } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { runCommand } from '../../lib/cli/commands.js';
import { build, ROOT } from '../support/build.js';
import { NestWorld } from '../support/nest-world.js';
import { failureOf, thrownBy, until } from '../support/until.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: NestWorld;
let folder: string;
let file: string;
beforeEach(() => {
  world = new NestWorld();
  folder = mkdtempSync(join(tmpdir(), 'oqronkit-liveness-'));
  file = join(folder, 'alive');
});
afterEach(async () => {
  await world.end();
  rmSync(folder, { recursive: true, force: true });
});

@Injectable()
class Reports {
  @Worker('reports')
  run(): void {
    // Nothing to do.
  }
}

const imports = (liveness: OqronConfig['liveness']) => ({
  imports: [OqronModule.forRoot({ logger: false, liveness: liveness as NonNullable<typeof liveness> })],
  providers: [Reports],
});

/** What `npx oqronkit healthcheck` says. */
async function healthcheck(...args: string[]): Promise<{ code: number; error: string }> {
  let error = '';
  const code = await runCommand(['healthcheck', ...args], {
    env: {},
    out: () => undefined,
    error: (text) => {
      error += text;
    },
  });
  return { code, error };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

function answerOf(port: number): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });
}

const secondsOf = (path: string): number => Math.round(statSync(path).mtimeMs / 1_000);

describe('the file', () => {
  it('is there from the start, is touched on each tick, and goes when the application has ended', async () => {
    const nest = await world.compile(imports({ file }));
    expect(existsSync(file)).toBe(false);
    await nest.init();
    const begun = world.clock.now() / 1_000;
    expect(secondsOf(file)).toBe(begun);
    await world.clock.advance('4s');
    expect(secondsOf(file)).toBe(begun);
    await world.clock.advance('1s');
    await until('a touch', () => secondsOf(file) === begun + 5);
    await world.clock.advance('1h');
    await until('many', () => secondsOf(file) === begun + 3_605);
    await world.close(nest);
    expect(existsSync(file)).toBe(false);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('comes back when somebody tidied it away', async () => {
    await world.start(imports({ file, interval: '1s' }));
    rmSync(file);
    await world.clock.advance('1s');
    expect(await until('the file', () => existsSync(file))).toBe(true);
  });

  it('is not touched any more when a background loop is dead', async () => {
    const memory = createMemoryBackend({ clock: world.clock });
    let dead = false;
    const backend = wrapBackend(memory, (operation, _args, run) =>
      dead && operation === 'claim' ? new Promise(() => undefined) : run(),
    );
    await world.start(imports({ file }), { backend });
    await world.clock.advance('1m');
    dead = true;
    const since = world.clock.now() / 1_000;
    await until('a touch', () => secondsOf(file) === since);
    await world.clock.advance('1h');
    await until('the last touch', () => secondsOf(file) > since);
    // Whatever is still being written was due before the loop was found to be dead.
    expect(secondsOf(file) - since).toBeLessThan(150);
  });

  it('that cannot be written is an error at start that leaves nothing behind', async () => {
    const nest = await world.compile(imports({ file: join(folder, 'nowhere', 'alive') }));
    const error = await failureOf(nest.init());
    expect(error).toBeInstanceOf(EngineStateError);
    expect(error.message).toContain('liveness');
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('the port', () => {
  it('answers 200, then 503 when a background loop is dead, and is closed with the application', async () => {
    const memory = createMemoryBackend({ clock: world.clock });
    let dead = false;
    const backend = wrapBackend(memory, (operation, _args, run) =>
      dead && operation === 'claim' ? new Promise(() => undefined) : run(),
    );
    const port = await freePort();
    const nest = await world.start(imports({ port }), { backend });
    expect(await answerOf(port)).toEqual({ status: 200, body: '{"status":"up","stuck":[]}' });
    expect(await healthcheck('--port', String(port))).toEqual({ code: 0, error: '' });
    dead = true;
    await world.clock.advance('10m');
    const { status, body } = await answerOf(port);
    expect([status, JSON.parse(body)]).toEqual([
      503,
      { status: 'down', stuck: [expect.stringContaining('the worker "reports" has not asked for jobs')] },
    ]);
    expect((await healthcheck('--port', String(port))).error).toContain('answers 503');
    await world.close(nest);
    expect((await failureOf(answerOf(port))).message).toContain('ECONNREFUSED');
    expect((await healthcheck('--port', String(port))).code).toBe(1);
  });

  it('that is taken is an error at start that leaves nothing behind', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const nest = await world.compile(imports({ port, file }));
    expect((await failureOf(nest.init())).message).toContain('EADDRINUSE');
    expect(world.clock.pendingTimers).toBe(0);
    expect(existsSync(file)).toBe(false);
    await new Promise((closed) => server.close(closed));
  });

  it('answers until the last job has ended, while the application drains', async () => {
    @Injectable()
    class Slow {
      @Worker('slow')
      run(): Promise<void> {
        return world.clock.sleep('10s');
      }
    }
    const port = await freePort();
    const nest = await world.start({ ...imports({ port }), providers: [Slow] });
    await nest.get(OqronEngine).producer('slow').add({});
    await world.clock.settle();
    const closed = nest.close();
    await world.clock.advance('5s');
    expect((await answerOf(port)).status).toBe(200);
    await world.clock.advance('10s');
    await closed;
    expect((await failureOf(answerOf(port))).message).toContain('ECONNREFUSED');
  });
});

describe('a blocked event loop', () => {
  it('touches no file and answers no request', async () => {
    const port = await freePort();
    const nest = await world.start(imports({ file, port, interval: 100 }), { clock: systemClock });
    expect(await healthcheck('--file', file, '--max-age', '2s', '--port', String(port))).toEqual({
      code: 0,
      error: '',
    });
    const word = new Int32Array(new SharedArrayBuffer(4));
    // Asks from another thread, while this one stands still until it has its answer: 1 = one came, 2 = none.
    const thread = new Thread(
      `const { workerData } = require('node:worker_threads');
       const { get } = require('node:http');
       const word = new Int32Array(workerData.shared);
       const end = (n) => { Atomics.store(word, 0, n); Atomics.notify(word, 0); };
       const request = get({ host: '127.0.0.1', port: workerData.port, timeout: 700 }, () => end(1));
       request.on('timeout', () => { request.destroy(); end(2); });
       request.on('error', () => end(2));`,
      { eval: true, workerData: { shared: word.buffer, port } },
    );
    const touched = statSync(file).mtimeMs;
    Atomics.wait(word, 0, 0, 10_000);
    expect(word[0]).toBe(2);
    expect(statSync(file).mtimeMs).toBe(touched);
    await thread.terminate();
    await until('the next touch', () => statSync(file).mtimeMs > touched);
    expect((await answerOf(port)).status).toBe(200);
    await nest.close();
  });
});

describe('npx oqronkit healthcheck', () => {
  it('says what is wrong with a file that is old or missing', async () => {
    const nest = await world.start(imports({ file }));
    // The virtual clock stands at 2026-01-01.
    expect((await healthcheck('--file', file)).error).toMatch(/was touched \d+ ms ago, more than 30000/);
    expect(await healthcheck('--file', file, '--max-age', '90y')).toEqual({ code: 0, error: '' });
    await world.close(nest);
    expect(await healthcheck('--file', file)).toMatchObject({ code: 1, error: expect.stringContaining('ENOENT') });
  });

  it('needs to know where to look, and a duration', async () => {
    expect(await healthcheck()).toMatchObject({ code: 1, error: 'healthcheck needs --file, or --port\n' });
    expect((await healthcheck('--file', file, '--max-age', 'long')).error).toContain(
      '--max-age long is not a duration',
    );
  });
});

describe('the option', () => {
  it.each<[string, object, string]>([
    ['nothing to show it by', {}, 'expected a file, a port or both'],
    ['a port that is none', { port: 70_000 }, 'liveness.port: expected a whole number from 0 to 65535'],
    ['an interval below 100 ms', { port: 0, interval: 50 }, 'liveness.interval: expected 100 ms or more'],
    ['an unknown key', { fil: '/tmp/x' }, 'unknown option "fil", did you mean "file"?'],
  ])('is refused with %s', (_title, liveness, problem) => {
    const error = thrownBy<InvalidOptionsError>(() => new OqronEngine({ liveness }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.problems.join('\n')).toContain(problem);
  });
});

describe('a worker process', () => {
  it('shows its liveness, and ends by itself when its application is closed', async () => {
    build();
    const port = await freePort();
    const child = fork(join(ROOT, 'test/testing/liveness-child.mjs'), [JSON.stringify({ file, port })], {
      cwd: ROOT,
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    try {
      await new Promise<void>((ready) => child.once('message', () => ready()));
      expect(await healthcheck('--file', file, '--port', String(port))).toEqual({ code: 0, error: '' });
      child.send('close');
      expect(await ended).toBe(0);
      expect(existsSync(file)).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  }, 180_000);
});

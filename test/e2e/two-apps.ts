import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { build } from '../support/build.js';
import { until } from '../support/until.js';
import { AppProcess, startApp, type App } from './app-process.js';
import { Client, MIB, noise } from './support.js';

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const STARTED = /DigestProcessor\.digest \{worker document-digest\} concurrency/;

/** How the apps are told of a store, and how they are to name it. */
interface Store {
  readonly mode: 'redis' | 'db';
  /** Arguments beside the mode. */
  readonly args: readonly string[];
  /** For both apps. */
  readonly env: Record<string, string>;
  /** Says the same as `args`. */
  readonly address: Record<string, string>;
}

/** Cases of the two apps as processes that share nothing but a store. */
export function twoApps(name: string, backend: string, find: () => Promise<Store>): void {
  describe(`the two apps as processes over ${name}`, () => {
    let dataDir: string;
    let store: Store;
    let env: Record<string, string>;
    const started: AppProcess[] = [];

    const start = (app: App, more: Record<string, string> = {}): AppProcess => {
      const child = startApp(app, { ...env, ...more }, ['--mode', store.mode, ...store.args]);
      started.push(child);
      return child;
    };

    const startApi = async (): Promise<{ api: AppProcess; client: Client }> => {
      const api = start('api');
      return { api, client: new Client(await api.printed(/served at (http:\S+)/)) };
    };

    const startWorker = async (more?: Record<string, string>): Promise<AppProcess> => {
      const worker = start('worker', more);
      await worker.printed(STARTED);
      return worker;
    };

    /** What every process has to do when it is told to. */
    const expectCleanEnd = async (child: AppProcess): Promise<void> => {
      child.kill('SIGTERM');
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect(child.leftNothing).toBe(true);
      expect(child.output).not.toMatch(/unhandled| ERROR /i);
    };

    beforeAll(async () => {
      build();
      store = await find();
      dataDir = await mkdtemp(join(tmpdir(), 'oqronkit-e2e-'));
      env = { PORT: '0', DATA_DIR: dataDir, ...store.env };
    }, 120_000);

    afterEach(async () => {
      for (const child of started.splice(0)) await child.end();
    });

    afterAll(() => rm(dataDir, { recursive: true, force: true }));

    it('process in the one what the other has accepted, and both end with exit code 0', async () => {
      const [{ api, client }, worker] = await Promise.all([startApi(), startWorker()]);
      const body = noise(2 * MIB);
      const { status, result, attempt, logs } = await client.digest(body);
      expect({ status, attempt }).toEqual({ status: 'completed', attempt: 1 });
      expect(result).toMatchObject({ sha256: sha256(body), bytes: body.length });
      expect(logs.map(({ message }) => message)).toEqual(['Digesting started', 'Digesting finished']);
      const health = await (await fetch(`${client.url}/health`)).json();
      expect(health).toMatchObject({ status: 'ok', engine: { backend, state: 'started', signals: true } });
      await expectCleanEnd(api);
      await expectCleanEnd(worker);
    }, 120_000);

    it('keep what was accepted while no worker runs, and what was finished when all have ended', async () => {
      const first = await startApi();
      const id = await first.client.post('accepted early');
      expect((await first.client.view(id)).status).toBe('waiting');
      await expectCleanEnd(first.api);
      await startWorker();
      const second = await startApi();
      expect((await second.client.untilFinal(id)).status).toBe('completed');
    }, 120_000);

    it('stop a job in the worker when it is cancelled through the API, and leave no file of it', async () => {
      const [{ client }] = await Promise.all([startApi(), startWorker()]);
      const id = await client.post(noise(40 * MIB));
      await client.until(id, 'active', ({ status, progress }) => status === 'active' && progress > 0);
      const response = await fetch(`${client.url}/documents/${id}`, { method: 'DELETE' });
      expect(await response.json()).toEqual({ id, outcome: 'cancelled' });
      await until('its files to be gone', async () => !(await readdir(dataDir)).some((name) => name.startsWith(id)));
      const view = await client.view(id);
      expect(view).toMatchObject({ status: 'cancelled' });
      expect(view.progress).toBeLessThan(100);
      // Its slot is free again.
      expect((await client.digest('the next one')).status).toBe('completed');
    }, 120_000);

    it('hand a job back when its worker has to end, and finish it elsewhere as the same attempt', async () => {
      const [{ client }, leaving] = await Promise.all([startApi(), startWorker({ SHUTDOWN_TIMEOUT: '0s' })]);
      const body = noise(40 * MIB);
      const id = await client.post(body);
      await client.until(id, 'active', ({ status, progress }) => status === 'active' && progress > 0);
      leaving.kill('SIGTERM');
      expect(await leaving.ended).toEqual({ code: 0, signal: null });
      expect(leaving.leftNothing).toBe(true);
      // Not by the expiry of a lease: it is there at once.
      expect((await client.view(id)).status).toBe('waiting');
      await startWorker();
      const { status, attempt, result } = await client.untilFinal(id);
      expect({ status, attempt }).toEqual({ status: 'completed', attempt: 1 });
      expect(result?.sha256).toBe(sha256(body));
    }, 120_000);

    it('start with the commands of the package', async () => {
      const npm = (script: string): AppProcess => {
        const child = new AppProcess('npm', ['run', script, '--', '--mode', store.mode], { ...env, ...store.address });
        started.push(child);
        return child;
      };
      const [api, worker] = [npm('start:api'), npm('start:worker')];
      const client = new Client(await api.printed(/served at (http:\S+)/, 60_000));
      await worker.printed(STARTED, 60_000);
      expect((await client.digest('by npm')).status).toBe('completed');
      for (const child of [api, worker]) child.kill('SIGTERM');
      await Promise.all([api.ended, worker.ended]);
      await until('all of their processes to end', () => api.leftNothing && worker.leftNothing);
      // Builds, where somebody has changed a source since.
    }, 150_000);
  });
}

import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OqronEngine } from 'oqronkit';
import { build, ROOT } from '../support/build.js';
import { startServer, type RedisServer } from '../support/redis-server.js';
import { failureOf } from '../support/until.js';

/** Starts an engine that cannot start, says so, and does nothing more. */
const PROGRAM = `
import { OqronEngine } from 'oqronkit';
const engine = new OqronEngine({ mode: 'redis', logger: false, redis: JSON.parse(process.env.TEST_REDIS) });
await engine.start().catch((error) => console.log(error.code));
`;

/** What it said, its exit code, and how long it lived on afterwards (ms). */
async function run(redis: string | object): Promise<{ said: string; code: number | null; lingeredMs: number }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', TEST_REDIS: JSON.stringify(redis) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let saidAt = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    saidAt ||= performance.now();
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { said: said.trim(), code, lingeredMs: performance.now() - saidAt };
}

describe('a process whose engine cannot start', () => {
  let server: RedisServer;
  beforeAll(async () => {
    build();
    server = await startServer('--requirepass', 'secret');
  }, 120_000);
  afterAll(() => server.stop());

  it.each<[string, () => string | object]>([
    ['nobody listens', () => 'redis://127.0.0.1:1'],
    ['the host is unknown', () => ({ host: 'nowhere.invalid' })],
    ['the password is missing', () => server.url],
    ['the password is wrong', () => server.url.replace('//', '//:wrong@')],
  ])(
    'ends at once when it has nothing else to do: %s',
    async (_why, redis) => {
      const { said, code, lingeredMs } = await run(redis());
      expect({ said, code }).toEqual({ said: 'STORE_UNREACHABLE', code: 0 });
      // The client's own default would be 2 s.
      expect(lingeredMs).toBeLessThan(1_000);
    },
    20_000,
  );

  it('is told so, too, when no Sentinel answers', async () => {
    const redis = { sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'shop' };
    const engine = new OqronEngine({ mode: 'redis', redis, logger: false });
    const error = await failureOf(engine.start());
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(error.message).toMatch(/the master "shop" of 1 Sentinels: .*All sentinels are unreachable/);
    await engine.stop();
  });
});

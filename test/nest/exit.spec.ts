import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { OqronConfig } from 'oqronkit';
import { AppProcess } from '../e2e/app-process.js';
import { build } from '../support/build.js';
import { postgresSpace } from '../support/postgres-space.js';
import { redisSpace } from '../support/redis-space.js';

const CHILD = 'test/nest/fixtures/app-child.mjs';

beforeAll(build, 120_000);

const running: AppProcess[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) await child.end();
});

/** Real applications, in processes that never call `process.exit`. */
function start(platform: string, ending: 'close' | 'signal', config: OqronConfig): AppProcess {
  const env = { OQRON: JSON.stringify({ ...config, environment: `${platform}-${ending}` }) };
  const child = new AppProcess(process.execPath, [CHILD, platform, ending], env);
  running.push(child);
  return child;
}

const configs: Record<string, () => Promise<OqronConfig>> = {
  memory: async () => ({ mode: 'default' }),
  redis: async () => {
    const { url, project } = await redisSpace();
    return { mode: 'redis', redis: url, project };
  },
  db: async () => {
    const { url, schema } = await postgresSpace();
    return { mode: 'db', postgres: { connectionString: url, schema } };
  },
};

const PLATFORMS = ['context', 'express', 'fastify', 'hybrid'];

describe.each(Object.entries(configs))('an application on %s', (_mode, configOf) => {
  it.each(PLATFORMS)('ends by itself within a second of app.close(): %s', async (platform) => {
    const child = start(platform, 'close', await configOf());
    const { code } = await child.ended;
    expect([code, child.output]).toEqual([
      0,
      expect.stringMatching(/^job began\njob ended\ndatabase closed\nexit after/),
    ]);
    expect(Number(/exit after (\d+) ms/.exec(child.output)?.[1])).toBeLessThan(1_000);
  });

  it('that is told to end by SIGTERM lets its job end before the database is closed', async () => {
    const child = start('express', 'signal', await configOf());
    await child.printed(/job began/);
    child.kill('SIGTERM');
    const { signal } = await child.ended;
    expect([signal, child.output]).toEqual(['SIGTERM', 'job began\njob ended\ndatabase closed\n']);
  });
});

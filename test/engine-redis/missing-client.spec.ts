import { expect, it, jest } from '@jest/globals';
import type { OqronConfig } from 'oqronkit';
import { failureOf } from '../support/until.js';

jest.unstable_mockModule('ioredis', () => {
  throw new Error("Cannot find package 'ioredis'");
});

it('without the package ioredis the mode "redis" names it, and the others work', async () => {
  const { OqronEngine } = await import('oqronkit');
  const config = { logger: false } satisfies OqronConfig;
  const engine = new OqronEngine({ ...config, mode: 'redis', redis: 'redis://127.0.0.1:1' });
  expect(await failureOf(engine.start())).toMatchObject({
    code: 'REDIS_CLIENT_MISSING',
    message: expect.stringContaining('npm install ioredis'),
  });
  await engine.stop();
  const other = new OqronEngine(config);
  await other.start();
  await other.stop();
});

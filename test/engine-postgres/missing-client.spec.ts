import { expect, it, jest } from '@jest/globals';
import type { OqronConfig } from 'oqronkit';
import { failureOf } from '../support/until.js';

jest.unstable_mockModule('pg', () => {
  throw new Error("Cannot find package 'pg'");
});

it('without the package pg the mode "db" names it, and the others work', async () => {
  const { OqronEngine } = await import('oqronkit');
  const config = { logger: false } satisfies OqronConfig;
  const engine = new OqronEngine({ ...config, mode: 'db', postgres: 'postgresql://127.0.0.1:1/shop' });
  expect(await failureOf(engine.start())).toMatchObject({
    code: 'POSTGRES_CLIENT_MISSING',
    message: expect.stringContaining('npm install pg'),
  });
  await engine.stop();
  const other = new OqronEngine(config);
  await other.start();
  await other.stop();
});

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { build } from '../support/build.js';
import { postgresSpace } from '../support/postgres-space.js';
import { appEnv, mainOf, type App } from './app-process.js';
import { twoApps } from './two-apps.js';

twoApps('PostgreSQL', 'postgres', async () => {
  const { url, schema } = await postgresSpace();
  return { mode: 'db', args: ['--database', url], env: { DATABASE_SCHEMA: schema }, address: { DATABASE_URL: url } };
});

describe('an app whose PostgreSQL is not there', () => {
  beforeAll(build, 120_000);

  it.each<App>(['api', 'worker'])('%s says so in one message without the password, and ends', (app) => {
    const address = 'postgresql://oqron:hush@127.0.0.1:1/shop';
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [mainOf(app), '--mode', 'db', '--database', address],
      {
        encoding: 'utf8',
        timeout: 10_000,
        env: appEnv({ DATA_DIR: tmpdir(), PORT: '0' }),
      },
    );
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      'OqronEngine.start (PostgreSQL at postgresql://127.0.0.1:1/shop: connect ECONNREFUSED 127.0.0.1:1): the store did not answer',
    ]);
    expect(stdout + stderr).not.toContain('hush');
  });
});

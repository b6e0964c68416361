import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { build } from '../support/build.js';
import { redisSpace } from '../support/redis-space.js';
import { appEnv, mainOf, type App } from './app-process.js';
import { twoApps } from './two-apps.js';

twoApps('Redis', 'redis', async () => {
  const { url, project } = await redisSpace();
  return { mode: 'redis', args: ['--redis', url], env: { PROJECT: project }, address: { REDIS_URL: url } };
});

describe('an app whose Redis is not there', () => {
  beforeAll(build, 120_000);

  it.each<App>(['api', 'worker'])('%s says so in one message without the password, and ends', (app) => {
    const address = 'redis://oqron:hush@127.0.0.1:1';
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [mainOf(app), '--mode', 'redis', '--redis', address],
      {
        encoding: 'utf8',
        timeout: 10_000,
        env: appEnv({ DATA_DIR: tmpdir(), PORT: '0' }),
      },
    );
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toEqual([
      'OqronEngine.start (Redis at redis://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1): the store did not answer',
    ]);
    expect(stdout + stderr).not.toContain('hush');
  });
});

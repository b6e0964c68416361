import { randomUUID } from 'node:crypto';
import { afterAll } from '@jest/globals';
import { Redis } from 'ioredis';
import { startServer, type RedisServer } from './redis-server.js';

/** A server, and the project under which a test file may write there. */
export interface RedisSpace {
  readonly url: string;
  readonly project: string;
}

/** No two test files, and no two runs, write under the same project. */
const project = `test-${randomUUID()}`;
let own: Promise<RedisServer> | undefined;

/**
 * The server of the test run (`REDIS_URL`, which `npm test` sets), or one of this file alone when there is none. Other
 * files use it at the same time: what disturbs all its clients needs a server of its own (`startServer`).
 */
export async function redisSpace(): Promise<RedisSpace> {
  const given = process.env.REDIS_URL;
  return { url: given ?? (await (own ??= startServer())).url, project };
}

afterAll(async () => {
  if (own) await (await own).stop();
  else if (process.env.REDIS_URL) await removeProject(process.env.REDIS_URL, project);
});

/** Removes every key of a project: the server may be somebody's own. */
async function removeProject(url: string, name: string): Promise<void> {
  const redis = new Redis(url, { retryStrategy: null });
  redis.on('error', () => undefined);
  try {
    for (const match of [`oqron:{${name}*`, `oqron:lock:{*${name}*`]) {
      for await (const keys of redis.scanStream({ match, count: 1_000 })) {
        if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
      }
    }
  } finally {
    redis.disconnect();
  }
}

import { createRedisBackend, type RedisBackend } from '../../lib/backends/redis/index.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import { redisSpace } from './redis-space.js';

export { startServer, type RedisServer } from './redis-server.js';

let environments = 0;

/** An open backend with a key space of its own; on the server of the test run, or on another one. */
async function freshBackend(url?: string): Promise<RedisBackend> {
  const space = await redisSpace();
  const environment = `space-${(environments += 1)}`;
  const backend = createRedisBackend({ redis: url ?? space.url, project: space.project, environment });
  await backend.open();
  return backend;
}

/** The same, as the conformance kit and the model take it. */
export async function freshSubject(url?: string): Promise<ConformanceSubject> {
  const backend = await freshBackend(url);
  return { store: backend.store, signals: backend.signals, close: () => backend.close() };
}

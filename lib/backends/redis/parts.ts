import type { Carrier } from './carrier.js';
import type { RedisConnections } from './connection.js';
import type { RedisRegistry } from './registry.js';
import type { ScriptRunner } from './script-runner.js';

/** What the parts of an open backend share. */
export interface RedisParts {
  readonly connections: RedisConnections;
  readonly scripts: ScriptRunner;
  readonly registry: RedisRegistry;
  readonly carrier: Carrier;
}

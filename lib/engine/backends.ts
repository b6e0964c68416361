import { createMemoryBackend } from '../backends/memory/index.js';
import { ModuleNotAvailableError } from '../kernel/errors/index.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { ResolvedConfig } from './config.js';
import { postgresMode } from './postgres-mode.js';
import { redisMode } from './redis-mode.js';

export { createMemoryBackend };

/**
 * The store of a mode, not yet open.
 *
 * @throws ModuleNotAvailableError for a mode whose store has not landed
 */
export function backendOf(config: ResolvedConfig, clock: Clock): Backend {
  const { mode, redis, postgres, history } = config;
  if (mode === 'default') return createMemoryBackend({ clock, limits: history });
  if (mode === 'redis' && redis !== undefined) return redisMode(redis, config, clock);
  if (mode === 'db' && postgres !== undefined) return postgresMode(postgres, config, clock);
  throw new ModuleNotAvailableError(
    `the mode "${mode}"`,
    'Use mode "default" (memory), "redis" or "db" (PostgreSQL) for now.',
  );
}

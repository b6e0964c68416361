import type { PostgresTarget } from '../backends/postgres/index.js';
import type { Backend } from '../kernel/ports/backend.js';
import type { Clock } from '../kernel/ports/clock.js';
import type { ResolvedConfig } from './config.js';
import { ConnectionLog } from './connection-log.js';
import { lazyBackend } from './lazy-backend.js';
import { postgresAddress } from './postgres-address.js';
import { withoutSecrets } from './secrets.js';

type PostgresModeConfig = Pick<ResolvedConfig, 'project' | 'environment' | 'history' | 'logger'>;

/** The backend of the mode `db`. Nothing is loaded or connected before it is opened. */
export function postgresMode(postgres: string | object, config: PostgresModeConfig, clock: Clock): Backend {
  const { project, environment, history, logger } = config;
  const log = new ConnectionLog(logger, clock, (text) => withoutSecrets(text, postgres));
  return lazyBackend('postgres', async () => {
    const { createPostgresBackend } = await import('../backends/postgres/index.js');
    const backend = createPostgresBackend({
      postgres: postgres as PostgresTarget,
      project,
      environment,
      clock,
      limits: history,
      logger: log,
    });
    const where = postgresAddress(postgres);
    const open = async (): Promise<void> => {
      log.opening = true;
      log.last = undefined;
      try {
        await backend.open();
      } catch (error) {
        throw log.explained(error, `PostgreSQL at ${where}`);
      } finally {
        log.opening = false;
      }
      const durability = backend.store.capabilities.durability;
      logger.info(`PostgreSQL ${backend.server?.version ?? ''} at ${where}`, { durability });
    };
    return {
      ...backend,
      get warnings() {
        return backend.warnings ?? [];
      },
      open,
    };
  });
}

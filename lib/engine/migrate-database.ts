import { postgresAddress } from './postgres-address.js';
import { withoutSecrets } from './secrets.js';
import { textOf } from '../kernel/job/stored-error.js';
import { OqronError, StoreUnreachableError } from '../kernel/errors/index.js';

/** What to make, and where. */
export interface DatabaseMigration {
  /** Without it only `print` is possible. */
  readonly url?: string | undefined;
  /** @default 'public' */
  readonly schema?: string | undefined;
  /** @default 'oqron' */
  readonly tablePrefix?: string | undefined;
  /** Answer the SQL instead of running it. */
  readonly print?: boolean;
  /** A role that may work with the tables afterwards. */
  readonly grant?: string | undefined;
}

/**
 * Makes or updates the tables and functions of the mode `db`. Answers what was done, or the SQL.
 *
 * @throws OqronError whose message shows no password
 */
export async function migrateDatabase(migration: DatabaseMigration): Promise<string> {
  const { runMigration } = await import('../backends/postgres/migrate-command.js');
  try {
    return await runMigration(migration);
  } catch (error) {
    const { url } = migration;
    if (url === undefined || (error instanceof OqronError && error.cause === undefined)) throw error;
    const cause = error instanceof OqronError ? error.cause : error;
    const reason = withoutSecrets(textOf(cause), url);
    throw new StoreUnreachableError(`oqronkit migrate (PostgreSQL at ${postgresAddress(url)}: ${reason})`);
  }
}

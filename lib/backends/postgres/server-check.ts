import type { Capabilities } from '../../kernel/ports/job-store.js';
import type { StatementPool } from './pools.js';
import { PostgresServerError, storeError } from './postgres-errors.js';

/** What the server said of itself at start. */
export interface ServerFacts {
  readonly version: string;
  readonly durability: Capabilities['durability'];
  /** For the log: what will hurt. */
  readonly warnings: readonly string[];
}

const OLDEST = 13;

/**
 * Looks at the server before anything is written.
 * @throws PostgresServerError when its version is too old, or the role cannot write
 */
export async function checkServer(pool: StatementPool): Promise<ServerFacts> {
  const [row] = await ask(pool);
  const [number, version, commit, fsync, encoding, standby, readOnly] = row as [number, ...string[]];
  if (number < OLDEST * 10_000) {
    throw new PostgresServerError(
      `PostgresBackend.open: the server is PostgreSQL ${version}; OqronKit needs ${OLDEST} or newer.`,
    );
  }
  if (encoding !== 'UTF8') {
    throw new PostgresServerError(
      `PostgresBackend.open: the database has the encoding ${encoding}; OqronKit needs UTF8 to keep every payload.`,
    );
  }
  if (standby === 'true') {
    throw new PostgresServerError('PostgresBackend.open: the server is a standby. Give the address of the primary.');
  }
  const warnings: string[] = [];
  if (readOnly === 'on') warnings.push('transactions are read-only by default: nothing can be written now');
  if (commit === 'off')
    warnings.push('synchronous_commit is off: the last acknowledged jobs are lost in a crash of the server');
  if (fsync === 'off') warnings.push('fsync is off: the whole database may be lost when the power goes');
  return { version: version ?? '', durability: durabilityOf(commit ?? '', fsync ?? ''), warnings };
}

/** `remote_write` and above wait for a standby too; what is on this server's disk survives its power. */
function durabilityOf(commit: string, fsync: string): Capabilities['durability'] {
  // Without it the last fraction of a second is gone when the server ends; clients may come and go.
  if (commit === 'off') return 'process';
  // What the kernel was given survives the end of the server, not that of the machine.
  return fsync === 'off' ? 'server' : 'power';
}

async function ask(pool: StatementPool): Promise<unknown[][]> {
  try {
    return await pool.rows(`select current_setting('server_version_num')::int, current_setting('server_version'),
      current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding'),
      pg_is_in_recovery()::text, current_setting('default_transaction_read_only')`);
  } catch (error) {
    throw storeError('PostgresBackend.open', error);
  }
}

import { systemClock } from '../../kernel/ports/system-clock.js';
import { grantSql, migrate, printableSql } from './migrator.js';
import { PostgresNames, type NameOptions } from './names.js';
import { readTarget } from './options.js';
import { PostgresPools } from './pools.js';
import { storeError } from './postgres-errors.js';
import { checkServer } from './server-check.js';

/** What `npx oqronkit migrate` was asked for. */
export interface MigrationOptions extends NameOptions {
  /** Not needed to print everything. */
  readonly url?: string | undefined;
  /** Answer the SQL instead of running it. With a url: only what that database lacks. */
  readonly print?: boolean;
  /** A role that may work with the tables afterwards. */
  readonly grant?: string | undefined;
}

/**
 * Brings a database up to this release.
 *
 * @returns the SQL when it was to be printed, else what was done, one line each
 * @throws what opening a backend throws
 */
export async function runMigration({ url, print = false, grant, ...naming }: MigrationOptions): Promise<string> {
  const names = new PostgresNames(naming);
  const granted = grant === undefined ? '' : grantSql(names, grant);
  if (url === undefined) return `${await printableSql(names)}${granted}`;
  const target = readTarget({ connectionString: url, poolSize: 1, ...naming });
  const pools = await PostgresPools.open(target, systemClock, () => undefined);
  try {
    await checkServer(pools.main);
    const client = await pools.main.lend();
    try {
      if (print) return `${await printableSql(names, client)}${granted}`;
      const applied = await migrate(client, names);
      if (grant !== undefined) await client.query({ text: granted });
      const lines = applied.length > 0 ? applied.map((name) => `applied ${name}`) : ['nothing to do: up to date'];
      return `${[...lines, ...(grant === undefined ? [] : [`granted to ${grant}`])].join('\n')}\n`;
    } finally {
      client.release();
    }
  } catch (error) {
    throw storeError('oqronkit migrate', error);
  } finally {
    await pools.close();
  }
}

import { startCluster, type Cluster } from '../../tools/lib/postgres-cluster.mjs';

export type { Cluster };

const INSTALL =
  'Tests that stop or disturb a server start one of their own: install it (apt, brew: see CONTRIBUTING.md).';

/** The database of the test run: `npm test` sets DATABASE_URL; alone, a spec uses the usual local one. */
export function databaseUrl(): string {
  return process.env['DATABASE_URL'] ?? 'postgresql://postgres@127.0.0.1:5432/postgres';
}

/** A server of this test alone, with everything on disk. `settings` are `name=value`. */
export async function startPostgres(...settings: readonly string[]): Promise<Cluster> {
  try {
    return await startCluster({ settings: ['max_connections=200', ...settings] });
  } catch (cause) {
    throw new Error(INSTALL, { cause });
  }
}

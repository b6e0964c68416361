// The PostgreSQL of a test run: DATABASE_URL, the usual local one, or a private one that is ended with the run.
import { existsSync } from 'node:fs';
import { run } from './child.mjs';
import { poolerBinary, postgresBinaries, startCluster } from './postgres-cluster.mjs';
import { ServiceError } from './service-error.mjs';

const OLDEST = 13;
const USUAL = 'postgresql://postgres@127.0.0.1:5432/postgres';

const HOW_TO_GET_ONE = `npm test needs a PostgreSQL ${OLDEST} or newer. It looked for DATABASE_URL, for ${USUAL}, and for initdb and postgres in the PATH and in the folder that pg_config names.
  Debian, Ubuntu:  sudo apt-get install postgresql
  macOS:           brew install postgresql@17
  Docker:          docker run --rm -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:17
With Docker the tests that stop a server of their own will fail: they need initdb and postgres.`;

/** What a server says of itself, or why it cannot be used. */
async function look(url) {
  // Only now: what npm installs may have been missing when this file was loaded.
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      "select current_setting('server_version_num')::int / 10000 as major, has_database_privilege(current_database(), 'CREATE') as may",
    );
    const [{ major, may }] = rows;
    if (major < OLDEST) return { problem: `it is version ${major}` };
    return may ? { version: major } : { problem: 'its role may not create schemas' };
  } catch (error) {
    return { problem: error.message || error.code };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** In a throw-away container only: nobody's machine is changed unasked. */
async function install(...packages) {
  if (process.env.CI !== 'true' || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return;
  // The runlevel keeps the package from starting a service that would stay behind.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const apt = (...args) => run('apt-get', ['-qq', ...args], { env });
  const get = () => apt('install', '-y', '--no-install-recommends', ...packages);
  if ((await get()) !== 0 && (await apt('update')) === 0) await get();
}

/** @throws ServiceError saying what to do */
export async function postgres() {
  // For the tests of poolers, which start one of their own.
  if (!poolerBinary()) await install('pgbouncer');
  const leave = async () => undefined;
  const given = process.env.DATABASE_URL;
  if (given) {
    const { problem } = await look(given);
    // Not the address: it may hold a password.
    if (problem) throw new ServiceError(`The PostgreSQL that DATABASE_URL names cannot be used: ${problem}.`);
    return { url: given, stop: leave };
  }
  if ((await look(USUAL)).version) return { url: USUAL, stop: leave };
  if (!postgresBinaries()) await install('postgresql');
  if (!postgresBinaries()) throw new ServiceError(HOW_TO_GET_ONE);
  try {
    return await startCluster({ detached: true });
  } catch (error) {
    throw new ServiceError(`A private PostgreSQL could not be started. ${error.message}`);
  }
}

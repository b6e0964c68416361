import { createPostgresBackend, type PostgresBackend } from '../../lib/backends/postgres/index.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import { postgresSpace } from './postgres-space.js';

let environments = 0;

/**
 * An open backend with an environment of its own on the server of the test run; with a url, through that other address
 * of it, where notifications may not pass.
 */
export async function freshBackend(url?: string): Promise<PostgresBackend> {
  const space = await postgresSpace();
  const environment = `space-${(environments += 1)}`;
  const backend = createPostgresBackend({
    postgres: {
      connectionString: url ?? space.url,
      ...(url !== undefined && { listenUrl: space.url }),
      schema: space.schema,
      // Many are open at once in a test run.
      poolSize: 4,
    },
    environment,
  });
  await backend.open();
  return backend;
}

/** The same, as the conformance kit and the model take it. */
export async function freshSubject(url?: string): Promise<ConformanceSubject> {
  const backend = await freshBackend(url);
  return { store: backend.store, signals: backend.signals, close: () => backend.close() };
}

import { createPostgresBackend } from '../../lib/backends/postgres/index.js';
import { leaderFailover } from '../support/leader-failover.js';
import { postgresSpace } from '../support/postgres-space.js';

leaderFailover('PostgreSQL', async () => {
  const { url, schema } = await postgresSpace();
  const backend = createPostgresBackend({ postgres: { connectionString: url, schema, poolSize: 2 } });
  await backend.open();
  return backend;
});

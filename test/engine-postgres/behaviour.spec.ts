import { behaviourCases } from '../engine-stores/behaviour-cases.js';
import { postgresSpace } from '../support/postgres-space.js';

behaviourCases('PostgreSQL', async (name) => {
  const { url, schema } = await postgresSpace();
  return { mode: 'db', postgres: { connectionString: url, schema }, environment: name };
});

import { crashCases } from '../engine-stores/crash-cases.js';
import { postgresSpace } from '../support/postgres-space.js';

crashCases(async (name) => {
  const { url, schema } = await postgresSpace();
  return { mode: 'db', postgres: { connectionString: url, schema }, environment: name };
});

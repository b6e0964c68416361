import { randomUUID } from 'node:crypto';
import { afterAll } from '@jest/globals';
import { Client } from 'pg';
import { PostgresPools } from '../../lib/backends/postgres/pools.js';
import { readTarget } from '../../lib/backends/postgres/options.js';
import { PostgresNames } from '../../lib/backends/postgres/names.js';
import { migrate } from '../../lib/backends/postgres/migrator.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import { databaseUrl } from './postgres-server.js';

/** Where a test file may write: a schema of its own, with all tables. */
export interface PostgresSpace {
  readonly url: string;
  readonly schema: string;
  readonly names: PostgresNames;
  /** Connections as an engine has them, for tests of single statements. Closed after the file. */
  readonly pools: PostgresPools;
}

const schema = `test_${randomUUID().replaceAll('-', '')}`;
let space: Promise<PostgresSpace> | undefined;

export function postgresSpace(): Promise<PostgresSpace> {
  return (space ??= make());
}

async function make(): Promise<PostgresSpace> {
  const url = databaseUrl();
  const names = new PostgresNames({ schema });
  const pools = await PostgresPools.open(readTarget({ connectionString: url, schema }), systemClock, () => undefined);
  const client = await pools.main.lend();
  try {
    await migrate(client, names);
  } finally {
    client.release();
  }
  return { url, schema, names, pools };
}

afterAll(async () => {
  if (!space) return;
  await (await space).pools.close();
  await removeSchema(databaseUrl(), schema);
});

/** The server may be somebody's own: nothing stays behind. With OQRON_KEEP_SCHEMA it does, to be looked at. */
export async function removeSchema(url: string, name: string): Promise<void> {
  if (process.env['OQRON_KEEP_SCHEMA']) {
    console.log(`kept: schema ${name}`);
    return;
  }
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('set client_min_messages = warning');
    await client.query(`drop schema if exists "${name}" cascade`);
  } finally {
    await client.end();
  }
}

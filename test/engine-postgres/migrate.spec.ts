import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { checkSchema, migrate } from '../../lib/backends/postgres/migrator.js';
import { PostgresNames } from '../../lib/backends/postgres/names.js';
import { FUNCTIONS, FUNCTIONS_REVISION, MIGRATIONS } from '../../lib/backends/postgres/sql.js';
import { runCommand } from '../../lib/cli/commands.js';
import { databaseUrl } from '../support/postgres-server.js';
import { removeSchema } from '../support/postgres-space.js';
import { failureOf } from '../support/until.js';

const clients: Client[] = [];
const schemas: string[] = [];
const roles: string[] = [];

function freshSchema(): string {
  const name = `Test_${randomUUID().replaceAll('-', '')}`;
  schemas.push(name);
  return name;
}

async function connect(url = databaseUrl()): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

/** A role that may log in and nothing else, and the address with it. */
async function freshRole(): Promise<{ role: string; url: string }> {
  const admin = await connect();
  const role = `test_${randomUUID().slice(0, 8)}`;
  await admin.query(`create role "${role}" login password 'hush'`);
  roles.push(role);
  const url = new URL(databaseUrl());
  url.username = role;
  url.password = 'hush';
  return { role, url: url.href };
}

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  for (const schema of schemas.splice(0)) await removeSchema(databaseUrl(), schema);
  const admin = await connect();
  for (const role of roles.splice(0)) await admin.query(`drop owned by "${role}"; drop role "${role}"`);
  await clients.pop()?.end();
});

/** Names of tables, views and sequences of a schema. */
async function relations(client: Client, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1) and relkind in ('r', 'v', 'S') order by 1",
    [schema],
  );
  return rows.map(({ name }) => name);
}

async function command(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const said = { out: '', error: '' };
  const code = await runCommand(args, {
    env: {},
    out: (text) => (said.out += text),
    error: (text) => (said.error += text),
  });
  return { code, ...said };
}

describe('migrations', () => {
  it('make everything in the schema that was named, under the prefix that was given, and nothing twice', async () => {
    const client = await connect();
    const schema = freshSchema();
    const names = new PostgresNames({ schema, tablePrefix: 'Jobs' });
    expect(await migrate(client, names)).toEqual([...MIGRATIONS.map(({ name }) => name), 'functions']);
    const made = await relations(client, schema);
    expect(made).toContain('Jobs_migration');
    expect(made.filter((name) => !name.startsWith('Jobs_'))).toEqual([]);
    expect(await migrate(client, names)).toEqual([]);
    // A second prefix in the same schema is another store.
    expect(await migrate(client, new PostgresNames({ schema, tablePrefix: 'b' }))).toHaveLength(MIGRATIONS.length + 1);
    expect(await relations(client, schema)).toHaveLength(made.length * 2);
  });

  it('take turns when several processes start at once', async () => {
    const schema = freshSchema();
    const names = new PostgresNames({ schema });
    const all = await Promise.all(Array.from({ length: 8 }, () => connect()));
    const applied = await Promise.all(all.map((client) => migrate(client, names)));
    expect(applied.filter((list) => list.length > 0)).toEqual([[...MIGRATIONS.map(({ name }) => name), 'functions']]);
  });

  it('leave nothing behind when they fail half way', async () => {
    const client = await connect();
    const schema = freshSchema();
    // A type of a name that a table needs.
    await client.query(`create schema "${schema}"; create type "${schema}".oqron_message as enum ('x')`);
    const names = new PostgresNames({ schema });
    expect(await failureOf(migrate(client, names))).toMatchObject({ code: '42710' });
    expect(await relations(client, schema)).toEqual([]);
    await client.query(`drop type "${schema}".oqron_message`);
    expect(await migrate(client, names)).not.toEqual([]);
  });

  it('refuse tables of a newer release that broke with this one, and serve beside one that did not', async () => {
    const client = await connect();
    const names = new PostgresNames({ schema: freshSchema() });
    await migrate(client, names);
    const { rows } = await client.query<{ text: string }>(
      names.render("select pg_get_functiondef('oqron.tell_v1'::regproc) as text"),
    );
    await client.query(names.render("insert into oqron.migration values (8000, '8000-more', false)"));
    await client.query(names.render('update oqron.functions set revision = $1, digest = $2'), [
      FUNCTIONS_REVISION + 1,
      'x',
    ]);
    expect(await migrate(client, names)).toEqual([]);
    await checkSchema(client, names);
    expect(rows).toHaveLength(1);
    await client.query(names.render("insert into oqron.migration values (9000, '9000-other', true)"));
    for (const attempt of [migrate, checkSchema]) {
      const error = await failureOf(attempt(client, names));
      expect(error).toMatchObject({ code: 'SCHEMA_TOO_NEW' });
      expect(error.message).toMatch(/version 9000.*Update oqronkit/);
    }
  });

  it('replace functions of an older release', async () => {
    const client = await connect();
    const names = new PostgresNames({ schema: freshSchema() });
    await migrate(client, names);
    await client.query(names.render("update oqron.functions set revision = 0, digest = 'x'"));
    expect(await migrate(client, names)).toEqual(['functions']);
    expect(FUNCTIONS.length).toBeGreaterThan(0);
  });

  it('say which right is missing, and pass for a role without any when there is nothing to do', async () => {
    const schema = freshSchema();
    const { role, url } = await freshRole();
    const names = new PostgresNames({ schema });
    const weak = await connect(url);
    const error = await failureOf(migrate(weak, names));
    expect(error).toMatchObject({ code: 'POSTGRES_SERVER' });
    expect(error.message).toMatch(/permission denied.*npx oqronkit migrate/);
    const made = await command('migrate', '--url', databaseUrl(), '--schema', schema, '--grant', role);
    expect(made).toMatchObject({ code: 0, error: '' });
    expect(made.out).toContain(`granted to ${role}`);
    expect(await migrate(weak, names)).toEqual([]);
    await checkSchema(weak, names);
  });

  it.each([
    { schema: 'a"b' },
    { schema: 'pg_x' },
    { tablePrefix: 'a.b' },
    { tablePrefix: 'x'.repeat(31) },
    { schema: '' },
  ])('refuse %j as names', (options) => {
    expect(() => new PostgresNames(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
  });
});

describe('without the right to migrate', () => {
  it('a start says which command to run', async () => {
    const client = await connect();
    const names = new PostgresNames({ schema: freshSchema(), tablePrefix: 'jobs' });
    const error = await failureOf(checkSchema(client, names));
    expect(error).toMatchObject({ code: 'SCHEMA_MISSING' });
    expect(error.message).toContain(`npx oqronkit migrate --url <address> --schema ${names.schema} --prefix jobs`);
    await migrate(client, names);
    await checkSchema(client, names);
  });
});

describe('npx oqronkit migrate', () => {
  it('runs what is missing, and says so', async () => {
    const schema = freshSchema();
    const args = ['migrate', '--url', databaseUrl(), '--schema', schema];
    const first = await command(...args);
    expect(first).toMatchObject({ code: 0, error: '' });
    expect(first.out).toContain(`applied ${MIGRATIONS[0]?.name}`);
    expect(await command(...args)).toMatchObject({ code: 0, out: 'nothing to do: up to date\n' });
    expect(await command(...args, '--print')).toMatchObject({ code: 0, out: expect.stringContaining('Nothing to do') });
  });

  it('prints SQL that does the same', async () => {
    const client = await connect();
    const schema = freshSchema();
    const names = new PostgresNames({ schema, tablePrefix: 'jobs' });
    const { code, out } = await command('migrate', '--print', '--schema', schema, '--prefix', 'jobs');
    expect(code).toBe(0);
    await client.query(out);
    await checkSchema(client, names);
    await client.query(names.render("update oqron.functions set revision = 0, digest = 'x'"));
    const rest = await command('migrate', '--print', '--url', databaseUrl(), '--schema', schema, '--prefix', 'jobs');
    expect(rest.out).not.toContain('create table "');
    await client.query(rest.out);
    await checkSchema(client, names);
  });

  it('shows no password when it fails, and its options when it is misused', async () => {
    const wrong = await command('migrate', '--url', 'postgresql://ada:hush@127.0.0.1:1/shop');
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.error).toContain('postgresql://127.0.0.1:1/shop: connect ECONNREFUSED');
    expect(wrong.error).not.toContain('hush');
    expect(await command('migrate')).toMatchObject({ code: 1, error: expect.stringContaining('--url') });
    expect(await command('migrat')).toMatchObject({ code: 1, error: expect.stringContaining('npx oqronkit migrate') });
    expect(await command('migrate', '--nope')).toMatchObject({ code: 1, error: expect.stringContaining('--nope') });
    expect(await command('--help')).toMatchObject({ code: 0, out: expect.stringContaining('npx oqronkit migrate') });
  });
});

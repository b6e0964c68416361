import { InvalidOptionsError } from '../../kernel/errors/index.js';
import type { PostgresNames } from './names.js';
import { bare, isServerError, PostgresServerError, SchemaMissingError, SchemaTooNewError } from './postgres-errors.js';
import { FUNCTIONS, FUNCTIONS_DIGEST, FUNCTIONS_REVISION, MIGRATIONS, type Migration } from './sql.js';

/** A connection, or anything that runs statements of the simple protocol. */
export interface MigrationClient {
  query(statement: { readonly text: string; readonly values?: readonly unknown[] }): Promise<{ rows: unknown[] }>;
}

const LEDGER = `
create table if not exists oqron.migration (
  version integer primary key,
  name text not null,
  breaking boolean not null,
  applied_at timestamptz not null default clock_timestamp()
);
create table if not exists oqron.functions (
  one boolean primary key default true check (one),
  revision integer not null,
  digest text not null
)`;

const RECORD_FUNCTIONS = `insert into oqron.functions (revision, digest) values ($1, $2)
on conflict (one) do update set revision = excluded.revision, digest = excluded.digest`;

/** Bodies are checked when they run: functions may name each other in any order. */
const FUNCTIONS_SQL = ['set local check_function_bodies = off', ...FUNCTIONS.map(({ sql }) => sql)].join(';\n');

/** What is in the database. */
interface Ledger {
  readonly versions: ReadonlySet<number>;
  readonly newest: number;
  readonly newestBreaking: number;
  readonly revision: number;
  readonly digest: string;
}

const NEWEST = MIGRATIONS.at(-1)?.version ?? 0;

/**
 * Brings the tables and functions of one schema and prefix up to this release, in one transaction. Any number of
 * processes may do so at once: they take turns, and the later ones find nothing to do.
 *
 * @returns the names of what was applied
 * @throws SchemaTooNewError when a newer release changed the tables in a way that this one must not work with
 * @throws PostgresServerError when rights are missing
 */
export async function migrate(client: MigrationClient, names: PostgresNames): Promise<string[]> {
  const run = (text: string, values?: readonly unknown[]): Promise<{ rows: unknown[] }> =>
    client.query({ text: names.render(text), ...(values && { values }) });
  // The ordinary start of a process writes nothing and waits for nobody.
  const before = await readLedger(client, names);
  if (before && isCurrent(before)) return [];
  await run('begin');
  try {
    await run('select pg_advisory_xact_lock(hashtextextended($1, 7263))', [`oqron:${names.schema}.${names.prefix}`]);
    const { rows } = await run('select 1 from pg_namespace where nspname = $1', [names.schema]);
    // Asked for only when it is needed: the right to create schemas is a rare one.
    if (rows.length === 0) await run('create schema "{{schema}}"');
    // Objects of extensions and of the user's search_path must not come between.
    await run(`set local search_path = "{{schema}}", pg_temp`);
    await run(LEDGER);
    const ledger = await readLedger(client, names);
    const applied = await apply(run, ledger ?? EMPTY);
    await run('commit');
    return applied;
  } catch (error) {
    await run('rollback').catch(() => undefined);
    throw explained(error, names);
  }
}

const EMPTY: Ledger = { versions: new Set(), newest: 0, newestBreaking: 0, revision: 0, digest: '' };

async function apply(
  run: (text: string, values?: readonly unknown[]) => Promise<unknown>,
  ledger: Ledger,
): Promise<string[]> {
  refuseNewer(ledger);
  const applied: string[] = [];
  for (const migration of MIGRATIONS.filter(({ version }) => !ledger.versions.has(version))) {
    await run(migration.sql);
    await run('insert into oqron.migration (version, name, breaking) values ($1, $2, $3)', recordOf(migration));
    applied.push(migration.name);
  }
  if (!functionsCurrent(ledger)) {
    await run(FUNCTIONS_SQL);
    await run(RECORD_FUNCTIONS, [FUNCTIONS_REVISION, FUNCTIONS_DIGEST]);
    applied.push('functions');
  }
  return applied;
}

const recordOf = ({ version, name, breaking }: Migration): unknown[] => [version, name, breaking];

/**
 * Looks, and changes nothing: for a role that may not.
 *
 * @throws SchemaMissingError saying which command makes the tables
 * @throws SchemaTooNewError
 */
export async function checkSchema(client: MigrationClient, names: PostgresNames): Promise<void> {
  const ledger = await readLedger(client, names);
  if (ledger) refuseNewer(ledger);
  if (ledger && isCurrent(ledger)) return;
  const command = `npx oqronkit migrate --url <address> --schema ${names.schema} --prefix ${names.prefix}`;
  const what = ledger
    ? `The tables of OqronKit in schema "${names.schema}" are older than this release needs`
    : `There are no tables of OqronKit with the prefix "${names.prefix}" in schema "${names.schema}"`;
  throw new SchemaMissingError(
    `PostgresBackend.open: ${what}, and \`migrate\` is false. Run as a role that may create tables: ${command}`,
  );
}

/**
 * The script for psql that brings a database up to this release, in a transaction of its own. Without a client, for a
 * database that has nothing of it yet.
 */
export async function printableSql(names: PostgresNames, client?: MigrationClient): Promise<string> {
  const ledger = (client && (await readLedger(client, names))) ?? EMPTY;
  refuseNewer(ledger);
  if (isCurrent(ledger)) return '-- Nothing to do: the database is up to date.\n';
  const missing = MIGRATIONS.filter(({ version }) => !ledger.versions.has(version));
  const records = missing.map(
    ({ version, name, breaking }) =>
      `insert into oqron.migration (version, name, breaking) values (${version}, '${name}', ${breaking});`,
  );
  const parts = [
    'begin;',
    'create schema if not exists "{{schema}}";',
    'set local search_path = "{{schema}}", pg_temp;',
    `${LEDGER.trim()};`,
    ...missing.map(({ name, sql }) => `-- ${name}\n${ended(sql)}`),
    ...records,
    ...(functionsCurrent(ledger)
      ? []
      : [
          'set local check_function_bodies = off;',
          ...FUNCTIONS.map(({ name, sql }) => `-- functions: ${name}\n${ended(sql)}`),
          `${RECORD_FUNCTIONS.replace('$1', `${FUNCTIONS_REVISION}`).replace('$2', `'${FUNCTIONS_DIGEST}'`)};`,
        ]),
    'commit;',
  ];
  return `${names.render(parts.join('\n\n'))}\n`;
}

/** What lets a role work with tables that another role made. Objects that come later need it again. */
export function grantSql(names: PostgresNames, role: string): string {
  if (role === '' || /[\0]/.test(role)) throw new InvalidOptionsError('oqronkit migrate', ['--grant needs a role']);
  const quoted = `"${role.replaceAll('"', '""')}"`;
  return names.render(`do $grant$
declare
  v_name regclass;
begin
  execute $q$grant usage on schema "{{schema}}" to ${quoted}$q$;
  for v_name in select c.oid from pg_class c where c.relnamespace = '"{{schema}}"'::regnamespace
    and c.relkind in ('r', 'v', 'p') and starts_with(c.relname, '{{prefix}}_') loop
    execute format($q$grant select, insert, update, delete, truncate on %s to ${quoted}$q$, v_name);
  end loop;
  for v_name in select c.oid from pg_class c where c.relnamespace = '"{{schema}}"'::regnamespace
    and c.relkind = 'S' and starts_with(c.relname, '{{prefix}}_') loop
    execute format($q$grant usage, select, update on sequence %s to ${quoted}$q$, v_name);
  end loop;
end $grant$;
`);
}

const ended = (sql: string): string => (sql.trimEnd().endsWith(';') ? sql : `${sql};`);

async function readLedger(client: MigrationClient, names: PostgresNames): Promise<Ledger | undefined> {
  const ask = (text: string, values?: readonly unknown[]): Promise<{ rows: unknown[] }> =>
    client.query({ text: names.render(text), ...(values && { values }) });
  const { rows: found } = await ask(
    `select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname in ($2, $3) having count(*) = 2`,
    [names.schema, `${names.prefix}_migration`, `${names.prefix}_functions`],
  );
  if (found.length === 0) return undefined;
  const { rows: versions } = await ask('select version, breaking from oqron.migration order by version');
  const { rows: functions } = await ask('select revision, digest from oqron.functions');
  const list = versions as { version: number; breaking: boolean }[];
  const [made] = functions as { revision: number; digest: string }[];
  return {
    versions: new Set(list.map(({ version }) => version)),
    newest: list.at(-1)?.version ?? 0,
    newestBreaking: list.filter(({ breaking }) => breaking).at(-1)?.version ?? 0,
    revision: made?.revision ?? 0,
    digest: made?.digest ?? '',
  };
}

function isCurrent(ledger: Ledger): boolean {
  return (
    ledger.newestBreaking <= NEWEST &&
    MIGRATIONS.every(({ version }) => ledger.versions.has(version)) &&
    functionsCurrent(ledger)
  );
}

/** Those of a newer release stay: it knows how to serve this one too. */
function functionsCurrent({ revision, digest }: Ledger): boolean {
  return revision > FUNCTIONS_REVISION || (revision === FUNCTIONS_REVISION && digest === FUNCTIONS_DIGEST);
}

function refuseNewer({ newestBreaking, newest }: Ledger): void {
  if (newestBreaking > NEWEST) throw new SchemaTooNewError('PostgresBackend.open', newest, NEWEST);
}

function explained(error: unknown, names: PostgresNames): unknown {
  // 42501: insufficient privilege.
  if (!isServerError(error) || error.code !== '42501') return error;
  return new PostgresServerError(
    `PostgresBackend.open: the role may not create what is missing in schema "${names.schema}": ${error.message}. ` +
      'Grant it CREATE on the schema, or run `npx oqronkit migrate` as a role that may and set `postgres.migrate: false`.',
    { cause: bare(error) },
  );
}

// Compiles lib/backends/postgres/{migrations,functions}/*.sql into sql.ts, so that nothing reads files at run time.
//   node tools/sql-to-ts.mjs          writes the module
//   node tools/sql-to-ts.mjs --check  fails when it is not current
// Migrations are named NNNN-name.sql and run in that order. One that an older release cannot work with has a
// line `-- breaking`. Functions are made again whenever they change; functions/REVISION is a number that grows with
// every release that changed them. Lines that are only a comment are left out: the server keeps the text.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/child.mjs';

const FOLDER = join(root, 'lib/backends/postgres');
const MODULE = join(FOLDER, 'sql.ts');

function files(folder) {
  return readdirSync(join(FOLDER, folder))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((file) => ({
      file: `${folder}/${file}`,
      name: file.replace('.sql', ''),
      text: readFileSync(join(FOLDER, folder, file), 'utf8'),
    }));
}

function strip(text) {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line && !/^\s*--/.test(line))
    .join('\n');
}

function literal({ file, text }) {
  const sql = strip(text);
  if (/[^\n\x20-\x7e]/.test(sql)) throw new Error(`${file}: only plain ASCII, please`);
  return JSON.stringify(sql);
}

function migration(source) {
  const number = Number(/^(\d{4})-[a-z0-9-]+$/.exec(source.name)?.[1]);
  if (!(number > 0)) throw new Error(`${source.file}: expected a name like 0007-what-it-does.sql`);
  const breaking = /^-- breaking$/m.test(source.text);
  return `  { version: ${number}, name: '${source.name}', breaking: ${breaking}, sql: ${literal(source)} },`;
}

function compile() {
  const functions = files('functions').map((source) => `  { name: '${source.name}', sql: ${literal(source)} },`);
  const digest = createHash('sha256').update(functions.join('\n')).digest('hex').slice(0, 16);
  return [
    '// Made by tools/sql-to-ts.mjs from migrations/*.sql and functions/*.sql: edit those.',
    '',
    '/** A change of the tables, in order. `breaking`: releases that do not know it must not work on these tables. */',
    'export interface Migration {',
    '  readonly version: number;',
    '  readonly name: string;',
    '  readonly breaking: boolean;',
    '  readonly sql: string;',
    '}',
    '',
    '// prettier-ignore',
    'export const MIGRATIONS: readonly Migration[] = [',
    ...files('migrations').map(migration),
    '];',
    '',
    '/** Grows with every release that changed a function. */',
    `export const FUNCTIONS_REVISION = ${Number(readFileSync(join(FOLDER, 'functions/REVISION'), 'utf8'))};`,
    '',
    '/** Tells whether the functions in a database are those of this release. */',
    `export const FUNCTIONS_DIGEST = '${digest}';`,
    '',
    '/** Every function; each file may be run again. */',
    '// prettier-ignore',
    'export const FUNCTIONS: readonly { readonly name: string; readonly sql: string }[] = [',
    ...functions,
    '];',
    '',
  ].join('\n');
}

/** Is sql.ts what the files compile to? */
export function sqlIsCurrent() {
  let made = '';
  try {
    made = readFileSync(MODULE, 'utf8');
  } catch {
    // Not made yet.
  }
  return made === compile();
}

export function writeSql() {
  if (!sqlIsCurrent()) writeFileSync(MODULE, compile());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--check')) {
    if (!sqlIsCurrent()) {
      console.error('lib/backends/postgres/sql.ts is not current: run node tools/sql-to-ts.mjs');
      process.exit(1);
    }
  } else {
    writeSql();
  }
}

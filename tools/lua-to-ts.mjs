// Compiles lib/backends/redis/scripts/*.lua into scripts.ts, so that nothing reads files at run time.
//   node tools/lua-to-ts.mjs          writes the module
//   node tools/lua-to-ts.mjs --check  fails when it is not current
// A script begins with lines `--- flags: ...` (as `#!lua flags=` takes them) and `--- use: part part`; parts lie in
// common/ and may use others. Comments and indentation are left out: the server keeps the text in memory.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/child.mjs';

const FOLDER = join(root, 'lib/backends/redis/scripts');
const MODULE = join(root, 'lib/backends/redis/scripts.ts');

function directive(text, name) {
  const words = new RegExp(`^--- ${name}:(.*)$`, 'm').exec(text)?.[1] ?? '';
  return words.trim().split(/\s+/).filter(Boolean);
}

/** Every part that these need, each behind what it needs itself. */
function withParts(names, done = []) {
  for (const name of names) {
    if (done.some((part) => part.name === name)) continue;
    const text = readFileSync(join(FOLDER, 'common', `${name}.lua`), 'utf8');
    withParts(directive(text, 'use'), done);
    done.push({ name, text });
  }
  return done;
}

function strip(text) {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('--'))
    .join('\n');
}

function compile() {
  const parts = new Map();
  const scripts = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.lua'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(FOLDER, file), 'utf8');
      const used = withParts(directive(text, 'use'));
      for (const part of used) parts.set(part.name, literal(part.name, part.text));
      const names = used.map(({ name }) => `PARTS.${name}`).join(', ');
      const flags = directive(text, 'flags').join(',');
      return `  ${file.replace('.lua', '')}: script('${flags}', [${names}], ${literal(file, text)}),`;
    });
  return [
    '// Made by tools/lua-to-ts.mjs from scripts/*.lua: edit those.',
    '',
    '// prettier-ignore',
    'const PARTS = {',
    ...[...parts].map(([name, text]) => `  ${name}: ${text},`),
    '} as const;',
    '',
    'function script(flags: string, parts: readonly string[], body: string): string {',
    "  return [`#!lua flags=${flags}`, ...parts, body].join('\\n');",
    '}',
    '',
    '/** Every script, whole. */',
    '// prettier-ignore',
    'export const SCRIPTS = {',
    ...scripts,
    '} as const;',
    '',
    'export type ScriptName = keyof typeof SCRIPTS;',
    '',
  ].join('\n');
}

function literal(name, text) {
  const lua = strip(text);
  if (/[^\n\x20-\x7e]/.test(lua)) throw new Error(`${name}: only plain ASCII, please`);
  return JSON.stringify(lua);
}

/** Is scripts.ts what the scripts compile to? */
export function luaIsCurrent() {
  let made = '';
  try {
    made = readFileSync(MODULE, 'utf8');
  } catch {
    // Not made yet.
  }
  return made === compile();
}

export function writeLua() {
  if (!luaIsCurrent()) writeFileSync(MODULE, compile());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--check')) {
    if (!luaIsCurrent()) {
      console.error('lib/backends/redis/scripts.ts is not current: run node tools/lua-to-ts.mjs');
      process.exit(1);
    }
  } else {
    writeLua();
  }
}

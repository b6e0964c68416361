// An application that is written from a page of the documentation, and from nothing else: its commands, its
// tsconfig.json, its code blocks. `test/docs/support/markdown.ts` says what the comments before the blocks mean.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SETUP = /^<!-- setup: (\S+)\n([\s\S]*?)^-->$/gm;
const BLOCK = /(?:<!-- example: (?<about>.+?) -->\s+)?^```(?<language>\w+)\n(?<code>[\s\S]*?)^```$/gm;
const PRINTS = /\bconsole\.log\(.* \/\/ (.+)$/gm;
const IMPORTS = /(?:from|import) '\.\/([^']+)\.js'/g;
/** A small application is up within a second; this is for a machine that is busy (ms). */
const PATIENCE_MS = 30_000;

/** What the page says: `commands` of its first shell block, `tsconfig` of its first JSON block, and its examples. */
export function appOfPage(markdown) {
  const blocks = [...markdown.matchAll(BLOCK)].map(({ groups }) => groups);
  const setups = new Map([...markdown.matchAll(SETUP)].map(([, name, code]) => [name, code]));
  const first = (language) => blocks.find((block) => block.language === language)?.code ?? '';
  return {
    commands: first('sh')
      .split('\n')
      .filter((line) => line !== ''),
    tsconfig: first('json'),
    examples: blocks.filter(({ language }) => language === 'ts').map((block, i) => exampleOf(block, i + 1, setups)),
  };
}

function exampleOf({ about = '', code: shown }, number, setups) {
  const words = about.split(' ').filter((word) => word !== '');
  const valueOf = (key) => words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const hidden = (key) => (valueOf(key)?.split(',') ?? []).map((name) => setups.get(name)).join('');
  const code = `${hidden('with')}${shown}${hidden('then')}`;
  const named = valueOf('file');
  return {
    file: named ?? `example-${number}.ts`,
    code: `${code}export {};\n`,
    runs: words.includes('run') || (named === undefined && !words.includes('types')),
    imports: [...code.matchAll(IMPORTS)].map(([, name]) => `${name}.ts`),
    prints: [...code.matchAll(PRINTS)].map(([, text]) => text),
  };
}

/** Puts the files of a page into `folder`, in place of those of the page before. */
export function writeApp({ tsconfig, examples }, folder) {
  if (tsconfig !== '') writeFileSync(join(folder, 'tsconfig.json'), tsconfig);
  for (const name of ['src', 'dist']) rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, 'src'));
  for (const { file, code } of examples) writeFileSync(join(folder, 'src', file), code);
}

/** The lines that an example prints, those of what it imports included; not those that are different each time. */
export function linesOf(example, examples, seen = new Set()) {
  if (seen.has(example)) return [];
  seen.add(example);
  const own = example.prints.filter((text) => !text.startsWith('e.g. ')).flatMap((text) => text.split(', then '));
  const imported = examples.filter(({ file }) => example.imports.includes(file));
  return [...own, ...imported.flatMap((one) => linesOf(one, examples, seen))];
}

/**
 * Runs a compiled example until it has printed `lines`, tells it to end, and waits for that. Answers what is wrong, or
 * an empty text.
 */
export async function runExample(script, lines, cwd) {
  const child = spawn(process.execPath, [script], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let missing = lines;
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  const done = new Promise((resolve) => {
    const collect = (chunk) => {
      output += chunk;
      const printed = output.split('\n');
      missing = lines.filter((line) => !printed.includes(line));
      if (missing.length === 0) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
  });
  await Promise.race([done, ended, patience()]);
  const asked = child.kill('SIGTERM');
  const end = await Promise.race([ended, patience()]);
  if (end === undefined) child.kill('SIGKILL');
  if (missing.length > 0) return `it does not print: ${missing.join(' | ')}\n${output}`;
  if (end === undefined) return 'it goes on after SIGTERM';
  return end === 0 || (asked && end === 'SIGTERM') ? '' : `it ended with ${end}\n${output}`;
}

function patience() {
  return new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
}

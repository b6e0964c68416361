import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidOptionsError, TriggerLoadError } from '../kernel/errors/index.js';
import { textOf } from '../kernel/job/stored-error.js';
import type { Logger } from '../kernel/ports/logger.js';

/** Where definitions are looked for when nobody says so: the first of these that exists. */
export const TRIGGER_FOLDERS = ['dist/triggers', 'dist/jobs', 'src/triggers', 'triggers', 'src/jobs', 'jobs'] as const;

/** Files of one folder. More is a folder that was not meant, such as one with its dependencies in it. */
const MAX_FILES = 1_000;

const SCRIPT = /\.m?js$/;
const TYPESCRIPT = /\.m?ts$/;
/** Declarations and tests define nothing that should run. */
const SKIPPED = /\.d\.m?ts$|\.(?:test|spec)\.m?[jt]s$/;
const LOADERS = /\b(?:tsx|ts-node|swc-node)\b|--(?:experimental-strip-types|experimental-transform-types)\b/;

/** True when this process can import TypeScript: it runs under a loader, or Node strips types by itself. */
export function runsTypeScript(
  args: readonly string[] = process.execArgv,
  env: NodeJS.ProcessEnv = process.env,
  features: object = process.features,
): boolean {
  if ('typescript' in features && typeof features.typescript === 'string') return true;
  return LOADERS.test([...args, env.NODE_OPTIONS ?? ''].join(' '));
}

/**
 * Imports every file of the trigger folder, so that what they define belongs to the default engine.
 *
 * @param triggers the folder, relative to `cwd`; `false` = none; `undefined` = the first of {@link TRIGGER_FOLDERS}
 * @returns the files, in the order in which they were imported
 * @throws InvalidOptionsError when the given folder does not exist, or holds too many files
 * @throws TriggerLoadError naming the file that threw
 */
export async function loadTriggers(
  triggers: string | false | undefined,
  logger: Logger,
  { cwd = process.cwd(), typescript = runsTypeScript() }: { cwd?: string; typescript?: boolean } = {},
): Promise<string[]> {
  if (triggers === false) return [];
  const folder = triggers === undefined ? await firstFolder(cwd) : await givenFolder(cwd, triggers);
  if (folder === undefined) return [];
  const found = await filesOf(folder);
  const files = loadable(found, typescript);
  for (const file of files) await load(file, relative(cwd, file));
  const place = relative(cwd, folder) || '.';
  const unread = typescript ? 0 : found.filter((file) => TYPESCRIPT.test(file)).length;
  if (files.length === 0 && unread > 0) {
    logger.warn(
      `triggers: "${place}" holds only TypeScript, and this process runs without a loader for it: nothing was loaded. ` +
        'Compile it to dist/triggers, or run under tsx.',
    );
  } else {
    logger.debug(`triggers: ${files.length} files of "${place}" were loaded`);
  }
  return files;
}

async function firstFolder(cwd: string): Promise<string | undefined> {
  for (const name of TRIGGER_FOLDERS) {
    const path = join(cwd, name);
    if (await isFolder(path)) return path;
  }
  return undefined;
}

async function givenFolder(cwd: string, name: string): Promise<string> {
  const path = resolve(cwd, name);
  if (await isFolder(path)) return path;
  throw new InvalidOptionsError('OqronKit config', [
    `triggers: there is no folder "${name}" in ${cwd}; name one that exists, or false for none`,
  ]);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Scripts below a folder, sorted, so that every start defines in one order. */
async function filesOf(folder: string): Promise<string[]> {
  const files: string[] = [];
  const open = [folder];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && !entry.name.startsWith('.')) open.push(path);
      } else if (entry.isFile() && (SCRIPT.test(path) || TYPESCRIPT.test(path)) && !SKIPPED.test(path)) {
        files.push(path);
      }
    }
    if (files.length > MAX_FILES || open.length > MAX_FILES) {
      throw new InvalidOptionsError('OqronKit config', [
        `triggers: "${folder}" holds more than ${MAX_FILES} files or folders; name the one with your definitions`,
      ]);
    }
  }
  return files.toSorted((a, b) => compare(a.split(sep), b.split(sep)));
}

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [i, part] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    if (part !== other) return part < other ? -1 : 1;
  }
  return a.length - b.length;
}

/** What this process can import. A script beside its source would define everything a second time. */
function loadable(files: readonly string[], typescript: boolean): string[] {
  if (!typescript) return files.filter((file) => SCRIPT.test(file));
  const sources = new Set(files.filter((file) => TYPESCRIPT.test(file)));
  return files.filter((file) => sources.has(file) || !sources.has(file.replace(/js$/, 'ts')));
}

async function load(file: string, shown: string): Promise<void> {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    throw new TriggerLoadError(shown, textOf(error), { cause: error });
  }
}

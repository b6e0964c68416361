// Only Node's own modules here: this runs before anything is installed.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './child.mjs';
import { alone } from './lock.mjs';

/** Written by tools/build.mjs; its mtime is the moment when the build began to read the sources. */
export const buildStamp = join(root, 'dist', '.built');

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22) return;
  console.error(`OqronKit needs Node ^20.19 or >=22.12; this is ${process.version}.`);
  process.exit(1);
}

function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Compares what npm installed with the lock file. By content: a checkout or a copy changes every mtime. */
function isInstalled(folder) {
  const installed = lockedPackages(join(folder, 'node_modules/.package-lock.json'));
  const wanted = lockedPackages(join(folder, 'package-lock.json'));
  if (!installed || !wanted) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    return path in installed ? installed[path].version === version : optional === true;
  });
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  // A directory's own mtime tells of removed files.
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), stat.mtimeMs);
}

function isBuilt() {
  if (!existsSync(buildStamp)) return false;
  const configs = readdirSync(root).filter((name) => /^(tsconfig.*|package)\.json$/.test(name));
  const built = statSync(buildStamp).mtimeMs;
  return ['lib', 'apps', 'libs', ...configs].every((name) => newest(join(root, name)) <= built);
}

async function unless(done, command, args) {
  if (done()) return;
  // What they print is not the output of the command that needed them, which may be JSON.
  const options = { stdio: ['inherit', process.stderr, 'inherit'] };
  const code = await alone(async () => (done() ? 0 : run(command, args, options)));
  if (code !== 0) process.exit(code);
}

/** `folder` has a package.json of its own, for what must not be in the root's. */
export const ensureInstalled = (folder = '.') =>
  unless(() => isInstalled(folder), 'npm', [
    'ci',
    `--prefix=${folder}`,
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);

export const ensureBuilt = () => unless(isBuilt, process.execPath, [join(root, 'tools', 'build.mjs')]);

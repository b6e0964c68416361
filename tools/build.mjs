// Builds lib, apps and libs into dist in one compilation: the apps' own tsconfigs (for `nest build`) would compile the
// library once more each. Arguments go to tsc.
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bin, root, run } from './lib/child.mjs';
import { buildStamp, checkNode, ensureInstalled } from './lib/ensure.mjs';
import { writeLua } from './lua-to-ts.mjs';
import { writeSql } from './sql-to-ts.mjs';

checkNode();
await ensureInstalled();
const began = new Date();
writeLua();
writeSql();
rmSync(join(root, 'dist'), { recursive: true, force: true });
const code = await run(bin('tsc'), ['-p', 'tsconfig.build.json', ...process.argv.slice(2)]);
if (code === 0) {
  mkdirSync(dirname(buildStamp), { recursive: true });
  writeFileSync(buildStamp, '');
  utimesSync(buildStamp, began, began);
}
process.exit(code);

// npm run check [-- step ...]: all steps, or only the named ones.
import { bin, capture } from './lib/child.mjs';
import { checkNode, ensureInstalled } from './lib/ensure.mjs';
import { fileSize, textHygiene } from './lib/house.mjs';
import { luaIsCurrent } from './lua-to-ts.mjs';
import { sqlIsCurrent } from './sql-to-ts.mjs';

const SOURCES = ['lib', 'apps', 'libs', 'test'];

const tool =
  (name, ...args) =>
  async () => {
    const { code, output } = await capture(bin(name), args);
    return { ok: code === 0, output };
  };

const list = (find) => async () => {
  const problems = find();
  return { ok: problems.length === 0, output: problems.join('\n') };
};

const steps = {
  format: tool('prettier', '--check', '--log-level=warn', '.'),
  oxlint: tool('oxlint', '--deny-warnings', ...SOURCES, 'tools'),
  eslint: tool('eslint', '--max-warnings=0', '--no-error-on-unmatched-pattern', ...SOURCES),
  types: tool('tsc', '--noEmit', '--pretty', 'false', '-p', 'tsconfig.json'),
  layers: tool('depcruise', '--config', '.dependency-cruiser.mjs', '--output-type', 'err-long', ...SOURCES, 'tools'),
  unused: tool('knip', '--no-progress'),
  lua: list(() => (luaIsCurrent() ? [] : ['lib/backends/redis/scripts.ts is not current: node tools/lua-to-ts.mjs'])),
  sql: list(() => (sqlIsCurrent() ? [] : ['lib/backends/postgres/sql.ts is not current: node tools/sql-to-ts.mjs'])),
  size: list(fileSize),
  text: list(textHygiene),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in steps));
if (unknown.length > 0) {
  console.error(`There is no step ${unknown.join(', ')}. Steps: ${Object.keys(steps).join(', ')}.`);
  process.exit(1);
}

checkNode();
await ensureInstalled();
await ensureInstalled('test/transactions');

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = performance.now();
  const { ok, output } = await step();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(8)} ${seconds} s`);
  if (ok) continue;
  failed += 1;
  console.log(output.replace(/^/gm, '     '));
}
process.exit(failed === 0 ? 0 : 1);

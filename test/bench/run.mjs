// `npm run bench -- [target...] [--quick] [--json]`: measures what is built and prints medians.
import { ensureBuilt, ensureInstalled } from '../../tools/lib/ensure.mjs';
import { memory } from './memory.mjs';

const TARGETS = { memory };

const args = process.argv.slice(2);
const flags = new Set(args.filter((arg) => arg.startsWith('--')));
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = [
  ...names.filter((name) => !(name in TARGETS)),
  ...[...flags].filter((flag) => flag !== '--quick' && flag !== '--json'),
];
if (unknown.length > 0) {
  console.error(
    `bench: unknown ${unknown.join(', ')}. Targets: ${Object.keys(TARGETS).join(', ')}. Flags: --quick, --json.`,
  );
  process.exit(2);
}

await ensureInstalled();
await ensureBuilt();

const quick = flags.has('--quick');
const json = flags.has('--json');
const rows = [];
for (const name of names.length > 0 ? names : Object.keys(TARGETS)) {
  if (!json)
    console.log(`${name} · node ${process.version} · ${process.platform} ${process.arch}${quick ? ' · quick' : ''}`);
  for await (const row of TARGETS[name]({ quick })) {
    rows.push(row);
    if (!json) print(row);
  }
}
if (json) console.log(JSON.stringify(rows, undefined, 2));

function print({ row, unit, ours, spread, goal, met, note }) {
  const mark = met === undefined ? ' ' : met ? 'ok' : '--';
  const range = spread ? ` (${format(spread[0])} to ${format(spread[1])})` : '';
  const wanted = goal === undefined ? '' : `, goal ${format(goal)}`;
  console.log(`  ${mark.padEnd(2)} ${row}: ${format(ours)} ${unit}${range}${wanted}${note ? `; ${note}` : ''}`);
}

function format(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Math.round(value * 100) / 100);
}

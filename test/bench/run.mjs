// `npm run bench -- [target...] [--quick] [--json] [--appendonly] [--only=text] [--profile=folder]`: measures what is
// built and prints medians. See test/README.md. A target is one file; it yields rows, and may say before them what it
// measures with.
import { ensureBuilt, ensureInstalled } from '../../tools/lib/ensure.mjs';
import { machine } from './lib/machine.mjs';
import { aboutLine, header, pairRow, singleRow } from './lib/table.mjs';

// Loaded late: on a fresh clone there is nothing to import yet.
const TARGETS = {
  memory: { load: async () => (await import('./memory.mjs')).memory },
  redis: { load: async () => (await import('./redis.mjs')).redis, peers: true },
};
const FLAGS = ['quick', 'json', 'appendonly'];
const OPTIONS = ['only', 'profile'];

const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith('--'));
const given = new Map(
  args
    .filter((arg) => arg.startsWith('--'))
    .map((arg) => {
      const [name, value = true] = arg.slice(2).split(/=(.*)/s, 2);
      return [name, value];
    }),
);
const unknown = [
  ...names.filter((name) => !(name in TARGETS)),
  ...[...given]
    .filter(([name, value]) => !(value === true ? FLAGS : OPTIONS).includes(name))
    .map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`)),
];
if (unknown.length > 0) {
  const flags = [...FLAGS.map((name) => `--${name}`), ...OPTIONS.map((name) => `--${name}=...`)];
  console.error(
    `bench: unknown ${unknown.join(', ')}. Targets: ${Object.keys(TARGETS).join(', ')}. Flags: ${flags.join(', ')}.`,
  );
  process.exit(2);
}

const targets = names.length > 0 ? names : Object.keys(TARGETS);
await ensureInstalled();
if (targets.some((name) => TARGETS[name].peers)) await ensureInstalled('test/bench');
await ensureBuilt();

const { quick = false, json = false, ...options } = Object.fromEntries(given);
const on = machine();
const rows = [];
for (const name of targets) {
  const say = (text) => json || console.log(text);
  say(`${name} · node ${process.version} · ${process.platform} ${process.arch}${quick ? ' · quick' : ''}`);
  const target = await TARGETS[name].load();
  let about = {};
  for await (const row of target({ quick, ...options })) {
    if (row.about) {
      about = row.about;
      say(aboutLine(row.about));
      say(header());
      continue;
    }
    rows.push({ ...row, on: { ...on, ...about } });
    say(row.peer === undefined ? singleRow(row) : pairRow(row));
  }
}
if (json) console.log(JSON.stringify(rows, undefined, 2));

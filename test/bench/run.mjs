// `npm run bench -- [target...] [--quick] [--json] [--only=text] [--appendonly] [--no-fsync] [--profile=folder]`: measures
// what is built and prints medians. `npm run bench -- --report=file` puts the rows of an earlier `--json` into
// docs/performance.md and measures nothing. See test/README.md. A target is one file; it yields rows, and may say before
// them what it measures with.
import { ensureBuilt, ensureInstalled } from '../../tools/lib/ensure.mjs';
import { machine } from './lib/machine.mjs';
import { aboutLines, header, rowLine } from './lib/table.mjs';

// Loaded late: on a fresh clone there is nothing to import yet.
const TARGETS = {
  memory: { load: async () => (await import('./memory.mjs')).memory },
  nest: { load: async () => (await import('./nest.mjs')).nest },
  redis: { load: async () => (await import('./redis.mjs')).redis, peers: true },
  postgres: { load: async () => (await import('./postgres.mjs')).postgres, peers: true },
  latency: { load: async () => (await import('./latency.mjs')).latency, peers: true },
  idle: { load: async () => (await import('./idle.mjs')).idle, peers: true },
  scale: { load: async () => (await import('./scale.mjs')).scale, peers: true },
};
const FLAGS = ['quick', 'json', 'appendonly', 'no-fsync'];
const OPTIONS = ['only', 'profile', 'report'];
/** What every row of `--json` has, also where there is nothing to say. */
const ROW = { peer: null, peerName: null, ratio: null, spread: null, met: null };

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

await ensureInstalled();
const { quick = false, json = false, report, ...options } = Object.fromEntries(given);
if (report !== undefined) {
  await (await import('./report.mjs')).report(report);
  process.exit(0);
}

const targets = names.length > 0 ? names : Object.keys(TARGETS);
if (targets.some((name) => TARGETS[name].peers)) await ensureInstalled('test/bench');
await ensureBuilt();

const began = performance.now();
const on = { ...machine(), quick };
const rows = [];
const say = (text) => json || console.log(text);
for (const name of targets) {
  say(`${name} · node ${process.version} · ${process.platform} ${process.arch}${quick ? ' · quick' : ''}`);
  const target = await TARGETS[name].load();
  let about = {};
  for await (const row of target({ quick, ...options })) {
    if (row.about) {
      about = row.about;
      for (const line of aboutLines(row.about)) say(line);
      say(header());
      continue;
    }
    rows.push({ ...ROW, ...row, on: { ...on, ...about } });
    say(rowLine(row));
  }
}
const goals = rows.filter(({ met }) => met !== null);
const failed = rows.filter((row) => row.failed !== undefined);
const met = goals.filter((row) => row.met).length;
say(`${met} of ${goals.length} goals met, in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
if (json) console.log(JSON.stringify(rows, undefined, 2));
for (const { row, failed: why } of failed) console.error(`bench: ${row}: ${why}`);
if (failed.length > 0) process.exitCode = 1;

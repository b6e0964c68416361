// `npm run faults -- [names] [--quick] [--seed n] [--store redis|postgres] [--without switch] [--nightly] [--teeth | --no-teeth | --only-teeth]
// [--keep] [--json] [--limit seconds]`: breaks things around the engine and says what became of the jobs. See README.md.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../tools/lib/child.mjs';
import { ensureInstalled } from '../../tools/lib/ensure.mjs';
import { onExit } from '../bench/lib/cleanup.mjs';
import { machine } from '../bench/lib/machine.mjs';
import { SCENARIOS } from './scenarios/index.mjs';

/** Scenarios at once with --quick. */
const QUICK_LANES = 2;
/** A scenario is over after so many minutes, unless it says `minutes` of its own. */
const MINUTES = { quick: 4, full: 30 };
/** What is cleaned up behind a scenario, and behind the run, gets so long (ms). */
const END_MS = 30_000;

const { values: given, positionals: names } = readArguments();
const wanted = SCENARIOS.filter(({ id, nightly }) =>
  names.length > 0 ? names.includes(id) : !nightly || given.nightly,
);
const unknown = names.filter((name) => !SCENARIOS.some(({ id }) => id === name));
if (unknown.length > 0)
  fail(`there is no ${unknown.join(', ')}. Scenarios: ${SCENARIOS.map(({ id }) => id).join(', ')}`);

await ensureInstalled();
// Loaded late: on a fresh clone there is nothing to import yet.
const { Lab } = await import('./lib/lab.mjs');
const { guarded, within } = await import('./lib/guard.mjs');
const { startPostgres } = await import('./lib/servers.mjs');
const { takeLibrary } = await import('./lib/library.mjs');
const { SWITCHES } = await import('./lib/switches.mjs');
if (given.limit !== undefined && !(Number(given.limit) > 0)) fail('--limit takes seconds');
if (given.without && !(given.without in SWITCHES)) fail(`--without takes one of ${Object.keys(SWITCHES).join(', ')}`);

const seed = given.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given.seed);
const folder = mkdtempSync(join(tmpdir(), 'oqron-faults-'));
let keep = given.keep;
const forget = onExit(() => keep || rmSync(folder, { recursive: true, force: true }));
const say = (text) => given.json || console.log(text);

say(`faults · seed ${seed}${given.quick ? ' · quick' : ''}${given.without ? ` · without ${given.without}` : ''}`);
say(
  `  ${Object.entries({ ...machine(), load: machine().load[0].toFixed(1), commit: commit() })
    .map((pair) => pair.join(' '))
    .join(' · ')}`,
);
say(`  ledgers in ${folder}`);

const library = await takeLibrary(folder);
const clusters = [];
let shared;
let databases = 0;
const run = { library, folder, quick: given.quick, seed, say, without: given.without, postgres: database };

const rows = [];
let strays = 0;
// What nobody waits for any more, as in a scenario that was given up, fails the run and does not end it.
process.on('unhandledRejection', (error) => {
  strays += 1;
  say(`  a failure that nobody waited for: ${error?.stack ?? error}`);
});
const all = tasks();
// Scenarios mostly wait: for leases to end, for the next fault. What computes all the time runs alone, at the end.
await inLanes(
  all.filter(({ scenario }) => !scenario.alone),
  given.quick ? QUICK_LANES : 1,
);
await inLanes(
  all.filter(({ scenario }) => scenario.alone),
  1,
);
await within(END_MS, Promise.all(clusters.map((cluster) => cluster.stop())));
const failed = rows.filter(({ pass }) => !pass);
const passed = failed.length === 0 && strays === 0;
if (passed && !keep) rmSync(folder, { recursive: true, force: true });
else {
  keep = true;
  say(`  ledgers are kept in ${folder}`);
}
forget();
if (given.json) console.log(JSON.stringify(rows.map(published), undefined, 2));
else say(`${rows.length - failed.length} passed, ${failed.length} failed · seed ${seed}`);
// Nothing is left open on purpose; what a failed scenario left must not keep the run from ending.
process.exit(passed ? 0 : 1);

async function inLanes(list, lanes) {
  const left = [...list];
  const lane = async () => {
    for (let task = left.shift(); task; task = left.shift()) {
      const row = await perform(task);
      rows.push(row);
      say(line(row));
      for (const { invariant, text } of row.pass ? [] : row.violations) say(`      ${invariant}: ${text}`);
      for (const text of row.notes ?? []) say(`      ${text}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Scenarios by store, then the proofs that they would see what they look for. */
function tasks() {
  const stores = (scenario) =>
    scenario.stores.filter((store) => !given.store || store === given.store || store === 'memory');
  const plain = wanted.flatMap((scenario) => stores(scenario).map((store) => ({ scenario, store })));
  if (given.without || given['no-teeth'] || (given.quick && !given.teeth && !given['only-teeth'])) return plain;
  const teeth = wanted.flatMap((scenario) =>
    (scenario.teeth ?? [])
      .filter(({ store }) => !given.store || store === given.store)
      .map((tooth) => ({ scenario, store: tooth.store, tooth })),
  );
  return given['only-teeth'] ? teeth : [...plain, ...teeth];
}

async function perform({ scenario, store, tooth }) {
  const { id, title } = scenario;
  const name = tooth ? `${id} without ${tooth.without}` : id;
  const own = { ...run, ...(tooth && { without: tooth.without, scale: tooth.scale ?? 25 }) };
  const began = performance.now();
  const size = typeof scenario.size === 'function' ? scenario.size(store) : (scenario.size ?? {});
  const lab = new Lab(own, { name, store, size });
  say(
    `  ${name} ${store}: ${title} · ${Object.entries(lab.goal)
      .map(([key, value]) => `${key} >= ${value}`)
      .join(', ')}`,
  );
  const play = async () => (await scenario.load()).run(lab);
  const row = await guarded(lab, play, { limitMs: limitOf(scenario, tooth), endMs: END_MS });
  row.seconds = Math.round((performance.now() - began) / 100) / 10;
  return tooth ? bitten(row, tooth) : row;
}

/** With a protection taken out the scenario has to fail, and for the right reason. */
function bitten(row, { finds, says }) {
  const found = says
    ? row.violations.some(({ invariant, text }) => finds.includes(invariant) && says.test(text))
    : finds.some((invariant) => row.broken.includes(invariant));
  // What was given up, or fell over, has not come to look.
  const pass = found && row.broken.length > 0;
  const notes = [pass ? `it finds ${row.broken.join(', ')}` : `it finds nothing of ${finds.join(', ')}`];
  return { ...row, pass, notes, violations: pass ? [] : row.violations };
}

/** With a protection taken out a scenario is as small as with --quick, or smaller. */
function limitOf({ minutes = MINUTES }, tooth) {
  if (given.limit !== undefined) return Number(given.limit) * 1_000;
  return (given.quick || tooth ? minutes.quick : minutes.full) * 60_000;
}

/** A database of one cluster that all share, or a cluster of its own. */
async function database(own, settings) {
  if (own || settings) {
    const cluster = await startPostgres(settings);
    const made = await cluster.database('faults');
    return { ...made, stop: () => cluster.stop() };
  }
  shared ??= startPostgres().then((cluster) => {
    clusters.push(cluster);
    return cluster;
  });
  return (await shared).database(`faults_${(databases += 1)}`);
}

function line(row) {
  const { scenario, store, jobs, faults, extraStarts, explained, lost, stuck, p99RecoveryMs, pass, seconds } = row;
  const causes = Object.entries(row.figures?.causes ?? {}).map(([kind, count]) => `${kind} ${count}`);
  const cells = [
    `${pass ? 'ok  ' : 'FAIL'} ${scenario} ${store}`,
    `jobs ${jobs}`,
    `faults ${faults}`,
    `extra starts ${extraStarts}, explained ${explained}${causes.length > 0 ? ` (${causes.join(', ')})` : ''}`,
    `lost ${lost}`,
    `stuck ${stuck}`,
    `recovery p99 ${p99RecoveryMs ?? '-'} ms`,
    ...Object.entries(row.told ?? {}).map(([key, value]) => `${key} ${value}`),
    `${seconds} s`,
  ];
  return `  ${cells.join(' · ')}`;
}

function published({ scenario, store, jobs, faults, extraStarts, explained, lost, stuck, p99RecoveryMs, pass }) {
  return { scenario, store, jobs, faults, extraStarts, explained, lost, stuck, p99RecoveryMs, pass };
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

function readArguments() {
  const flags = ['quick', 'json', 'keep', 'nightly', 'teeth', 'no-teeth', 'only-teeth'];
  const options = Object.fromEntries([
    ...flags.map((flag) => [flag, { type: 'boolean', default: false }]),
    ...['seed', 'store', 'without', 'limit'].map((option) => [option, { type: 'string' }]),
  ]);
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(error.message);
  }
}

function fail(text) {
  console.error(`faults: ${text}`);
  process.exit(2);
}

import { mutations } from './mutations.mjs';
import { simulate } from './simulate.mjs';

export { mutations, simulate };

/** A protection that is taken out has to be missed within so many seeds, each of so many virtual seconds. */
const MUTANT_SEEDS = 20;
const MUTANT_SECONDS = 800;

/**
 * Runs seeds one after another until `failures` of them have failed; answers what they counted together.
 *
 * @param {{ from?: number, seeds?: number, seconds?: number, failures?: number }} options
 */
export async function simulateSeeds({ from = 1, seeds = 200, seconds = 2_000, failures = 5 } = {}) {
  const runs = [];
  const failed = [];
  for (let seed = from; seed < from + seeds && failed.length < failures; seed += 1) {
    const run = await simulate(seed, { seconds });
    const { jobs, starts, extraStarts, explained, lost, stuck, faults, recoveries } = run;
    runs.push({ seeds: 1, seconds, jobs, starts, extraStarts, explained, lost, stuck, faults, recoveries });
    if (run.breaches.length > 0) failed.push({ ...run, recoveries: [] });
  }
  return { ...addUp(runs), failed };
}

/** Several counts as one. `recoveries`: from the end of a lease until it was taken back, also while nobody was there (ms). */
export function addUp(counts) {
  const total = { seeds: 0, seconds: 0, jobs: 0, starts: 0, extraStarts: 0, explained: 0, lost: 0, stuck: 0 };
  const faults = {};
  for (const count of counts) {
    for (const what of Object.keys(total)) total[what] += count[what];
    for (const [kind, n] of Object.entries(count.faults)) faults[kind] = (faults[kind] ?? 0) + n;
  }
  const recoveries = counts.flatMap((count) => count.recoveries);
  return { ...total, faults, recoveries, failed: counts.flatMap(({ failed = [] }) => failed) };
}

/** The first seed that notices a mutation, and the rule that was broken; nothing when none does. */
export async function notice(mutation) {
  for (let seed = 1; seed <= MUTANT_SEEDS; seed += 1) {
    const { breaches } = await simulate(seed, { seconds: MUTANT_SECONDS }, mutation);
    const [rule] = (breaches[0] ?? '').split(' ');
    if (mutation.by.includes(rule)) return { seed, rule, breach: breaches[0] };
  }
  return undefined;
}

/** What a run that failed says: enough to run it again. */
export function explain({ seed, options, breaches }) {
  return [`seed ${seed}: ${breaches.join('\n  ')}`, `options: ${JSON.stringify(options)}`].join('\n');
}

import { availableParallelism } from 'node:os';
import { explain, mutations, notice } from '../simulation/index.mjs';
import { sideBySide } from '../simulation/side-by-side.mjs';

/**
 * Engines on the memory store in virtual time: every seed is a fleet in which everything goes wrong, and a seed that
 * failed fails again. Then what protects them is taken out, one after another: each has to be missed.
 */
export async function run(lab) {
  const from = 1 + Math.floor(lab.random.next() * 1e6);
  // `npm test` runs 200 seeds, always the same ones.
  const seeds = lab.quick ? Math.ceil(lab.goal.seeds / 5) : lab.goal.seeds;
  const end = new AbortController();
  lab.atEnd(() => end.abort(), 'the simulation');
  const { signal } = end;
  const total = await sideBySide({ from, seeds, seconds: 2_000, processes: availableParallelism(), signal });
  const violations = total.failed.map((failed) => ({ invariant: 'simulation', text: explain(failed) }));
  let noticed = 0;
  for (const [name, mutation] of Object.entries(mutations)) {
    if (await notice(mutation)) noticed += 1;
    else violations.push({ invariant: 'simulation', text: `nobody notices that ${name}` });
  }
  return {
    scenario: lab.name,
    store: lab.store,
    jobs: total.jobs,
    faults: Object.values(total.faults).reduce((sum, n) => sum + n, 0),
    extraStarts: total.extraStarts,
    explained: total.explained,
    lost: total.lost,
    stuck: total.stuck,
    // Of virtual time, most of it while nobody was there to recover anything: no figure to publish.
    p99RecoveryMs: null,
    pass: violations.length === 0,
    broken: violations.length === 0 ? [] : ['simulation'],
    violations,
    told: {
      seeds: `${from} to ${from + seeds - 1}`,
      mutations: `${noticed} of ${Object.keys(mutations).length} noticed`,
    },
  };
}

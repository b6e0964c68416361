import { beforeAll, describe, expect, it } from '@jest/globals';
import { explain } from '../faults/simulation/index.mjs';
import { sideBySide } from '../faults/simulation/side-by-side.mjs';
import { build } from '../support/build.js';

/** For a longer hunt: `SIMULATION_FROM=1000 SIMULATION_SEEDS=500`, or `node test/faults/simulation/run.mjs`. */
const { SIMULATION_FROM = 1, SIMULATION_SEEDS = 200 } = process.env;
const FROM = Number(SIMULATION_FROM);
const SEEDS = Number(SIMULATION_SEEDS);

describe('a fleet of engines in virtual time, in which everything goes wrong', () => {
  // In processes of their own: here every access to a global costs, and the engine makes many.
  beforeAll(build, 120_000);

  it(`keeps every promise (${SEEDS} seeds of 2 000 s from ${FROM})`, async () => {
    const total = await sideBySide({ from: FROM, seeds: SEEDS, seconds: 2_000, processes: 2, failures: 1 });
    expect(total.failed.map(explain)).toEqual([]);
    expect(total).toMatchObject({ seeds: SEEDS, lost: 0, stuck: 0, explained: total.extraStarts });
    // It would keep them too if nothing happened.
    expect(total.jobs).toBeGreaterThan(SEEDS * 50);
    expect(total.extraStarts).toBeGreaterThan(SEEDS * 10);
    expect(Object.keys(total.faults).toSorted()).toEqual([
      ...['crash', 'cut', 'deaf', 'freeze', 'late request', 'lost reply', 'lost request', 'poison', 'reset'],
      ...['slow call', 'stop', 'storm'],
    ]);
  }, 300_000);
});

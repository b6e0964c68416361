// `node test/faults/simulation/run.mjs [--from 1] [--seeds 200] [--seconds 2000] [--processes n] [--json]`: runs seeds on
// what is built, and prints every one that fails. Exit code 1 when one did.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { explain } from './index.mjs';
import { sideBySide } from './side-by-side.mjs';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '2000' },
    processes: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
});

const number = (name) => Number(values[name]);
const began = performance.now();
const { failed, recoveries, ...total } = await sideBySide({
  from: number('from'),
  seeds: number('seeds'),
  seconds: number('seconds'),
  processes: number('processes'),
});
if (values.json) console.log(JSON.stringify({ ...total, failed }));
else {
  const longest = recoveries.reduce((most, ms) => Math.max(most, ms), 0);
  for (const run of failed) console.log(explain(run));
  console.log({
    ...total,
    longestRecoveryMs: longest,
    realSeconds: Math.round((performance.now() - began) / 100) / 10,
  });
}
process.exitCode = failed.length === 0 ? 0 : 1;

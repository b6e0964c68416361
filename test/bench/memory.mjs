// The memory store: how many no-op jobs a process takes from `add` to the settled end, and what they leave behind.
// Each figure comes from a process of its own, so that no run inherits another's heap.
import { fileURLToPath } from 'node:url';
import { startNode } from './lib/cleanup.mjs';

const CHILD = fileURLToPath(new URL('./memory-child.mjs', import.meta.url));
/** Of all jobs per second, by how they are added. */
const THROUGHPUT_GOALS = { add: 150_000, addBulk: 100_000 };
/** Heap that a million jobs may leave beyond the retained history (MiB): noise of the collector, not growth. */
const GROWTH_GOAL_MIB = 2;

export async function* memory({ quick, only }) {
  const wanted = (row) => only === undefined || row.includes(only);
  const rounds = quick ? 3 : 5;
  for (const [how, row] of [
    ['add', 'memory: end to end, concurrency 100, single adds with 100 in flight'],
    ['addBulk', 'memory: end to end, concurrency 100, addBulk of 1 000'],
  ]) {
    if (!wanted(row)) continue;
    const jobs = quick ? 100_000 : 300_000;
    const figures = [];
    for (let i = 0; i < rounds; i += 1)
      figures.push(await measure({ what: 'throughput', how, jobs, concurrency: 100 }));
    const { perSecond, cpuMicros } = medianOf(figures, 'perSecond');
    const all = figures.map((figure) => figure.perSecond);
    yield {
      row,
      target: 'memory',
      unit: 'jobs/s',
      ours: perSecond,
      spread: [Math.min(...all), Math.max(...all)],
      goal: THROUGHPUT_GOALS[how],
      met: perSecond >= THROUGHPUT_GOALS[how],
      note: `${rounds} runs of ${jobs.toLocaleString('en-US')} jobs, ${cpuMicros.toFixed(1)} us of CPU per job`,
    };
  }
  const jobs = quick ? 200_000 : 1_000_000;
  const row = `memory: heap growth over ${jobs.toLocaleString('en-US')} jobs beyond the retained history`;
  if (!wanted(row)) return;
  const { growthMiB, keptMiB, kept } = await measure({ what: 'heap', jobs });
  yield {
    row,
    target: 'memory',
    unit: 'MiB',
    ours: growthMiB,
    goal: GROWTH_GOAL_MIB,
    met: growthMiB <= GROWTH_GOAL_MIB,
    note: `the history itself: ${kept.toLocaleString('en-US')} jobs in ${keptMiB.toFixed(1)} MiB`,
  };
}

function medianOf(figures, key) {
  return figures.toSorted((a, b) => a[key] - b[key])[figures.length >> 1];
}

function measure(task) {
  return new Promise((resolve, reject) => {
    const child = startNode(CHILD, [JSON.stringify(task)], { execArgv: ['--expose-gc'] });
    child.once('message', resolve);
    child.once('error', reject);
    child.once('exit', (code) => code !== 0 && reject(new Error(`the measuring process ended with ${code}`)));
  });
}

// Two sides in turn, A B B A A B ..., so that what the machine does meanwhile hits both alike.
import { loadavg } from 'node:os';
import { median, range } from './stats.mjs';

export async function inPairs(pairs, measure) {
  const runs = { ours: [], peer: [] };
  for (let i = 0; i < pairs; i += 1) {
    for (const who of i % 2 === 0 ? ['ours', 'peer'] : ['peer', 'ours']) {
      const load = loadavg()[0];
      runs[who].push({ pair: i + 1, load, ...(await measure(who)) });
    }
  }
  return runs;
}

/**
 * One row of the table: `of` takes the figure out of a run. The ratio ours / peer is the median of the pairs' ratios,
 * its spread their smallest and largest. `atLeast` and `atMost` bound the ratio, `oursAtMost` our own figure.
 */
export function compare({ row, unit, of, atLeast, atMost, oursAtMost, cpu }, runs) {
  const ours = runs.ours.map(of);
  const peer = runs.peer.map(of);
  const ratios = ours.map((value, i) => value / peer[i]);
  const ratio = median(ratios);
  const goals = [
    ...(atLeast === undefined ? [] : [{ text: `>= ${atLeast}x`, met: ratio >= atLeast }]),
    ...(atMost === undefined ? [] : [{ text: `<= ${atMost}x`, met: ratio <= atMost }]),
    ...(oursAtMost === undefined ? [] : [{ text: `ours <= ${oursAtMost}`, met: median(ours) <= oursAtMost }]),
  ];
  return {
    row,
    unit,
    ours: median(ours),
    peer: median(peer),
    ratio,
    spread: range(ratios),
    oursSpread: range(ours),
    peerSpread: range(peer),
    ...(goals.length > 0 && { goal: goals.map(({ text }) => text).join(', '), met: goals.every(({ met }) => met) }),
    ...(cpu && { cpu: { ours: cpuOf(runs.ours), peer: cpuOf(runs.peer) } }),
    runs,
  };
}

/** CPU per job (us): a busy machine stretches the clock much more than these. */
function cpuOf(runs) {
  return { node: median(runs.map((run) => run.nodeCpu)), server: median(runs.map((run) => run.serverCpu)) };
}

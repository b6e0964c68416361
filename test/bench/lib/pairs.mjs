// Sides in turn, A B B A A B ... (or A B C C B A ...), so that what the machine does meanwhile hits all alike.
import { loadavg } from 'node:os';
import { median, range } from './stats.mjs';

/** Each side once a round; answers the runs by side. */
export async function inTurn(rounds, sides, measure) {
  const runs = Object.fromEntries(sides.map((who) => [who, []]));
  for (let i = 0; i < rounds; i += 1) {
    for (const who of i % 2 === 0 ? sides : sides.toReversed()) {
      const load = loadavg()[0];
      runs[who].push({ pair: i + 1, load, ...(await measure(who)) });
    }
  }
  return runs;
}

/**
 * One row of the table for each peer, by the `runs` of all sides. With `best`, a goal is held against the best of the
 * peers alone: the one whose median is the best over all pairs. The others are told without a goal.
 */
export function compareAll({ best = false, ...row }, ours, peers, runs) {
  const told = peers.filter((peer) => row.of(runs[ours][0]) !== undefined && row.of(runs[peer][0]) !== undefined);
  const informative = { ...row, atLeast: undefined, atMost: undefined };
  const first = best ? bestOf(row, told, runs) : undefined;
  return told.map((peer) => ({
    peerName: peer,
    ...(best && { best: peer === first }),
    ...compare(!best || peer === first ? row : informative, peer, { ours: runs[ours], peer: runs[peer] }),
  }));
}

/** What is to be at most something is the better the smaller it is. */
function bestOf({ of, atMost }, peers, runs) {
  const medians = peers.map((peer) => median(runs[peer].map(of)));
  const wanted = atMost === undefined ? Math.max(...medians) : Math.min(...medians);
  return peers[medians.indexOf(wanted)];
}

/**
 * `of` takes the figure out of a run. The ratio ours / peer is the median of the pairs' ratios, its spread their smallest
 * and largest. `atLeast` and `atMost` bound the ratio (a number, or one by peer), `oursAtMost` our own figure.
 */
function compare({ row, unit, of, oursAtMost, cpu, ...goal }, peerName, runs) {
  const ours = runs.ours.map(of);
  const peer = runs.peer.map(of);
  const ratios = ours.map((value, i) => value / peer[i]);
  const ratio = median(ratios);
  const boundOf = (bound) => (typeof bound === 'object' ? bound[peerName] : bound);
  const [atLeast, atMost] = [boundOf(goal.atLeast), boundOf(goal.atMost)];
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
    pairs: ratios.length,
    oursSpread: range(ours),
    peerSpread: range(peer),
    ...(goals.length > 0 && { goal: goals.map(({ text }) => text).join(', '), met: goals.every(({ met }) => met) }),
    ...(cpu && { cpu: { ours: cpuOf(runs.ours), peer: cpuOf(runs.peer) } }),
    runs,
  };
}

/** CPU per job (us): a busy machine stretches the clock much more than these. */
function cpuOf(runs) {
  const of = (key) => (runs[0][key] === undefined ? undefined : median(runs.map((run) => run[key])));
  return { node: of('nodeCpu'), server: of('serverCpu') };
}

// We against ourselves: a long history, a long queue, and how cost grows with other things.
import { compareSides } from './lib/bench.mjs';
import { ScaleBench } from './lib/scale-bench.mjs';
import { ON_POSTGRES, ON_REDIS } from './lib/stores.mjs';

const MANY = 1_000_000;
const QUICK_MANY = 200_000;
/** Kept by default, and what a short queue has. */
const FEW = 10_000;
/** What a row is held against. */
const WITH_FEW = `with ${told(FEW)}`;
const ONE_QUEUE = 'one queue';
const SMALL = '120 bytes';
const HUNDRED = 'concurrency 100';
const KIB = 1024;

export async function* scale({ quick, ...options }) {
  for (const [store, { open, sides }] of [
    ['Redis', ON_REDIS],
    ['PostgreSQL', ON_POSTGRES],
  ]) {
    const { told: _defaults, ...ours } = sides.oqronkit;
    yield* compareSides({
      target: 'scale',
      server: await open(options),
      sides: Object.fromEntries(['oqronkit', WITH_FEW, ONE_QUEUE, SMALL, HUNDRED].map((name) => [name, ours])),
      packages: [],
      measurements: (bench) => rowsOf(bench, store, quick),
      make: (given) => new ScaleBench(given),
      quick,
      ...options,
    });
  }
}

function rowsOf(bench, store, quick) {
  const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond };
  const many = quick ? QUICK_MANY : MANY;
  const claims = { shallow: FEW, rounds: quick ? 2 : 5 };
  return [
    ...(quick ? [] : growth(bench, store, perSecond)),
    {
      peers: [WITH_FEW],
      rows: [{ ...perSecond, row: `${store}: drain, ${told(many)} finished jobs kept`, atLeast: 0.85 }],
      measure: (who, plan) => bench.drainWith(who === WITH_FEW ? FEW : many, plan),
    },
    {
      peers: [WITH_FEW],
      rows: [{ ...perSecond, row: `${store}: claim, ${told(many)} jobs waiting`, atLeast: 0.7 }],
      measure: (who) => bench.claimFrom(who === WITH_FEW ? FEW : many, claims),
    },
  ];
}

/** Without goals: they tell how cost grows. */
function growth(bench, store, perSecond) {
  const against = (peer, what, usual, other, measure) => ({
    peers: [peer],
    rows: [{ ...perSecond, cpu: true, row: `${store}: ${what}` }],
    measure: (who, plan) => measure(who, plan, who === peer ? usual : other),
    pairs: 3,
  });
  const drain = (who, plan, options) => bench.drain(who, plan, { concurrency: 100, ...options });
  const add = (who, plan, options) => bench.add(who, plan, options);
  return [
    against(HUNDRED, 'drain, concurrency 1 000', {}, { concurrency: 1_000 }, drain),
    against(ONE_QUEUE, 'drain, 10 queues of concurrency 10', {}, { queues: 10, concurrency: 10 }, drain),
    against(SMALL, 'add, payload of 1 KiB', {}, { bytes: KIB }, add),
    against(SMALL, 'add, payload of 10 KiB', {}, { bytes: 10 * KIB }, add),
    against(SMALL, 'drain, payload of 1 KiB', {}, { bytes: KIB }, drain),
    against(SMALL, 'drain, payload of 10 KiB', {}, { bytes: 10 * KIB }, drain),
  ];
}

function told(number) {
  return number.toLocaleString('en-US').replaceAll(',', ' ');
}

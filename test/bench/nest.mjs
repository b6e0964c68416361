// The Nest face against the engine that it stands on: a plain handler, and one with a guard, a pipe and an interceptor.
import { createRequire } from 'node:module';
import { compareSides } from './lib/bench.mjs';
import { openRedis } from './lib/redis-server.mjs';
import { median, range } from './lib/stats.mjs';

const CONCURRENCY = 100;
const KEEP = 10_000;
const side = (face) => ({ side: 'nest', options: { face, concurrency: CONCURRENCY, keep: KEEP } });
const SIDES = { nest: side('nest'), engine: side('engine'), enhanced: side('enhanced') };
/** What the enhancers may cost is not a matter of the store. */
const ON_REDIS = { nest: SIDES.nest, engine: SIDES.engine };
const CPU = ': CPU';
const ENHANCERS = 'a guard, a pipe, an interceptor';
/** A backlog is in the memory of the process that is measured: a larger one measures the collector. */
const BACKLOG_SECONDS = 1;

export async function* nest({ quick, appendonly, ...options }) {
  const about = { nest: createRequire(import.meta.url)('@nestjs/core/package.json').version };
  const common = { target: 'nest', packages: [], quick, ...options };
  if (!quick) {
    const onMemory = { server: memoryOf(about), sides: SIDES, measurements: rowsOnMemory };
    for await (const row of compareSides({ ...common, ...onMemory })) {
      yield row;
      if (row.row?.endsWith(CPU) && row.failed === undefined) yield costOf(row);
    }
  }
  const { about: redis, ...server } = await openRedis({ appendonly });
  const onRedis = {
    server: { ...server, about: { ...about, ...redis } },
    sides: ON_REDIS,
    measurements: (bench) => rowsOnRedis(bench, quick),
  };
  yield* compareSides({ ...common, ...onRedis });
}

const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond, cpu: true };

function rowsOnMemory(bench) {
  const endToEnd = `Nest on memory: add + process, concurrency ${CONCURRENCY}`;
  const drain = `Nest on memory: drain, concurrency ${CONCURRENCY}`;
  const of = ({ nodeCpu }) => nodeCpu;
  return [
    {
      rows: [
        { ...perSecond, row: endToEnd, atLeast: { engine: 0.85 } },
        { row: `${endToEnd}${CPU}`, unit: 'us/job', of },
      ],
      measure: (who, plan) => bench.endToEndInOne(who, plan, CONCURRENCY),
    },
    {
      rows: [
        { ...perSecond, row: drain, atLeast: { engine: 0.85 } },
        { row: `${drain}${CPU}`, unit: 'us/job', of },
      ],
      measure: (who, plan) => bench.drainInOne(who, { ...plan, seconds: BACKLOG_SECONDS }, CONCURRENCY),
    },
  ];
}

function rowsOnRedis(bench, quick) {
  const goal = { ...perSecond, atLeast: { engine: 0.9 } };
  const drain = {
    rows: [{ ...goal, row: `Nest on Redis: drain, concurrency ${CONCURRENCY}` }],
    measure: (who, plan) => bench.drain(who, plan, { concurrency: CONCURRENCY, keep: KEEP }),
  };
  if (quick) return [drain];
  return [
    {
      rows: [{ ...goal, row: `Nest on Redis: add + process, concurrency ${CONCURRENCY}` }],
      measure: (who, plan) => bench.endToEnd(who, plan),
    },
    drain,
  ];
}

/** What the other side costs more, or less, in the pairs of a row about CPU. */
function costOf({ row, target, peerName, runs }) {
  const more = runs.peer.map(({ nodeCpu }, i) => nodeCpu - runs.ours[i].nodeCpu);
  const [costs, what] = peerName === 'enhanced' ? [more, ENHANCERS] : [more.map((us) => -us), 'the Nest face'];
  return { row: `${row} that ${what} cost`, target, unit: 'us/job', ours: median(costs), spread: range(costs) };
}

/** Each process has its own, and it ends with it. */
const memoryOf = (about) => ({
  about,
  open: async () => undefined,
  clear: async () => undefined,
  totals: async () => ({ commands: {} }),
  close: async () => undefined,
});

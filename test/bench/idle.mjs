// What a process costs that consumes many queues in which nothing happens.
import { compareSides } from './lib/bench.mjs';
import { ON_POSTGRES, ON_REDIS } from './lib/stores.mjs';

const QUEUES = 100;
/** Longer than the longest sleep of ours, which is 10 s. */
const SECONDS = 30;
const QUICK_SECONDS = 11;

export async function* idle({ quick, ...options }) {
  const common = { target: 'idle', quick, ...options };
  const redis = { sides: ON_REDIS.sides, packages: ON_REDIS.packages };
  const onRedis = (bench) =>
    rowsOf(bench, quick, {
      store: 'Redis',
      what: 'client commands',
      peers: quick ? ['bullmq'] : ['bullmq', 'bee-queue'],
      goal: { atMost: { bullmq: 0.5 } },
      connections: { oursAtMost: 3 },
    });
  yield* compareSides({ ...common, ...redis, server: await ON_REDIS.open(options), measurements: onRedis });
  const server = await ON_POSTGRES.open(options);
  const postgres = { sides: ON_POSTGRES.sides, packages: ON_POSTGRES.packages };
  const onPostgres = (bench) => {
    // Only where statements are counted, which is on a server of our own: some peers take two connections for a queue.
    if (!server.counts) return [];
    // The goal is our own figure, whoever stands beside it.
    const peers = quick ? ON_POSTGRES.waking.slice(0, 1) : ON_POSTGRES.waking;
    return rowsOf(bench, quick, { store: 'PostgreSQL', what: 'statements', peers, goal: { oursAtMost: 2 } });
  };
  yield* compareSides({ ...common, ...postgres, server, measurements: onPostgres });
}

function rowsOf(bench, quick, { store, what, peers, goal, connections }) {
  const queues = `${store}: ${QUEUES} idle queues, one process`;
  return [
    {
      peers,
      rows: [
        { row: `${queues}: ${what}`, unit: 'per s', of: (run) => run.sentPerSecond, ...goal },
        { row: `${queues}: connections`, unit: '', of: (run) => run.connections, ...connections },
        { row: `${queues}: CPU of the process`, unit: 'us/s', of: (run) => run.nodeCpuPerSecond },
      ],
      measure: (who) => bench.idle(who, { queues: QUEUES, seconds: quick ? QUICK_SECONDS : SECONDS }),
      // It is counted, not timed.
      pairs: 1,
    },
  ];
}

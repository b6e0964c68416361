// How long a job takes from `add` to the start of its handler in another process, on a queue that was idle.
import { compareSides } from './lib/bench.mjs';
import { ON_POSTGRES, ON_REDIS } from './lib/stores.mjs';

/** So that the p99 of a run is the fifth or tenth of its slowest jobs, not the slowest. */
const QUICK_JOBS = 400;
const JOBS = 1_000;

export async function* latency({ quick, ...options }) {
  const jobs = quick ? QUICK_JOBS : JOBS;
  const common = { target: 'latency', quick, ...options };
  const redis = { sides: ON_REDIS.sides, packages: ON_REDIS.packages };
  const onRedis = (bench) => rowsOf({ bench, jobs, store: 'Redis', peers: ['bullmq', 'bee-queue'], p50: 0.9, p99: 1 });
  yield* compareSides({ ...common, ...redis, server: await ON_REDIS.open(options), measurements: onRedis });
  const postgres = { sides: ON_POSTGRES.sides, packages: ON_POSTGRES.packages };
  const peers = ON_POSTGRES.waking;
  const onPostgres = (bench) => rowsOf({ bench, jobs, store: 'PostgreSQL', peers, best: true, p50: 1 });
  yield* compareSides({ ...common, ...postgres, server: await ON_POSTGRES.open(options), measurements: onPostgres });
}

function rowsOf({ bench, jobs, store, peers, best = false, p50, p99 }) {
  const idle = `${store}: add to start, idle queue`;
  const one = `${store}: one job at a time`;
  // On Redis this is the peer that everything is held against.
  const bound = (most) => most !== undefined && { atMost: best ? most : { bullmq: most } };
  return [
    {
      peers,
      rows: [
        { row: `${idle}, p50`, unit: 'ms', of: (run) => run.p50, best, ...bound(p50) },
        { row: `${idle}, p99`, unit: 'ms', of: (run) => run.p99, ...bound(p99) },
        ...(store === 'Redis'
          ? [{ row: `${one}: Redis commands`, unit: 'per job', of: (run) => run.commandsPerJob }]
          : [{ row: `${one}: statements`, unit: 'per job', of: (run) => run.statementsPerJob }]),
        { row: `${one}: CPU of the server`, unit: 'us/job', of: (run) => run.serverCpu },
      ],
      measure: (who) => bench.latency(who, jobs),
    },
  ];
}

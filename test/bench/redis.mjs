// Redis: we against BullMQ on one server.
import { compareSides } from './lib/bench.mjs';
import { openRedis } from './lib/redis-server.mjs';

const SIDES = { ours: 'oqronkit', peer: 'bullmq' };

export async function* redis({ appendonly, quick, ...options }) {
  const server = await openRedis({ appendonly });
  const measurements = (bench) => rowsOf(bench, quick);
  yield* compareSides({ target: 'redis', server, sides: SIDES, measurements, quick, ...options });
}

function rowsOf(bench, quick) {
  const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond, cpu: true };
  const endToEnd = 'add + process';
  const idle = 'idle queue, add to start';
  return [
    {
      rows: [{ ...perSecond, row: 'add, 100 in flight', atLeast: 2.5 }],
      measure: (who, plan) => bench.add(who, plan),
    },
    {
      rows: [{ ...perSecond, row: 'addBulk of 1 000' }],
      measure: (who, plan) => bench.addBulk(who, plan),
    },
    ...(quick ? [100, 1] : [100, 10, 1]).map((concurrency) => ({
      rows: [{ ...perSecond, row: `drain, concurrency ${concurrency}`, ...(concurrency === 100 && { atLeast: 2.5 }) }],
      measure: (who, plan) => bench.drain(who, plan, concurrency),
    })),
    {
      rows: [
        { ...perSecond, row: `${endToEnd}, 2 processes, concurrency 100` },
        { row: `${endToEnd}: Redis commands`, unit: 'per job', of: (run) => run.commandsPerJob, oursAtMost: 12 },
        { row: `${endToEnd}: CPU of the Redis server`, unit: 'us/job', of: (run) => run.serverCpu },
        { row: `${endToEnd}: CPU of both Node processes`, unit: 'us/job', of: (run) => run.nodeCpu },
      ],
      measure: (who, plan) => bench.endToEnd(who, plan),
    },
    {
      rows: [
        { row: `${idle} of the handler, p50`, unit: 'ms', of: (run) => run.p50, atMost: 1 },
        { row: `${idle} of the handler, p99`, unit: 'ms', of: (run) => run.p99 },
        { row: 'one job at a time: Redis commands', unit: 'per job', of: (run) => run.commandsPerJob },
        { row: 'one job at a time: CPU of the Redis server', unit: 'us/job', of: (run) => run.serverCpu },
      ],
      measure: (who) => bench.latency(who, quick ? 100 : 400),
    },
    {
      rows: [
        { row: 'memory of Redis per waiting job', unit: 'bytes', of: (run) => run.waiting },
        { row: 'memory of Redis per completed job', unit: 'bytes', of: (run) => run.completed },
      ],
      measure: (who) => bench.memory(who, quick ? 10_000 : 30_000),
      // It depends on nothing that another pair would change.
      pairs: quick ? 1 : 2,
    },
  ];
}

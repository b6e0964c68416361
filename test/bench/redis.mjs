// Redis: we against BullMQ and bee-queue on one server.
import { compareSides } from './lib/bench.mjs';
import { ON_REDIS } from './lib/stores.mjs';

const ALL = ['bullmq', 'bee-queue'];

export async function* redis({ quick, ...options }) {
  const { sides, packages, open } = ON_REDIS;
  const server = await open(options);
  const measurements = (bench) => rowsOf(bench, quick);
  yield* compareSides({ target: 'redis', server, sides, packages, measurements, quick, ...options });
}

function rowsOf(bench, quick) {
  const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond, cpu: true };
  const endToEnd = 'Redis: add + process';
  const few = (concurrency, always, ahead) => ({
    peers: ['bullmq'],
    rows: [
      {
        ...perSecond,
        row: `Redis: drain, concurrency ${concurrency}, prefetch: false`,
        ours: 'no prefetch',
        atLeast: always,
      },
      { ...perSecond, row: `Redis: drain, concurrency ${concurrency}, prefetch: 'auto'`, atLeast: ahead },
    ],
    measure: (who, plan) => bench.drain(who, plan, { concurrency }),
  });
  return [
    {
      peers: ALL,
      rows: [{ ...perSecond, row: 'Redis: add, 100 in flight', atLeast: { bullmq: 3 } }],
      measure: (who, plan) => bench.add(who, plan),
    },
    {
      peers: quick ? ['bullmq'] : ALL,
      rows: [{ ...perSecond, row: 'Redis: addBulk of 1 000', atLeast: { bullmq: 4 } }],
      measure: (who, plan) => bench.addBulk(who, plan),
    },
    {
      peers: ALL,
      rows: [{ ...perSecond, row: 'Redis: drain, concurrency 100', atLeast: { bullmq: 3.5 } }],
      measure: (who, plan) => bench.drain(who, plan, { concurrency: 100 }),
    },
    few(10, 2, 3),
    few(1, 1.5, 4),
    {
      peers: ['bullmq'],
      rows: [
        { row: 'Redis: memory per waiting job', unit: 'bytes', of: (run) => run.waiting, atMost: 0.8 },
        { row: 'Redis: memory per completed job', unit: 'bytes', of: (run) => run.completed, atMost: 0.8 },
      ],
      measure: (who) => bench.memory(who, 30_000),
      // It depends on nothing that another pair would change.
      pairs: quick ? 1 : 2,
    },
    ...(quick
      ? []
      : [
          {
            peers: ['bullmq'],
            rows: [
              { ...perSecond, row: `${endToEnd}, 2 processes, concurrency 100` },
              { row: `${endToEnd}: Redis commands`, unit: 'per job', of: (run) => run.commandsPerJob, oursAtMost: 12 },
              { row: `${endToEnd}: CPU of the Redis server`, unit: 'us/job', of: (run) => run.serverCpu },
              { row: `${endToEnd}: CPU of both Node processes`, unit: 'us/job', of: (run) => run.nodeCpu },
            ],
            measure: (who, plan) => bench.endToEnd(who, plan),
          },
        ]),
  ];
}

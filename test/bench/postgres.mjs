// PostgreSQL: we against graphile-worker, pg-boss and BullMQ on one server.
import { compareSides } from './lib/bench.mjs';
import { ON_POSTGRES } from './lib/stores.mjs';

const ADDING = ['graphile', 'pg-boss', 'bullmq pg'];

export async function* postgres({ quick, ...options }) {
  const { sides, packages, open } = ON_POSTGRES;
  const server = await open(options);
  const measurements = (bench) => rowsOf(bench, quick);
  yield* compareSides({ target: 'postgres', server, sides, packages, measurements, quick, ...options });
}

function rowsOf(bench, quick) {
  const perSecond = { unit: 'jobs/s', of: (run) => run.perSecond, cpu: true };
  const endToEnd = 'PostgreSQL: add + process';
  return [
    {
      peers: ADDING,
      rows: [{ ...perSecond, row: 'PostgreSQL: add, 100 in flight', best: true, atLeast: 12 }],
      measure: (who, plan) => bench.add(who, plan),
    },
    {
      peers: ADDING,
      rows: [{ ...perSecond, row: 'PostgreSQL: addBulk of 1 000', best: true, atLeast: 1.2 }],
      measure: (who, plan) => bench.addBulk(who, plan),
    },
    {
      // It deletes what is done, and cannot do otherwise: on neither side anything stays.
      peers: ['graphile tuned', 'graphile'],
      rows: [
        {
          ...perSecond,
          row: 'PostgreSQL: drain, concurrency 100, nothing kept',
          atLeast: { 'graphile tuned': 1.6, graphile: 10 },
        },
      ],
      measure: (who, plan) => bench.drain(who, plan, { concurrency: 100, keep: 0 }),
    },
    {
      // History on both sides; graphile-worker, beside it, still keeps none.
      peers: ['pg-boss', 'bullmq pg', ...(quick ? [] : ['graphile tuned'])],
      rows: [{ ...perSecond, row: 'PostgreSQL: drain, concurrency 100', atLeast: { 'pg-boss': 4, 'bullmq pg': 12 } }],
      measure: (who, plan) => bench.drain(who, plan, { concurrency: 100 }),
    },
    ...(quick
      ? []
      : [
          {
            peers: ['graphile tuned', 'pg-boss notify', 'bullmq pg'],
            rows: [
              { ...perSecond, row: `${endToEnd}, 2 processes, concurrency 100` },
              { row: `${endToEnd}: statements`, unit: 'per job', of: (run) => run.statementsPerJob },
              { row: `${endToEnd}: CPU of the server`, unit: 'us/job', of: (run) => run.serverCpu },
              { row: `${endToEnd}: CPU of both Node processes`, unit: 'us/job', of: (run) => run.nodeCpu },
            ],
            measure: (who, plan) => bench.endToEnd(who, plan),
          },
        ]),
  ];
}

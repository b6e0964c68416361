// The servers that targets measure on, and who takes part on each.
import { node22 } from './node22.mjs';
import { openPostgres } from './postgres-server.mjs';
import { openRedis } from './redis-server.mjs';

const BULLMQ = 'history bounded by count, no metrics, no listeners of events';
const PG_BOSS = 'two fetches of 50 jobs at concurrency 100, burstWhenBatchFull, perJobResults';

/** `told` = the options that matter, in words. */
export const ON_REDIS = {
  sides: {
    oqronkit: { side: 'oqronkit', options: { mode: 'redis' }, told: 'defaults' },
    'no prefetch': {
      side: 'oqronkit',
      options: { mode: 'redis', prefetch: false },
      told: 'oqronkit with prefetch: false',
    },
    bullmq: { side: 'bullmq', told: BULLMQ },
    'bee-queue': {
      side: 'bee-queue',
      told: 'no events, no jobs kept by producers, a look for stalled jobs every 2.5 s',
    },
  },
  packages: ['bullmq', 'bee-queue'],
  open: ({ appendonly }) => openRedis({ appendonly }),
};

export const ON_POSTGRES = {
  sides: {
    oqronkit: { side: 'oqronkit', options: { mode: 'db' }, told: 'defaults' },
    'graphile tuned': {
      side: 'graphile-worker',
      options: { tuned: true },
      told: 'localQueue of 500, completeJobBatchDelay and failJobBatchDelay 0, concurrency + 2 connections',
    },
    graphile: { side: 'graphile-worker', told: 'defaults, concurrency + 2 connections' },
    'pg-boss': { side: 'pg-boss', told: PG_BOSS },
    // With LISTEN and NOTIFY: without it a job waits for the next poll, and with it each add costs more.
    'pg-boss notify': { side: 'pg-boss', options: { notify: true }, told: `${PG_BOSS}, useListenNotify` },
    'bullmq pg': { side: 'bullmq-postgres', told: `${BULLMQ}, 10 connections and one that listens` },
  },
  /** Those that are woken, not only polling. */
  waking: ['graphile', 'pg-boss notify', 'bullmq pg'],
  packages: ['graphile-worker', 'pg-boss', 'bullmq'],
  /** Some of the peers need Node 22, so all sides run on it. */
  async open({ 'no-fsync': noFsync = false }) {
    const { node, version } = node22();
    const opened = await openPostgres({ fsync: !noFsync });
    return { ...opened, node, about: { ...opened.about, node: version } };
  },
};

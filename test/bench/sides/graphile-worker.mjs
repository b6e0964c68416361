// graphile-worker. It deletes what is done, so it keeps no history and no results: less work than ours. A job is locked
// for four hours instead of by a lease that is renewed.
import { makeWorkerUtils, run, Logger } from 'graphile-worker';

/** As its documentation on performance has it for its own figures: a local queue, and completions of one tick at once. */
const TUNED = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

const logger = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(message);
});

export async function connect({ url, tuned = false }) {
  const preset = (options) => ({ worker: { connectionString: url, logger, ...options } });
  const utils = await makeWorkerUtils({ preset: preset({}) });
  await utils.migrate();
  const tasks = {};
  const runners = new Set();
  let concurrentJobs;
  /** One runner has all tasks; it starts when they are known. */
  const start = async (taskList) => {
    const runner = await run({
      preset: preset({
        concurrentJobs,
        // "10 or concurrentJobs + 2, whichever is larger"
        maxPoolSize: Math.max(10, concurrentJobs + 2),
        ...(tuned && TUNED),
      }),
      taskList,
      parsedCronItems: [],
      noHandleSignals: true,
    });
    runners.add(runner);
    return runner;
  };
  const stop = async (runner) => {
    runners.delete(runner);
    await runner.stop();
  };
  return {
    producer: async (name) => ({
      add: (data) => utils.addJob(name, data),
      addBulk: (all) => utils.addJobs(all.map((payload) => ({ identifier: name, payload }))),
    }),
    async consumer(name, { handler, concurrency, many }) {
      concurrentJobs = concurrency;
      const task = (payload) => handler(payload);
      if (many) {
        tasks[name] = task;
        return { close: async () => undefined };
      }
      const runner = await start({ [name]: task });
      return { close: () => stop(runner) };
    },
    consuming: () => start(tasks),
    async counts(name) {
      const { rows } = await utils.withPgClient((client) =>
        client.query(
          `select count(*) filter (where locked_at is null)::int as waiting,
              count(*) filter (where locked_at is not null)::int as active
            from graphile_worker.jobs where task_identifier = $1`,
          [name],
        ),
      );
      return rows[0];
    },
    async close() {
      for (const runner of runners) await stop(runner);
      await utils.release();
    },
  };
}

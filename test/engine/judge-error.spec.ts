import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ErrorJudge, type Job, type JobContext, type OqronEngine, type QueueOptions } from 'oqronkit';
import { World } from '../support/world.js';

class BadInput extends Error {
  constructor(readonly field: string) {
    super('bad input');
  }
}

const judgeError: ErrorJudge = (thrown) =>
  thrown instanceof BadInput ? { retryable: false, message: `bad input: ${thrown.field}` } : undefined;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

const RETRIES = { max: 2, strategy: 'fixed', baseDelay: '1s' } as const;

async function ended(judge: ErrorJudge, options: Partial<QueueOptions>, engine = start(judge)): Promise<Job> {
  const queue = engine.queue({ name: 'x', retries: RETRIES, ...options } as QueueOptions);
  await engine.start();
  const { id } = await queue.add({});
  await world.clock.settle();
  return (await queue.getJob(id)) as Job;
}

const start = (judge: ErrorJudge): OqronEngine => world.engine({}, { judgeError: judge });

const throws = (error: unknown) => () => {
  throw error;
};

describe('a judge of errors', () => {
  it('fails a job for good, and says why in its record and in the log; hooks get the error itself', async () => {
    const told: unknown[] = [];
    const error = new BadInput('to');
    const job = await ended(judgeError, {
      handler: throws(error),
      hooks: { onFail: (_job, reason) => told.push(reason) },
    });
    expect(job).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { name: 'Error', message: 'bad input: to' },
    });
    expect(told).toEqual([error]);
    expect(world.log.matching('warn', /bad input: to/)).toHaveLength(1);
  });

  it('is asked for beforeRun and for each job of a batch too', async () => {
    const gate = await ended(judgeError, { handler: () => 1, hooks: { beforeRun: throws(new BadInput('gate')) } });
    expect(gate).toMatchObject({ status: 'failed', attemptMade: 1 });
    await world.end();
    world = new World();
    const batch = await ended(judgeError, {
      processBatch: async (ctxs: readonly JobContext[]) =>
        Promise.allSettled(ctxs.map(() => Promise.reject(new BadInput('item')))),
    });
    expect(batch).toMatchObject({ status: 'failed', attemptMade: 1, error: { message: 'bad input: item' } });
  });

  it.each<[string, ErrorJudge]>([
    ['says nothing', () => undefined],
    ['says that it can be retried', () => ({ retryable: true })],
    ['throws', throws(new Error('hostile')) as ErrorJudge],
  ])('changes nothing when it %s', async (_title, judge) => {
    expect(await ended(judge, { handler: throws(new BadInput('to')) })).toMatchObject({
      status: 'delayed',
      attemptMade: 1,
      error: { message: 'bad input' },
    });
  });
});

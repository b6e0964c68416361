import { afterEach, describe, expect, it } from '@jest/globals';
import { NonRetryableError, type Job } from 'oqronkit';
import { World } from '../support/world.js';

const JOBS = 10_000;
/** One in a hundred of each kind. */
const EVERY = 100;

type Kind = 'well' | 'throws' | 'times-out' | 'is-cancelled';

function kindOf(n: number): Kind {
  const kinds: Partial<Record<number, Kind>> = { 0: 'throws', 1: 'times-out', 2: 'is-cancelled' };
  return kinds[n % EVERY] ?? 'well';
}

let world: World;
afterEach(() => world.end());

describe('10 000 jobs of which 1 % throw, 1 % time out and 1 % are cancelled while running', () => {
  it('are counted exactly at the end, with one terminal event each, and verify() finds nothing', async () => {
    world = new World();
    const worker = [world.engine(), world.engine()];
    const api = world.engine();
    const ended = new Map<string, string[]>();
    const runs = new Map<string, number>();
    const note = (id: string, what: string): unknown => ended.set(id, [...(ended.get(id) ?? []), what]);
    for (const engine of [...worker, api]) {
      engine.on('job:success', ({ id }) => note(id, 'completed'));
      engine.on('job:fail', ({ id }) => note(id, 'failed'));
      engine.on('job:cancelled', ({ id }) => note(id, 'cancelled'));
    }
    const cancels: Promise<unknown>[] = [];
    for (const engine of worker) {
      engine.worker<number, number>({
        topic: 'work',
        concurrency: 50,
        removeOnComplete: false,
        removeOnFail: false,
        retries: { max: 1, strategy: 'fixed', baseDelay: '1s' },
        timeout: '10s',
        handler: async ({ id, data }) => {
          runs.set(id, (runs.get(id) ?? 0) + 1);
          switch (kindOf(data)) {
            case 'throws':
              throw data % 200 === 0 ? new Error('again') : new NonRetryableError('never again');
            case 'times-out':
            case 'is-cancelled':
              if (kindOf(data) === 'is-cancelled') cancels.push(queue.getJob(id).then((job) => job?.cancel('enough')));
              return world.clock.sleep('1h').then(() => -1);
            default:
              if (data % 7 === 0) await world.clock.sleep('20ms');
              return data * 2;
          }
        },
      });
    }
    const queue = api.queue<number, number>({ name: 'work' });
    for (const engine of [api, ...worker]) await engine.start();
    await queue.addBulk(Array.from({ length: JOBS }, (_, n) => ({ data: n })));
    for (let step = 0; step < 600 && ended.size < JOBS; step += 1) await world.clock.advance('1s');
    await Promise.all(cancels);

    const each = JOBS / EVERY;
    expect(await queue.counts()).toEqual({
      waiting: 0,
      delayed: 0,
      'waiting-children': 0,
      paused: 0,
      active: 0,
      completed: JOBS - 3 * each,
      failed: 2 * each,
      cancelled: each,
    });
    expect(ended.size).toBe(JOBS);
    expect([...ended.values()].filter((events) => events.length !== 1)).toEqual([]);
    // A run too many or too few would be seen here: only the plain throws and the timeouts are tried twice.
    const total = [...runs.values()].reduce((sum, n) => sum + n, 0);
    expect(total).toBe(JOBS + each / 2 + each);

    const failed: Job[] = [];
    for (let cursor: string | undefined, page = 0; page === 0 || cursor !== undefined; page += 1) {
      const list = await queue.getJobs({ status: 'failed', limit: 150, ...(cursor === undefined ? {} : { cursor }) });
      failed.push(...list.jobs);
      cursor = list.cursor;
    }
    expect(failed.filter(({ error }) => error?.code === 'JOB_TIMEOUT')).toHaveLength(each);
    expect(failed.filter(({ error }) => error?.code === 'NON_RETRYABLE')).toHaveLength(each / 2);

    let checked = 0;
    for (let cursor: string | undefined, page = 0; page === 0 || cursor !== undefined; page += 1) {
      const reply = await world.backend.store.admin.verify({
        queue: 'work',
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      expect(reply.problems).toEqual([]);
      checked += reply.checked;
      cursor = reply.cursor;
    }
    expect(checked).toBe(JOBS);
  });
});

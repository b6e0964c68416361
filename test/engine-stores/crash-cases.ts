import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { Fleet, type Home } from './fleet.js';

const LEASE_MS = 2_000;
const RECOVERY_MS = 5_000;
const short = { lockTtlMs: LEASE_MS, heartbeatMs: 500 };

const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);

/** What a killed and a frozen worker process may and may not do, over one store. `find` answers a home per case. */
export function crashCases(find: (name: string) => Promise<Home>): void {
  let fleet: Fleet;
  let spaces = 0;

  beforeEach(async () => {
    fleet = new Fleet(await find(`crash-${(spaces += 1)}`));
  }, 120_000);

  afterEach(() => fleet?.end());

  describe('a worker process that is killed', () => {
    it(`gives up its 20 jobs within ${LEASE_MS} + ${RECOVERY_MS} ms, and no other job runs twice`, async () => {
      const victim = await fleet.start({ name: 'victim', handler: 'hold', worker: { ...short, concurrency: 20 } });
      const producer = await fleet.start({ name: 'producer' });
      producer.add(20, 'held');
      await victim.told('running', 20);
      const heir = await fleet.start({ name: 'heir', handler: 'quick', worker: { ...short, concurrency: 20 } });
      producer.add(200, 'other');
      await fleet.untilCompleted(200, 15_000);

      victim.kill('SIGKILL');
      const killed = performance.now();
      await fleet.untilCompleted(220, LEASE_MS + RECOVERY_MS);
      const recoveryMs = Math.round(performance.now() - killed);
      console.info(`taken over and finished ${recoveryMs} ms after SIGKILL (lease ${LEASE_MS} ms)`);

      const runs = fleet.ledger.runs();
      expect(names('held', 20).map((id) => runs.get(id))).toEqual(names('held', 20).map(() => ['victim', 'heir']));
      expect(names('other', 200).map((id) => runs.get(id))).toEqual(names('other', 200).map(() => ['heir']));
      expect(await fleet.queue.getJob('held-7')).toMatchObject({
        attemptMade: 1,
        stalledCount: 1,
        returnValue: 'heir',
      });
      expect(await fleet.problems()).toEqual([]);
      expect(await heir.stop()).toBe(0);
      expect(await producer.stop()).toBe(0);
    }, 30_000);
  });

  describe('a worker process that stands still', () => {
    it('records nothing when it goes on after others took its jobs, and takes new ones', async () => {
      const frozen = await fleet.start({ name: 'frozen', handler: 'hold', worker: { ...short, concurrency: 5 } });
      await fleet.queue.addBulk(names('job', 5).map((jobId) => ({ data: 1, opts: { jobId } })));
      await frozen.told('running', 5);
      frozen.kill('SIGSTOP');
      const heir = await fleet.start({ name: 'heir', handler: 'quick', worker: { ...short, concurrency: 5 } });
      await fleet.untilCompleted(5, LEASE_MS + RECOVERY_MS);
      const before = await fleet.queue.getJobs({ status: 'completed' });

      expect(await heir.stop()).toBe(0);

      // There when it wakes up: it needs no hint for it.
      await fleet.queue.add(1, { jobId: 'new' });
      frozen.release();
      frozen.kill('SIGCONT');
      await until('it to run a new job', async () => (await fleet.queue.getJob('new'))?.returnValue === 'frozen');
      // It ends when all its outcomes were answered.
      expect(await frozen.stop()).toBe(0);
      const after = await Promise.all(before.jobs.map(({ id }) => fleet.queue.getJob(id)));
      expect(after.map((job) => ({ ...job }))).toEqual(before.jobs.map((job) => ({ ...job })));
      expect(before.jobs.map(({ returnValue }) => returnValue)).toEqual(names('heir', 5).map(() => 'heir'));
      expect(await fleet.queue.counts()).toMatchObject({ completed: 6, failed: 0, active: 0, waiting: 0 });
      expect(await fleet.problems()).toEqual([]);
    }, 30_000);

    it('does not get into a job that was removed and added again under its id', async () => {
      const frozen = await fleet.start({ name: 'frozen', handler: 'hold', worker: { ...short, concurrency: 1 } });
      await fleet.queue.add(1, { jobId: 'same' });
      await frozen.told('running');
      frozen.kill('SIGSTOP');
      const heir = await fleet.start({ name: 'heir', handler: 'quick', worker: { ...short, concurrency: 1 } });
      await fleet.untilCompleted(1, LEASE_MS + RECOVERY_MS);
      expect(await heir.stop()).toBe(0);
      await fleet.watcher.manager.removeJob('same');
      const second = await fleet.start({ name: 'second', handler: 'hold', worker: { ...short, concurrency: 1 } });
      expect((await fleet.queue.add(2, { jobId: 'same' })).created).toBe(true);
      await second.told('running');

      frozen.release();
      frozen.kill('SIGCONT');
      expect(await frozen.stop()).toBe(0);
      expect(await fleet.queue.getJob('same')).toMatchObject({ status: 'active', data: 2 });
      second.release();
      await until('the second owner to end', async () => (await fleet.queue.getJob('same'))?.returnValue === 'second');
      expect(await fleet.problems()).toEqual([]);
    }, 30_000);
  });
}

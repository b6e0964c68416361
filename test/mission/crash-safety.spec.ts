import { expect } from '@jest/globals';
import { OqronKit, OqronManager, type Queue } from 'oqronkit';
import { describePage } from './examples.js';
import { emailQueue, processed, processing } from './stubs.js';
import { until } from '../support/until.js';

describePage('crash-safety', {
  'crash-safety-2': async (run) => {
    const { engine } = OqronKit;
    await run();
    expect(engine.health().state).toBe('stopped');
    expect(() => OqronKit.engine).toThrow('call OqronKit.init() first');
  },
  'crash-safety-3': async (run) => {
    const aborted: unknown[] = [];
    const queue = OqronKit.engine.queue<object>({
      name: 'cancelled-by-manager',
      handler: ({ signal }) =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(void aborted.push(signal.reason)), { once: true });
        }),
    });
    const job = await queue.add({}, { jobId: 'job-id' });
    await until('the job runs', async () => (await queue.getJob(job.id))?.status === 'active');
    await run();
    await until('its signal fires', () => aborted[0]);
    expect(aborted).toMatchObject([{ kind: 'cancelled' }]);
  },
  'crash-safety-4': async (run) => {
    const { chunkQueue } = (await run()) as { chunkQueue: Queue };
    await OqronKit.init({ config: { logger: false } });

    const whole = await chunkQueue.add({});
    const done = await until('the first job ends', async () => {
      const job = await chunkQueue.getJob(whole.id);
      return job?.status === 'completed' ? job : undefined;
    });
    // The page counts with an `i` that it never raises.
    expect(done.progress).toBe(0);
    expect(processed.splice(0)).toEqual(['first', 'second', 'third']);

    let next = (): void => undefined;
    processing.onChunk = () => new Promise((resume) => (next = resume));
    const cut = await chunkQueue.add({});
    await until('its first chunk', () => processed[0]);
    expect(await cut.cancel('enough')).toBe('cancelled');
    next();
    await OqronKit.engine.drain();
    expect(processed).toEqual(['first']);
    expect(await chunkQueue.getJob(cut.id)).toMatchObject({ status: 'cancelled', reason: 'enough' });
  },
  'crash-safety-5': async (run) => {
    await emailQueue.add({ to: 'ada@example.com' }, { jobId: 'job-id' });
    await run();
    const manager = OqronManager.from(OqronKit.getConfig());
    expect(await manager.getJob('job-id')).toMatchObject({ status: 'cancelled', data: { to: 'ada@example.com' } });
    const { jobs } = await manager.queryJobs({ status: 'cancelled' });
    expect(jobs.map(({ id }) => id)).toEqual(['job-id']);
  },
  'crash-safety-6': async (run) => {
    await run();
    const again = await emailQueue.add({ to: 'another@example.com' }, { jobId: 'welcome-user@example.com' });
    expect(again).toMatchObject({ created: false, status: 'waiting', data: { to: 'user@example.com' } });
    expect(await emailQueue.count()).toBe(1);
  },
});

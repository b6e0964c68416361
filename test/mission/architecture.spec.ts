import { expect } from '@jest/globals';
import { OqronEngine, OqronKit, queue, type JobHandle, type OqronAdapters, type OqronConfig } from 'oqronkit';
import { describePage } from './examples.js';

describePage('architecture', {
  'architecture-1': async (run) => {
    const { storage, broker, lock } = (await run()).di as OqronAdapters;
    await storage.save('settings', 'theme', { dark: true });
    expect(await storage.get('settings', 'theme')).toEqual({ dark: true });
    const { id } = await queue<{ n: number }>({ name: 'numbers' }).add({ n: 1 });
    expect(await storage.get('jobs', id)).toMatchObject({
      id,
      queueName: 'numbers',
      status: 'waiting',
      data: { n: 1 },
    });
    await broker.publish('letters', 'a');
    expect(await broker.claim('letters', 'consumer-1', 1, 30_000)).toEqual(['a']);
    expect(await lock.acquire('report', 'owner-1', 30_000)).toBe(true);
  },
  'architecture-2': async (run) => {
    const config = (await run()).default as OqronConfig;
    expect(config.scheduler?.clustering).toEqual({ totalShards: 8, ownedShards: [0, 1, 2, 3], region: 'us-east' });
    const engine = new OqronEngine({ ...config, logger: false });
    await engine.start();
    expect(engine.health().state).toBe('started');
    await engine.stop();
  },
  'architecture-3': async (run) => {
    const { extract1, extract2, transform } = (await run()) as Record<string, JobHandle>;
    expect(transform?.status).toBe('waiting-children');
    const { engine } = OqronKit;
    for (const topic of ['extract', 'transform']) engine.worker({ topic, handler: () => `${topic}ed` });
    expect(await transform?.waitUntilFinished()).toBe('transformed');
    for (const parent of [extract1, extract2]) {
      expect(await engine.manager.getJob(parent?.id ?? '')).toMatchObject({ status: 'completed' });
    }
  },
});

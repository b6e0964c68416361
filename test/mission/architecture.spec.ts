import { expect } from '@jest/globals';
import { OqronEngine, type OqronConfig } from 'oqronkit';
import { describePage } from './examples.js';

describePage('architecture', {
  'architecture-2': async (run) => {
    const config = (await run()).default as OqronConfig;
    expect(config.scheduler?.clustering).toEqual({ totalShards: 8, ownedShards: [0, 1, 2, 3], region: 'us-east' });
    const engine = new OqronEngine({ ...config, logger: false });
    await engine.start();
    expect(engine.health().state).toBe('started');
    await engine.stop();
  },
});

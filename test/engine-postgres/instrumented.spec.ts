import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { Client } from 'pg';
import { OqronEngine, runWithCorrelation } from 'oqronkit';
import { instrumentedCases } from '../engine-stores/instrumented-cases.js';
import { postgresSpace } from '../support/postgres-space.js';

const home = async () => {
  const { url, schema } = await postgresSpace();
  return { mode: 'db', postgres: { connectionString: url, schema } } as const;
};

instrumentedCases('PostgreSQL', home);

it('travels with a job that is added in a transaction, and the add is told when its statement has run', async () => {
  const { url } = await postgresSpace();
  const told: string[] = [];
  const engine = new OqronEngine({
    ...(await home()),
    environment: randomUUID(),
    logger: false,
    instrumentation: {
      onEnqueue: ({ headers }) => void (headers['in'] = 'tx'),
      wrapEnqueue: async ({ jobs }, next) => {
        await next();
        told.push(...jobs.map(({ id }) => id));
      },
    },
  });
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    const queue = engine.producer<number>('q');
    await runWithCorrelation('c-3', () => queue.add(1, { jobId: 'one', tx: client }));
    await queue.addBulk([{ data: 2, opts: { jobId: 'two' } }], { tx: client });
    expect(told).toEqual(['one', 'two']);
    await client.query('commit');
    expect((await queue.getJob('one'))?.correlationId).toBe('c-3');
    const seen: [string, unknown][] = [];
    const done = new Promise<void>((resolve) => {
      engine.queue<number>({
        name: 'q',
        handler: ({ id, headers }) => {
          seen.push([id, headers['in']]);
          if (seen.length === 2) resolve();
        },
      });
    });
    await engine.start();
    await done;
    expect(seen.toSorted()).toEqual([
      ['one', 'tx'],
      ['two', 'tx'],
    ]);
  } finally {
    await client.end();
    await engine.stop();
  }
});

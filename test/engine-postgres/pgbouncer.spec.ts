import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { OqronEngine, type OqronConfig } from 'oqronkit';
import { startPooler, type Pooler } from '../support/pgbouncer.js';
import { postgresSpace } from '../support/postgres-space.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { until } from '../support/until.js';

/** Fewer than the processes have connections, so that statements of one connection go to several of the server. */
const SERVER_CONNECTIONS = 4;

let pooler: Pooler;
const engines: OqronEngine[] = [];

beforeAll(async () => {
  pooler = await startPooler(SERVER_CONNECTIONS);
}, 30_000);

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

afterAll(() => pooler?.stop());

async function engineOf(environment: string, more: object, config: OqronConfig = {}): Promise<OqronEngine> {
  const { schema } = await postgresSpace();
  const postgres = { connectionString: pooler.url, schema, ...more };
  const engine = new OqronEngine({ mode: 'db', postgres, environment, logger: false, ...config });
  engines.push(engine);
  return engine;
}

describe('engines behind pgbouncer in transaction mode', () => {
  it('make the tables, and run every job of many queues once', async () => {
    const { url } = await postgresSpace();
    const more = { listenUrl: url, tablePrefix: 'pooled' };
    const all = await Promise.all([1, 2, 3].map(() => engineOf('pooled', more)));
    const runs = new Map<string, number>();
    for (const engine of all) {
      for (const topic of ['a', 'b', 'c']) {
        const handler = ({ id }: { id: string }): void => void runs.set(id, (runs.get(id) ?? 0) + 1);
        engine.worker({ topic, concurrency: 20, handler });
      }
    }
    await Promise.all(all.map((engine) => engine.start()));
    await until('the wake-up channels to be proven', () => all.every((engine) => engine.health().signals));
    const [first] = all;
    if (!first) throw new Error('no engine');
    const added = await Promise.all(
      Array.from({ length: 900 }, (_, n) => first.producer(['a', 'b', 'c'][n % 3] ?? 'a').add(n)),
    );
    await until('all to be completed', async () => {
      const counts = await Promise.all(['a', 'b', 'c'].map((name) => first.producer(name).count('completed')));
      return counts.reduce((sum, count) => sum + count, 0) === 900;
    });
    expect(added.map(({ id }) => runs.get(id))).toEqual(added.map(() => 1));
    expect((await first.manager.verify()).problems).toEqual([]);
  }, 30_000);

  it('work without a listening address too, by polling, and say so', async () => {
    const log = new RecordingLogger();
    const engine = await engineOf('polling', {}, { logger: log });
    engine.worker({ topic: 'mails', pollIntervalMs: 100, handler: () => 'sent' });
    await engine.start();
    for (let n = 0; n < 3; n += 1) {
      const job = await engine.producer('mails').add(n);
      expect(await job.waitUntilFinished({ timeout: 5_000 })).toBe('sent');
    }
    expect(engine.health().signals).toBe(false);
    await until('a word about it', () => log.matching('warn', /listenUrl/).length === 1, 25_000);
    expect(engine.health()).toMatchObject({ signals: false, warnings: [expect.stringContaining('listenUrl')] });
  }, 40_000);
});

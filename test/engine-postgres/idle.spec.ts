import { afterEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { OqronEngine } from 'oqronkit';
import { startPostgres, type Cluster } from '../support/postgres-server.js';
import { until } from '../support/until.js';

const QUEUES = 100;
/** Longer than the longest sleep of an idle consumer, so that every queue is looked at in it. */
const WINDOW_MS = 15_000;
const PER_SECOND = 2;

let cluster: Cluster | undefined;
let engine: OqronEngine | undefined;

afterEach(async () => {
  await engine?.stop();
  await cluster?.stop();
});

describe(`${QUEUES} idle queues in one process`, () => {
  it(`cost at most ${PER_SECOND} statements per second`, async () => {
    // The server writes down every statement of a client, and none of those inside functions.
    cluster = await startPostgres('log_statement=all', 'log_line_prefix=%p ');
    engine = new OqronEngine({ mode: 'db', postgres: cluster.url, logger: false });
    for (let n = 0; n < QUEUES; n += 1) engine.worker({ topic: `queue-${n}`, handler: () => undefined });
    await engine.start();
    await until('the wake-up channel to be proven', () => engine?.health().signals);

    const look = new Client({ connectionString: cluster.url });
    await look.connect();
    try {
      const before = cluster.statements().length;
      const began = performance.now();
      await until('the window to pass', () => performance.now() - began > WINDOW_MS, WINDOW_MS + 5_000);
      const seconds = (performance.now() - began) / 1_000;
      const sent = cluster.statements().slice(before);
      const { rows } = await look.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
      );
      console.info(`${(sent.length / seconds).toFixed(1)} statements/s, ${rows[0]?.n} connections`);
      expect(sent.length / seconds).toBeLessThanOrEqual(PER_SECOND);
      // Somebody did look: otherwise this proves nothing.
      expect(sent.filter((text) => text.includes('_claim')).length).toBeGreaterThan(0);
    } finally {
      await look.end();
    }
    // They are awake when a job comes.
    const job = await engine.producer('queue-42').add(1);
    await job.waitUntilFinished({ timeout: 2_000 });
  }, 45_000);
});

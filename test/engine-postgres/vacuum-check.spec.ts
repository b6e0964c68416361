import { describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { FunctionRunner } from '../../lib/backends/postgres/function-runner.js';
import type { PostgresParts } from '../../lib/backends/postgres/parts.js';
import { vacuumWarnings } from '../../lib/backends/postgres/vacuum-check.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import { postgresSpace } from '../support/postgres-space.js';
import { until } from '../support/until.js';

async function runner(): Promise<FunctionRunner> {
  const { pools, names } = await postgresSpace();
  return new FunctionRunner(() => ({ pools, names, clock: systemClock }) as PostgresParts);
}

describe('what keeps tables from being cleaned', () => {
  it('is a transaction that stays open, and is told with who holds it', async () => {
    const functions = await runner();
    const { url } = await postgresSpace();
    const client = new Client({ connectionString: url, application_name: 'a report that nobody ended' });
    client.on('error', () => undefined);
    await client.connect();
    const mine = (texts: string[]): string[] => texts.filter((text) => text.includes('a report that nobody ended'));
    try {
      await client.query('begin isolation level repeatable read');
      await client.query('select 1');
      // Others use this server too: only our own transaction is looked for.
      const [warning] = await until('the transaction to be old enough', async () => {
        const found = mine(await vacuumWarnings(functions, 20));
        return found.length > 0 ? found : undefined;
      });
      expect(warning).toMatch(/open for 0 min \(pid \d+, .+, a report that nobody ended, idle in transaction\)/);
      expect(mine(await vacuumWarnings(functions))).toEqual([]);
      await client.query('rollback');
      expect(mine(await vacuumWarnings(functions, 20))).toEqual([]);
    } finally {
      await client.end();
    }
  });

  it('shows in tables with more dead rows than live ones', async () => {
    const functions = await runner();
    const { pools, names } = await postgresSpace();
    const run = (sql: string): Promise<unknown> => pools.main.query(names.render(sql));
    await run('alter table oqron.count set (autovacuum_enabled = off)');
    await run('insert into oqron.count (queue_id, place, n) select 0, 1, 0 from generate_series(1, 210000)');
    await run('delete from oqron.count');
    const [warning] = await until('the statistics to arrive', async () => {
      const found = (await vacuumWarnings(functions)).filter((text) => text.includes('dead rows beside'));
      return found.length > 0 ? found : undefined;
    });
    expect(warning).toBe('table oqron_count has 210000 dead rows beside 0 live ones: autovacuum does not keep up');
    await run('alter table oqron.count reset (autovacuum_enabled)');
  });
});

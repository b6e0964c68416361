import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'pg';
import { StatementPool } from '../../lib/backends/postgres/pools.js';
import { databaseUrl } from '../support/postgres-server.js';

// One connection, so that what is prepared can be looked at.
let pool: Pool;
let statements: StatementPool;

beforeAll(() => {
  pool = new Pool({ connectionString: databaseUrl(), max: 1 });
  statements = new StatementPool('test', pool as never, () => undefined);
});

afterAll(() => pool.end());

const ask = (n: number): Promise<{ n: number }[]> => statements.repeated<{ n: number }>('select $1::int as n', [n]);

async function kept(): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>('select name from pg_prepared_statements');
  return rows.map(({ name }) => name);
}

describe('a text that is sent again and again', () => {
  it('is parsed once for a connection', async () => {
    expect(await ask(1)).toEqual([{ n: 1 }]);
    expect(await ask(2)).toEqual([{ n: 2 }]);
    expect(await kept()).toEqual([expect.stringMatching(/^oqron_[0-9a-f]{40}$/)]);
  });

  it('is answered when the connection forgot it, or another one has it, and has no name from then on', async () => {
    await pool.query('deallocate all');
    expect(await ask(3)).toEqual([{ n: 3 }]);
    expect(await kept()).toEqual([]);
    expect(await ask(4)).toEqual([{ n: 4 }]);
    expect(await kept()).toEqual([]);
  });

  it('reports an error of its own as it is', async () => {
    await expect(statements.repeated('select 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' });
  });
});

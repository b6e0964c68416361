import { describe, expect, it } from '@jest/globals';
import { PostgresNames } from '../../../lib/backends/postgres/names.js';
import { bare, endsConnection, isConflict, storeError } from '../../../lib/backends/postgres/postgres-errors.js';

/** As `pg` throws what the server answered. */
const answered = (code: string): Error =>
  Object.assign(new Error('refused'), { code, severity: 'ERROR', detail: 'Key (data)=(secret) exists.' });

/** As the network throws. */
const broken = (code: string): Error => Object.assign(new Error(`read ${code}`), { code });

describe('an error of PostgreSQL', () => {
  it.each<[string, Error, string, boolean]>([
    ['a broken connection', broken('ECONNRESET'), 'STORE_UNREACHABLE', true],
    ['one whose code looks like one of the server', broken('EPIPE'), 'STORE_UNREACHABLE', true],
    ['a statement without answer', new Error('Query read timeout'), 'STORE_UNREACHABLE', true],
    ['a pool that is used up', new Error('timeout exceeded when trying to connect'), 'STORE_UNREACHABLE', true],
    ['a server that shuts down', answered('57P01'), 'STORE_UNREACHABLE', true],
    ['a server that starts', answered('57P03'), 'STORE_UNREACHABLE', true],
    ['a lost connection, as the server puts it', answered('08006'), 'STORE_UNREACHABLE', true],
    ['a standby', answered('25006'), 'STORE_UNREACHABLE', true],
    ['too many connections', answered('53300'), 'STORE_UNREACHABLE', false],
    ['a cancelled statement', answered('57014'), 'STORE_UNREACHABLE', false],
    ['a deadlock', answered('40P01'), 'STORE_UNREACHABLE', false],
    ['a full disk', answered('53100'), 'STORE_FULL', false],
    ['no memory', answered('53200'), 'STORE_FULL', false],
    ['a value that is refused', answered('22021'), 'BATCH_REJECTED', false],
  ])('%s', (_what, error, code, ends) => {
    const mapped = storeError('JobStore.enqueue', error);
    expect(mapped.code).toBe(code);
    expect(mapped.message).toMatch(/^JobStore\.enqueue: /);
    expect(endsConnection(error)).toBe(ends);
    expect(isConflict(error)).toBe((error as { code?: string }).code === '40P01');
    expect(JSON.stringify({ ...(mapped.cause as object) })).not.toContain('secret');
  });

  it('of several addresses at once says what each of them said', () => {
    const all = new AggregateError([broken('ECONNREFUSED'), new Error('timeout')], '');
    expect(bare(all).message).toBe('read ECONNREFUSED; timeout');
    expect(bare('odd').message).toBe('odd');
  });
});

describe('names in SQL', () => {
  it('are rendered for one schema and prefix, quoted', () => {
    const names = new PostgresNames({ schema: 'Shop', tablePrefix: 'jobs' });
    const text =
      "select oqron.claim_v1($1), 'oqron.job'::regclass from oqron.job; create index oqron_name.by_id on oqron.job (id); '{{schema}}.{{prefix}}'; my_oqron.x";
    const rendered =
      `select "Shop"."jobs_claim_v1"($1), '"Shop"."jobs_job"'::regclass from "Shop"."jobs_job"; ` +
      `create index "jobs_by_id" on "Shop"."jobs_job" (id); 'Shop.jobs'; my_oqron.x`;
    expect(names.render(text)).toBe(rendered);
    expect(names.sql(text)).toBe(rendered);
    expect(names.sql(text)).toBe(rendered);
  });
});

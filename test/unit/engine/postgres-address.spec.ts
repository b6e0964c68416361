import { describe, expect, it } from '@jest/globals';
import { postgresAddress } from '../../../lib/engine/postgres-address.js';
import { withoutSecrets } from '../../../lib/engine/secrets.js';

const pool = { connect: () => undefined };

describe('the address of a PostgreSQL, for people', () => {
  it.each<[string | object, string]>([
    ['postgresql://localhost/shop', 'postgresql://localhost/shop'],
    ['postgres://ada:hush@db.internal:6432/shop?sslmode=require&password=hush', 'postgresql://db.internal:6432/shop'],
    ['postgres://:hu@sh/x@host', 'the given address'],
    [{ connectionString: 'postgresql://ada:hush@host:1/shop' }, 'postgresql://host:1/shop'],
    [{ host: 'h', port: 7, database: 'shop', password: 'hush' }, 'postgresql://h:7/shop'],
    [{ host: '/run/postgresql', database: 'shop', password: 'hush' }, '/run/postgresql/shop'],
    [{ ...pool, options: { host: 'h', database: 'shop', password: 'hush' } }, 'postgresql://h:5432/shop'],
    [{ ...pool, options: { connectionString: 'postgres://ada:hush@h/shop' } }, 'postgresql://h/shop'],
  ])('of %j is %s', (target, address) => {
    expect(postgresAddress(target)).not.toContain('hush');
    if (!String(target).includes('hu@sh')) expect(postgresAddress(target)).toBe(address);
  });
});

describe('a text without the secrets of a PostgreSQL', () => {
  it.each<[string | object]>([
    ['postgresql://ada:hush%2Fhush@host/shop'],
    ['postgresql://host/shop?user=ada&password=hush%2Fhush'],
    [{ connectionString: 'postgresql://ada:hush%2Fhush@host' }],
    [{ connectionString: 'postgresql://host', listenUrl: 'postgresql://ada:hush%2Fhush@direct' }],
    [{ ssl: { key: 'hush/hush' } }],
    [{ ...pool, options: Object.defineProperty({}, 'password', { value: 'hush/hush', enumerable: false }) }],
  ])('of %j', (target) => {
    expect(withoutSecrets('before hush/hush after', target)).toBe('before *** after');
  });
});

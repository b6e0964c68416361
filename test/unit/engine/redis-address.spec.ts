import { describe, expect, it } from '@jest/globals';
import { redisAddress } from '../../../lib/engine/redis-address.js';
import { withoutSecrets } from '../../../lib/engine/secrets.js';

const client = { duplicate: () => undefined };

describe('the address of a Redis, for people', () => {
  it.each<[string | object, string]>([
    ['redis://localhost', 'redis://localhost'],
    ['rediss://ada:hush@redis.internal:6380/2?family=6&password=hush', 'rediss://redis.internal:6380/2'],
    ['redis://:hu@sh/x@host', 'the given address'],
    [{ url: 'redis://:hush@host:1' }, 'redis://host:1'],
    [{}, 'redis://localhost:6379'],
    [{ host: 'h', port: 7, db: 3, password: 'hush', tls: {} }, 'rediss://h:7/3'],
    [{ path: '/run/redis.sock', password: 'hush' }, '/run/redis.sock'],
    [{ sentinels: [{}, {}], name: 'jobs', sentinelPassword: 'hush' }, 'the master "jobs" of 2 Sentinels'],
    [{ ...client, options: { host: 'h', port: 7, password: 'hush' } }, 'redis://h:7'],
    [{ ...client, isCluster: true, options: { redisOptions: { password: 'hush' } } }, 'a Redis Cluster'],
  ])('of %j is %s', (target, address) => {
    expect(redisAddress(target)).not.toContain('hush');
    if (!String(target).includes('hu@sh')) expect(redisAddress(target)).toBe(address);
  });
});

describe('a text without the secrets of a connection', () => {
  it.each<[string | object]>([
    ['redis://ada:hush%2Fhush@host'],
    ['redis://:hush/hush@host:port'],
    [{ password: 'hush/hush' }],
    [{ url: 'redis://:hush%2Fhush@host' }],
    [{ sentinels: [], sentinelPassword: 'hush/hush' }],
    [{ tls: { passphrase: 'hush/hush' } }],
    [{ ...client, options: { password: 'hush/hush' } }],
    [{ ...client, isCluster: true, options: { redisOptions: { password: 'hush/hush' } } }],
  ])('of %j', (target) => {
    expect(withoutSecrets('before hush/hush after', target)).toBe('before *** after');
  });

  it('is the same text where there is none', () => {
    for (const target of ['redis://host', {}, { password: '' }]) expect(withoutSecrets('text', target)).toBe('text');
  });
});

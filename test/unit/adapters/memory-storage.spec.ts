import { describe, expect, it } from '@jest/globals';
import { createStorageAdapter, type IStorageEngine } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';

// The rules of the interface are in the conformance kit; here is what it leaves to the adapter.

function make(): Promise<IStorageEngine> {
  return createStorageAdapter({ type: 'memory', clock: new VirtualClock() });
}

async function makeWhole(): Promise<Required<IStorageEngine>> {
  return (await make()) as Required<IStorageEngine>;
}

describe('MemoryStorage', () => {
  it('lists in the order of creation when no order is asked for, also after a record was saved again', async () => {
    const storage = await make();
    for (const id of ['c', 'a', 'b']) await storage.save('people', id, { id });
    await storage.save('people', 'c', { id: 'c again' });
    expect(await storage.list('people')).toEqual([{ id: 'c again' }, { id: 'a' }, { id: 'b' }]);
  });

  it('lists equals in the order of their ids, in both directions', async () => {
    const storage = await make();
    for (const id of ['c', 'a', 'b']) await storage.save('people', id, { id, city: 'rome' });
    for (const direction of ['asc', 'desc'] as const) {
      const listed = await storage.list<{ id: string }>('people', {}, { orderBy: { field: 'city', direction } });
      expect(listed.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    }
  });

  it('prunes to the millisecond', async () => {
    const clock = new VirtualClock();
    const storage = await createStorageAdapter({ type: 'memory', clock });
    await storage.save('people', 'a', {});
    expect(await storage.prune('people', clock.now())).toBe(0);
    expect(await storage.prune('people', clock.now() + 1)).toBe(1);
  });

  it('keeps dates, maps and buffers of their kind, and copies them', async () => {
    const storage = await make();
    const data = { at: new Date(5), map: new Map([['a', 1]]), bytes: Buffer.from('abc') };
    await storage.save('people', 'a', data);
    data.at.setTime(6);
    data.map.set('b', 2);
    data.bytes[0] = 0;
    const read = await storage.get<typeof data>('people', 'a');
    expect(read?.at).toBeInstanceOf(Date);
    expect(read?.at.getTime()).toBe(5);
    expect([...(read?.map ?? [])]).toEqual([['a', 1]]);
    expect(Buffer.from(read?.bytes ?? []).toString()).toBe('abc');
  });

  it('keeps what refers to itself, and fields called __proto__', async () => {
    const storage = await make();
    const data: { self?: unknown } = JSON.parse('{"__proto__":{"evil":true}}') as object;
    data.self = data;
    await storage.save('people', 'a', data);
    const read = await storage.get<{ self: unknown; evil?: boolean }>('people', 'a');
    expect(read?.self).toBe(read);
    expect(Object.keys(read ?? {})).toEqual(['__proto__', 'self']);
    expect(read?.evil).toBeUndefined();
  });

  it('refuses data that cannot be copied, and no data, and writes nothing of a bulk', async () => {
    const storage = await makeWhole();
    await expect(storage.save('people', 'a', { run: () => 1 })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(storage.save('people', 'a', { at: Symbol('x') })).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(storage.save('people', 'a', undefined)).rejects.toThrow(
      'MemoryStorage.save (namespace "people", id "a")',
    );
    const items: { id: string; data: object }[] = [
      { id: 'a', data: {} },
      { id: 'b', data: { run: () => 1 } },
    ];
    await expect(storage.bulkSave('people', items)).rejects.toThrow('id "b"');
    expect(await storage.count('people')).toBe(0);
  });

  it('refuses an undefined in a filter: dropped, it would answer too much', async () => {
    const storage = await make();
    await expect(storage.list('people', { tenant: undefined })).rejects.toThrow('filter.tenant: expected a value');
    await expect(storage.count('people', { tenant: undefined })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });

  it('names every problem of a query', async () => {
    const storage = await make();
    const wrong = { limit: -1, ofset: 3, where: [{ field: 'a', op: '$in', value: 1 }] } as object;
    await expect(storage.list('people', {}, wrong)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: [
        expect.stringContaining('limit: expected a whole number'),
        expect.stringContaining('where.0.op'),
        expect.stringContaining('unknown option "ofset", did you mean "offset"?'),
      ],
    });
  });

  it('counts up numbers only', async () => {
    const storage = await makeWhole();
    await storage.save('counters', 'a', { n: '5' });
    await storage.save('counters', 'b', [1]);
    await expect(storage.increment('counters', 'a', 'n', 1)).rejects.toThrow('field "n" holds no number');
    await expect(storage.increment('counters', 'b', 'n', 1)).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await expect(storage.increment('counters', 'c', 'n', NaN)).rejects.toThrow('by: expected a number, got NaN');
    expect(await storage.get('counters', 'a')).toEqual({ n: '5' });
  });
});

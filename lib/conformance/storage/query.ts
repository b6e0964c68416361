import assert from 'node:assert/strict';
import type { IStorageEngine, StorageCondition, StorageListOptions } from '../../kernel/ports/storage.js';
import { adapterSuite } from '../adapter-suite.js';

interface Person {
  readonly name: string;
  readonly age?: number | null;
  readonly city?: string;
}

const PEOPLE: readonly Person[] = [
  { name: 'ada', age: 36, city: 'london' },
  { name: 'bob', age: 9, city: 'london' },
  { name: 'cyd', age: 100, city: 'paris' },
  { name: 'dan', age: null, city: 'paris' },
  { name: 'eve' },
];

async function savePeople(storage: IStorageEngine): Promise<void> {
  for (const person of PEOPLE) await storage.save('people', person.name, person);
}

async function names(
  storage: IStorageEngine,
  filter: Record<string, unknown>,
  opts?: StorageListOptions,
): Promise<string[]> {
  return (await storage.list<Person>('people', filter, opts)).map(({ name }) => name);
}

/** Names of those who meet the conditions, sorted. */
async function meeting(storage: IStorageEngine, ...where: StorageCondition[]): Promise<string[]> {
  return (await names(storage, {}, { where })).toSorted();
}

const byAge = { field: 'age', type: 'number' } as const;
const byName = { field: 'name', type: 'string' } as const;

export const queryCases = adapterSuite<IStorageEngine>('query', (it) => {
  it('[list] without a filter it answers every record of the namespace', [], async (storage) => {
    assert.deepEqual(await storage.list('people'), []);
    await savePeople(storage);
    assert.deepEqual((await names(storage, {})).toSorted(), ['ada', 'bob', 'cyd', 'dan', 'eve']);
  });

  it('[filter] every field of the filter has to match', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual((await names(storage, { city: 'london' })).toSorted(), ['ada', 'bob']);
    assert.deepEqual(await names(storage, { city: 'london', age: 9 }), ['bob']);
    assert.deepEqual(await names(storage, { city: 'paris', age: 9 }), []);
    assert.deepEqual(await names(storage, { unknown: 'london' }), []);
  });

  it('[filter] matches are exact: no parts of texts, no other kind of value', [], async (storage) => {
    await savePeople(storage);
    await storage.save('people', 'fay', { name: 'fay', age: '9', city: 'London' });
    assert.deepEqual(await names(storage, { city: 'lond' }), []);
    assert.deepEqual(await names(storage, { city: 'lond%' }), []);
    assert.deepEqual((await names(storage, { city: 'london' })).toSorted(), ['ada', 'bob']);
    assert.deepEqual(await names(storage, { age: '9' }), ['fay']);
    assert.deepEqual(await names(storage, { age: 9 }), ['bob']);
  });

  it('[filter] null finds the null and no value', [], async (storage) => {
    await savePeople(storage);
    const found = await names(storage, { age: null });
    assert.ok(found.includes('dan'));
    assert.deepEqual(
      found.filter((name) => ['ada', 'bob', 'cyd'].includes(name)),
      [],
    );
  });

  it('[filter] is about fields of the top level', [], async (storage) => {
    await storage.save('people', 'gil', { name: 'gil', address: { city: 'london' }, tags: ['x', 'y'] });
    assert.deepEqual(await names(storage, { city: 'london' }), []);
    assert.deepEqual(await names(storage, { 'address.city': 'london' }), []);
    assert.deepEqual(await names(storage, { tags: 'x' }), []);
  });

  it('[count] counts what a list with the same filter answers', [], async (storage) => {
    assert.equal(await storage.count('people'), 0);
    await savePeople(storage);
    assert.equal(await storage.count('people'), 5);
    assert.equal(await storage.count('people', {}), 5);
    assert.equal(await storage.count('people', { city: 'paris' }), 2);
    assert.equal(await storage.count('people', { city: 'paris', age: 100 }), 1);
    assert.equal(await storage.count('people', { city: 'rome' }), 0);
  });

  it('[order] numbers are ordered as numbers, in both directions', [], async (storage) => {
    await savePeople(storage);
    const where: StorageCondition[] = [{ field: 'age', op: '$gt', value: 0 }];
    assert.deepEqual(await names(storage, {}, { where, orderBy: byAge }), ['bob', 'ada', 'cyd']);
    assert.deepEqual(await names(storage, {}, { where, orderBy: { ...byAge, direction: 'desc' } }), [
      'cyd',
      'ada',
      'bob',
    ]);
  });

  it('[order] texts are ordered as texts, in both directions', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual(await names(storage, {}, { orderBy: byName }), ['ada', 'bob', 'cyd', 'dan', 'eve']);
    assert.deepEqual(await names(storage, {}, { orderBy: { ...byName, direction: 'desc' } }), [
      'eve',
      'dan',
      'cyd',
      'bob',
      'ada',
    ]);
    for (const text of ['10', '9', '1']) await storage.save('texts', text, { text });
    const texts = await storage.list<{ text: string }>('texts', {}, { orderBy: { field: 'text', type: 'string' } });
    assert.deepEqual(
      texts.map(({ text }) => text),
      ['1', '10', '9'],
    );
  });

  it('[order] records without a value come last, in both directions', [], async (storage) => {
    await savePeople(storage);
    for (const direction of ['asc', 'desc'] as const) {
      const ordered = await names(storage, {}, { orderBy: { ...byAge, direction } });
      assert.deepEqual(ordered.slice(3).toSorted(), ['dan', 'eve'], direction);
    }
  });

  it('[dates] are ordered and compared by time', [], async (storage) => {
    for (const at of [5_000, 1_000, 3_000]) await storage.save('dates', `${at}`, { at: new Date(at) });
    const listed = async (opts: StorageListOptions): Promise<number[]> =>
      (await storage.list<{ at: Date }>('dates', {}, opts)).map(({ at }) => at.getTime());
    assert.deepEqual(await listed({ orderBy: { field: 'at', type: 'date' } }), [1_000, 3_000, 5_000]);
    const since: StorageCondition = { field: 'at', op: '$gte', value: new Date(3_000) };
    assert.deepEqual((await listed({ where: [since] })).toSorted(), [3_000, 5_000]);
  });

  it('[page] limit and offset cut the ordered list', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual(await names(storage, {}, { orderBy: byName, limit: 2 }), ['ada', 'bob']);
    assert.deepEqual(await names(storage, {}, { orderBy: { ...byName, direction: 'desc' }, limit: 2 }), ['eve', 'dan']);
    assert.deepEqual(await names(storage, {}, { orderBy: byName, limit: 2, offset: 3 }), ['dan', 'eve']);
    assert.deepEqual(await names(storage, {}, { orderBy: byName, limit: 9, offset: 4 }), ['eve']);
    assert.deepEqual(await names(storage, {}, { orderBy: byName, offset: 5 }), []);
    assert.deepEqual(await names(storage, {}, { orderBy: byName, limit: 0 }), []);
    assert.deepEqual(await names(storage, { city: 'paris' }, { orderBy: byName, limit: 1, offset: 1 }), ['dan']);
  });

  it(
    '[page] pages hold every record once, also where all are equal and where no order is asked for',
    [],
    async (storage) => {
      for (let i = 0; i < 25; i += 1) await storage.save('people', `p${i}`, { name: `p${i}`, city: 'rome' });
      for (const orderBy of [undefined, { field: 'city', type: 'string' } as const]) {
        const seen: string[] = [];
        for (let offset = 0; offset < 30; offset += 10) {
          seen.push(...(await names(storage, {}, { limit: 10, offset, ...(orderBy ? { orderBy } : {}) })));
        }
        assert.equal(seen.length, 25);
        assert.equal(new Set(seen).size, 25);
      }
    },
  );

  it('[where] compares numbers', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$lt', value: 36 }), ['bob']);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$lte', value: 36 }), ['ada', 'bob']);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$gt', value: 36 }), ['cyd']);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$gte', value: 36 }), ['ada', 'cyd']);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$ne', value: 36 }), ['bob', 'cyd']);
  });

  it('[where] compares texts', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual(await meeting(storage, { field: 'name', op: '$lt', value: 'cyd' }), ['ada', 'bob']);
    assert.deepEqual(await meeting(storage, { field: 'name', op: '$gte', value: 'cyd' }), ['cyd', 'dan', 'eve']);
    assert.deepEqual(await meeting(storage, { field: 'city', op: '$ne', value: 'london' }), ['cyd', 'dan']);
  });

  it('[where] a field that is null or missing meets no condition', [], async (storage) => {
    await savePeople(storage);
    for (const op of ['$lt', '$lte', '$gt', '$gte', '$ne'] as const) {
      for (const value of [0, 1_000, '']) {
        const met = await meeting(storage, { field: 'age', op, value });
        assert.ok(!met.includes('dan') && !met.includes('eve'), `age ${op} ${JSON.stringify(value)}: ${met.join()}`);
      }
    }
  });

  it('[where] $ne null holds for whatever has a value', [], async (storage) => {
    await savePeople(storage);
    assert.deepEqual(await meeting(storage, { field: 'age', op: '$ne', value: null }), ['ada', 'bob', 'cyd']);
  });

  it('[where] all conditions and the filter have to hold', [], async (storage) => {
    await savePeople(storage);
    const adult: StorageCondition = { field: 'age', op: '$gte', value: 18 };
    assert.deepEqual(await meeting(storage, adult, { field: 'age', op: '$lt', value: 100 }), ['ada']);
    assert.deepEqual(await names(storage, { city: 'paris' }, { where: [adult] }), ['cyd']);
    assert.deepEqual(await names(storage, { city: 'paris' }, { where: [adult], offset: 1 }), []);
  });
});

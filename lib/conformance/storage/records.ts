import assert from 'node:assert/strict';
import type { IStorageEngine } from '../../kernel/ports/storage.js';
import { adapterSuite } from '../adapter-suite.js';

export const recordCases = adapterSuite<IStorageEngine>('records', (it) => {
  it('[save] what was saved is read back, and what was not is null', [], async (storage) => {
    assert.equal(await storage.get('invoices', '1'), null);
    await storage.save('invoices', '1', { total: 12, paid: false });
    assert.deepEqual(await storage.get('invoices', '1'), { total: 12, paid: false });
    assert.equal(await storage.get('invoices', '2'), null);
  });

  it('[save] saving again replaces the whole record', [], async (storage) => {
    await storage.save('invoices', '1', { total: 12, paid: true });
    await storage.save('invoices', '1', { total: 13 });
    assert.deepEqual(await storage.get('invoices', '1'), { total: 13 });
    assert.equal(await storage.count('invoices'), 1);
  });

  it('[save] an id belongs to its namespace', [], async (storage) => {
    await storage.save('invoices', '1', { of: 'invoices' });
    await storage.save('orders', '1', { of: 'orders' });
    assert.deepEqual(await storage.get('invoices', '1'), { of: 'invoices' });
    await storage.delete('orders', '1');
    assert.deepEqual(await storage.get('invoices', '1'), { of: 'invoices' });
    assert.equal(await storage.get('orders', '1'), null);
    assert.deepEqual(await storage.list('orders'), []);
  });

  it('[save] namespaces and ids with separators in them do not run together', [], async (storage) => {
    const places = [
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a:b:c', ''],
      ['a/b', 'c d'],
      ['A:b', 'c'],
      ['ä', '日本 %3A {x}'],
    ] as const;
    for (const [i, [namespace, id]] of places.entries()) await storage.save(namespace, id, { i });
    for (const [i, [namespace, id]] of places.entries()) {
      assert.deepEqual(await storage.get(namespace, id), { i }, `namespace "${namespace}", id "${id}"`);
      assert.equal(await storage.count(namespace), 1);
    }
  });

  it('[values] nested data, empty lists and objects, null and any text keep their form', [], async (storage) => {
    const data = {
      list: [],
      object: {},
      nothing: null,
      no: false,
      zero: 0,
      empty: '',
      large: 9_007_199_254_740_991,
      fraction: -0.125,
      text: 'quote " back \\ line \n tab \t 日本 🎈',
      deep: [{ a: [{ b: [1, '2', null, { c: {} }] }] }],
    };
    await storage.save('values', 'all', data);
    assert.deepEqual(await storage.get('values', 'all'), data);
    assert.deepEqual(await storage.list('values'), [data]);
  });

  it('[values] fields with unusual names are fields like any other', [], async (storage) => {
    const data = { constructor: 'a', 'a.b': 'c', $set: 'd', 'x:y': 'e' };
    await storage.save('values', 'names', data);
    assert.deepEqual(await storage.get('values', 'names'), data);
    assert.equal(await storage.count('values', { 'a.b': 'c', constructor: 'a' }), 1);
    assert.equal(await storage.count('values', { toString: 'a' }), 0);
  });

  it('[copy] changing an object after it was saved changes no record', [], async (storage) => {
    const data = { tags: ['a'], nested: { n: 1 } };
    await storage.save('copies', '1', data);
    data.tags.push('b');
    data.nested.n = 2;
    assert.deepEqual(await storage.get('copies', '1'), { tags: ['a'], nested: { n: 1 } });
  });

  it('[copy] changing what was read changes no record', [], async (storage) => {
    await storage.save('copies', '1', { tags: ['a'] });
    const read = await storage.get<{ tags: string[] }>('copies', '1');
    read?.tags.push('b');
    const [listed] = await storage.list<{ tags: string[] }>('copies');
    listed?.tags.push('c');
    assert.deepEqual(await storage.get('copies', '1'), { tags: ['a'] });
  });

  it('[dates] a Date comes back as a Date, also a nested one', [], async (storage) => {
    const data = { at: new Date(1_767_225_600_123), list: [{ at: new Date(0) }] };
    await storage.save('dates', '1', data);
    assert.deepEqual(await storage.get('dates', '1'), data);
    assert.deepEqual(await storage.list('dates', { at: new Date(1_767_225_600_123) }), [data]);
    assert.equal(await storage.count('dates', { at: new Date(1_767_225_600_124) }), 0);
  });

  it('[delete] a deleted record is gone, and another deletion does no harm', [], async (storage) => {
    await storage.save('invoices', '1', { total: 12 });
    await storage.save('invoices', '2', { total: 13 });
    await storage.delete('invoices', '1');
    await storage.delete('invoices', '1');
    await storage.delete('unknown', '1');
    assert.equal(await storage.get('invoices', '1'), null);
    assert.deepEqual(await storage.list('invoices'), [{ total: 13 }]);
    assert.equal(await storage.count('invoices'), 1);
  });

  it('[prune] deletes what was saved before the instant, and answers how many', [], async (storage, time) => {
    await storage.save('old', '1', { n: 1 });
    await storage.save('old', '2', { n: 2 });
    await storage.save('other', '1', { n: 1 });
    await time.pass(2);
    const between = time.now;
    await time.pass(2);
    await storage.save('old', '3', { n: 3 });
    assert.equal(await storage.prune('old', between), 2);
    assert.deepEqual(await storage.list('old'), [{ n: 3 }]);
    assert.deepEqual(await storage.list('other'), [{ n: 1 }]);
    assert.equal(await storage.prune('old', between), 0);
    assert.equal(await storage.prune('unknown', between), 0);
  });

  it('[prune] a record that is saved again is young again', [], async (storage, time) => {
    await storage.save('old', '1', { n: 1 });
    await storage.save('old', '2', { n: 2 });
    await time.pass(2);
    const between = time.now;
    await time.pass(2);
    await storage.save('old', '1', { n: 10 });
    assert.equal(await storage.prune('old', between), 1);
    assert.deepEqual(await storage.list('old'), [{ n: 10 }]);
  });
});

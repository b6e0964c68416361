import assert from 'node:assert/strict';
import type { IStorageEngine } from '../../kernel/ports/storage.js';
import { adapterSuite } from '../adapter-suite.js';

export const bulkCases = adapterSuite<IStorageEngine>('bulk', (it) => {
  it('[bulk] bulkSave saves and replaces', ['bulkSave'], async (storage) => {
    await storage.save('people', 'a', { n: 0, old: true });
    await storage.bulkSave('people', [
      { id: 'a', data: { n: 1 } },
      { id: 'b', data: { n: 2 } },
    ]);
    await storage.bulkSave('people', []);
    assert.deepEqual(await storage.get('people', 'a'), { n: 1 });
    assert.deepEqual(await storage.get('people', 'b'), { n: 2 });
    assert.equal(await storage.count('people'), 2);
  });

  it('[bulk] bulkSave keeps copies', ['bulkSave'], async (storage) => {
    const data = { tags: ['a'] };
    await storage.bulkSave('people', [{ id: 'a', data }]);
    data.tags.push('b');
    assert.deepEqual(await storage.get('people', 'a'), { tags: ['a'] });
  });

  it('[bulk] bulkSave takes hundreds of records', ['bulkSave'], async (storage) => {
    const items = Array.from({ length: 700 }, (_, i) => ({ id: `p${i}`, data: { n: i } }));
    await storage.bulkSave('people', items);
    assert.equal(await storage.count('people'), 700);
    assert.deepEqual(await storage.get('people', 'p699'), { n: 699 });
  });

  it('[bulk] bulkGet answers in the order of the ids, null for what is not there', ['bulkGet'], async (storage) => {
    await storage.save('people', 'a', { n: 1 });
    await storage.save('people', 'b', { n: 2 });
    const found = await storage.bulkGet('people', ['b', 'unknown', 'a', 'b']);
    assert.deepEqual(found, [{ n: 2 }, null, { n: 1 }, { n: 2 }]);
    assert.deepEqual(await storage.bulkGet('people', []), []);
    assert.deepEqual(await storage.bulkGet('unknown', ['a']), [null]);
  });

  it('[bulk] bulkDelete deletes the ids that are there', ['bulkDelete'], async (storage) => {
    for (const id of ['a', 'b', 'c']) await storage.save('people', id, { id });
    await storage.bulkDelete('people', ['a', 'unknown', 'c', 'a']);
    await storage.bulkDelete('people', []);
    await storage.bulkDelete('unknown', ['b']);
    assert.deepEqual(await storage.list('people'), [{ id: 'b' }]);
  });
});

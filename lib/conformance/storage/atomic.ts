import assert from 'node:assert/strict';
import type { IStorageEngine } from '../../kernel/ports/storage.js';
import { adapterSuite } from '../adapter-suite.js';

/** Runs `count` calls at once. */
function atOnce<T>(count: number, run: (i: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => run(i)));
}

export const atomicCases = adapterSuite<IStorageEngine>('atomic', (it) => {
  it('[absent] saves once and leaves what stands', ['saveIfAbsent'], async (storage) => {
    assert.equal(await storage.saveIfAbsent('jobs', '1', { by: 'a' }), true);
    assert.equal(await storage.saveIfAbsent('jobs', '1', { by: 'b' }), false);
    assert.deepEqual(await storage.get('jobs', '1'), { by: 'a' });
    assert.equal(await storage.saveIfAbsent('other', '1', { by: 'c' }), true);
    await storage.delete('jobs', '1');
    assert.equal(await storage.saveIfAbsent('jobs', '1', { by: 'd' }), true);
  });

  it('[absent] of 20 at once exactly one saves', ['saveIfAbsent'], async (storage) => {
    const saved = await atOnce(20, (i) => storage.saveIfAbsent('jobs', '1', { by: i }));
    assert.equal(saved.filter(Boolean).length, 1);
    assert.deepEqual(await storage.get('jobs', '1'), { by: saved.indexOf(true) });
  });

  it('[increment] counts from 0, up and down, and keeps the other fields', ['increment'], async (storage) => {
    assert.equal(await storage.increment('counters', '1', 'n', 5), 5);
    assert.equal(await storage.increment('counters', '1', 'n', -7), -2);
    await storage.save('counters', '2', { name: 'visits', n: 10 });
    assert.equal(await storage.increment('counters', '2', 'n', 1), 11);
    assert.equal(await storage.increment('counters', '2', 'm', 3), 3);
    assert.deepEqual(await storage.get('counters', '2'), { name: 'visits', n: 11, m: 3 });
  });

  it('[increment] of 50 at once none is lost', ['increment'], async (storage) => {
    const answers = await atOnce(50, () => storage.increment('counters', '1', 'n', 1));
    assert.equal(new Set(answers).size, 50);
    assert.equal((await storage.get<{ n: number }>('counters', '1'))?.n, 50);
  });

  it('[compare] sets only while the field is as expected', ['compareAndSet'], async (storage) => {
    await storage.save('jobs', '1', { fence: 1, state: 'waiting' });
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', 2, { fence: 3 }), false);
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', '1', { fence: 3 }), false);
    assert.deepEqual(await storage.get('jobs', '1'), { fence: 1, state: 'waiting' });
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', 1, { fence: 2 }), true);
    assert.deepEqual(await storage.get('jobs', '1'), { fence: 2 });
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', 1, { fence: 9 }), false);
  });

  it('[compare] never brings a record into being', ['compareAndSet'], async (storage) => {
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', 1, { fence: 2 }), false);
    assert.equal(await storage.compareAndSet('jobs', '1', 'fence', null, { fence: 2 }), false);
    assert.equal(await storage.get('jobs', '1'), null);
  });

  it('[compare] null expects a field that is null or missing', ['compareAndSet'], async (storage) => {
    await storage.save('jobs', '1', { owner: null });
    await storage.save('jobs', '2', { state: 'waiting' });
    await storage.save('jobs', '3', { owner: 'a' });
    assert.equal(await storage.compareAndSet('jobs', '1', 'owner', null, { owner: 'b' }), true);
    assert.equal(await storage.compareAndSet('jobs', '2', 'owner', null, { owner: 'b' }), true);
    assert.equal(await storage.compareAndSet('jobs', '3', 'owner', null, { owner: 'b' }), false);
  });

  it('[compare] of 20 at once exactly one sets', ['compareAndSet'], async (storage) => {
    await storage.save('jobs', '1', { fence: 1 });
    const set = await atOnce(20, (i) => storage.compareAndSet('jobs', '1', 'fence', 1, { fence: 2, by: i }));
    assert.equal(set.filter(Boolean).length, 1);
    assert.deepEqual(await storage.get('jobs', '1'), { fence: 2, by: set.indexOf(true) });
  });

  it('[compare] many are compared one by one', ['bulkCompareAndSet'], async (storage) => {
    await storage.save('jobs', '1', { fence: 1 });
    await storage.save('jobs', '2', { fence: 2 });
    const set = await storage.bulkCompareAndSet('jobs', 'fence', [
      { id: '1', expected: 1, data: { fence: 10 } },
      { id: '2', expected: 1, data: { fence: 20 } },
      { id: '3', expected: 1, data: { fence: 30 } },
    ]);
    assert.deepEqual(set, [true, false, false]);
    assert.deepEqual(await storage.get('jobs', '1'), { fence: 10 });
    assert.deepEqual(await storage.get('jobs', '2'), { fence: 2 });
    assert.equal(await storage.get('jobs', '3'), null);
    assert.deepEqual(await storage.bulkCompareAndSet('jobs', 'fence', []), []);
  });
});

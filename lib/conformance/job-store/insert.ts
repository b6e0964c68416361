import assert from 'node:assert/strict';
import { complete, fail, ids, job, jobs } from '../build.js';
import { suite } from '../suite.js';

/** Caller-given ids that are valid and that careless key building, object maps or encodings get wrong. */
const AWKWARD_IDS: readonly string[] = [
  '0',
  '-1',
  '1e3',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'undefined',
  'null',
  'true',
  ':',
  '::',
  'a:b',
  'a}b{c',
  '{a}',
  '*',
  '%00',
  "'; drop table jobs; --",
  '"\\',
  ' ',
  'a b ',
  'A',
  'a',
  'Übung-日本語-🎈',
  // The same letter, composed and decomposed: two different ids.
  '\u00e9',
  'e\u0301',
  'x'.repeat(256),
  '€'.repeat(85),
];

export const insertCases = suite('insert', (it) => {
  it('[insert] a job comes back as it was added', async (p, bench) => {
    const meta = {
      job: { attempts: 3, backoff: { type: 'exponential' as const, delay: 250, maxDelay: 9_000 }, timeoutMs: 1_500 },
      producer: { attempts: 7 },
      correlationId: 'c-1',
      tags: ['red', 'blue'],
      triggeredBy: 'a test',
      parentId: 'parent-1',
    };
    await p.add('mail', job('a', { name: 'welcome', data: '{"to":"x"}', meta, priority: 7, delayMs: 5_000 }));
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.queue, 'mail');
    assert.equal(stored.id, 'a');
    assert.equal(stored.name, 'welcome');
    assert.equal(stored.status, 'delayed');
    assert.equal(stored.data, '{"to":"x"}');
    assert.deepEqual(stored.meta, meta);
    assert.equal(stored.priority, 7);
    assert.equal(stored.createdAt, bench.now);
    assert.equal(stored.runAt, bench.now + 5_000);
  });

  it('[insert] what was not set is absent, not an empty string or null', async (p, bench) => {
    await p.add('mail', job('a'));
    const stored = await bench.stored('mail', 'a');
    const unset = ['data', 'owner', 'startedAt', 'finishedAt', 'result', 'error', 'reason', 'progress'] as const;
    for (const key of [...unset, 'retriedFromId', 'retriedById'] as const) assert.equal(stored[key], undefined, key);
    assert.deepEqual({ ...stored.meta }, {});
    assert.deepEqual([...stored.logs], []);
    assert.deepEqual([...stored.timeline], []);
    assert.equal(stored.status, 'waiting');
    assert.equal(stored.attempt, 0);
    assert.equal(stored.stalledCount, 0);
    assert.equal(stored.fence, 0);
    assert.equal(stored.priority, 0);
    assert.equal(stored.runAt, stored.createdAt);
  });

  it('[insert] the answer names each job with its state, its birth and when it may run', async (p, bench) => {
    const [now, later] = await p.add('mail', job('now'), job('later', { delayMs: 1_000 }));
    assert.deepEqual(
      { ...now },
      { id: 'now', created: true, status: 'waiting', createdAt: bench.now, runAt: bench.now },
    );
    assert.deepEqual(
      { ...later },
      { id: 'later', created: true, status: 'delayed', createdAt: bench.now, runAt: bench.now + 1_000 },
    );
  });

  it('[insert] answers come per group and in order', async (p) => {
    const results = await p.addGroups('mail', [[job('c'), job('a')], [job('b')]]);
    assert.deepEqual(results.map(ids), [['c', 'a'], ['b']]);
  });

  it('[insert] no groups and an empty group are answered with nothing', async (p, bench) => {
    assert.deepEqual(await p.addGroups('mail', []), []);
    assert.deepEqual(await p.addGroups('mail', [[], [job('a')], []]).then((r) => r.map(ids)), [[], ['a'], []]);
    await bench.counts('mail', { waiting: 1 });
  });

  it('[insert] a group of 1 000 is added whole and in order', async (p, bench) => {
    const group = jobs(1_000);
    const results = await p.add('mail', ...group);
    assert.deepEqual(ids(results), ids(group));
    await bench.counts('mail', { waiting: 1_000 });
    assert.deepEqual(ids(await p.take('mail', 1_000)), ids(group));
  });

  it('[insert] an id that exists is not added again and its payload stays', async (p, bench) => {
    await p.add('mail', job('a', { data: '"first"', priority: 1 }));
    const born = bench.now;
    bench.forward(1_000);
    const [again] = await p.add('mail', job('a', { data: '"second"', priority: 9, delayMs: 5_000 }));
    assert.deepEqual({ ...again }, { id: 'a', created: false, status: 'waiting', createdAt: born, runAt: born });
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.data, '"first"');
    assert.equal(stored.priority, 1);
    await bench.counts('mail', { waiting: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[insert] the answer for an id that exists names the state of the job that stands', async (p, bench) => {
    await p.add('mail', job('active'), job('completed'), job('failed'));
    const [, second, third] = await p.take('mail', 3);
    assert.ok(second && third);
    await p.finish('mail', complete(second), fail(third));
    await p.add('mail', job('waiting'), job('cancelled'), job('delayed', { delayMs: 60_000 }));
    await p.cancel('mail', 'cancelled');
    const states = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const;
    const results = await p.add('mail', ...states.map((id) => job(id)));
    assert.deepEqual(
      results.map(({ created, status }) => [created, status]),
      states.map((status) => [false, status]),
    );
    await bench.counts('mail', { waiting: 1, delayed: 1, active: 1, completed: 1, failed: 1, cancelled: 1 });
  });

  it('[insert] an id twice in one group is one job with the first payload', async (p, bench) => {
    const results = await p.add('mail', job('a', { data: '1' }), job('b'), job('a', { data: '2' }));
    assert.deepEqual(
      results.map(({ id, created }) => [id, created]),
      [
        ['a', true],
        ['b', true],
        ['a', false],
      ],
    );
    await bench.counts('mail', { waiting: 2 });
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, data }) => [id, data]),
      [
        ['a', '1'],
        ['b', undefined],
      ],
    );
  });

  it('[insert] an id in two groups of one call is one job', async (p, bench) => {
    const results = await p.addGroups('mail', [[job('a', { data: '1' })], [job('a', { data: '2' }), job('b')]]);
    assert.deepEqual(
      results.map((group) => group.map(({ created }) => created)),
      [[true], [false, true]],
    );
    await bench.counts('mail', { waiting: 2 });
    assert.equal((await bench.stored('mail', 'a')).data, '1');
  });

  it('[insert] an id that exists does not hold up the rest of its group', async (p, bench) => {
    await p.add('mail', job('b'));
    const results = await p.add('mail', job('a'), job('b'), job('c'));
    assert.deepEqual(
      results.map(({ created }) => created),
      [true, false, true],
    );
    await bench.counts('mail', { waiting: 3 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['b', 'a', 'c']);
  });

  it('[insert] an id is free again once its record is removed', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }));
    await p.remove('mail', 'a');
    const [again] = await p.add('mail', job('a', { data: '2' }));
    assert.equal(again?.created, true);
    assert.equal((await bench.stored('mail', 'a')).data, '2');
    await bench.counts('mail', { waiting: 1 });
    assert.deepEqual(ids(await p.take('mail', 10)), ['a']);
  });

  it('[insert] one id lives in two queues independently', async (p, bench) => {
    await p.add('mail', job('a', { data: '"mail"' }));
    const [other] = await p.add('sms', job('a', { data: '"sms"' }));
    assert.equal(other?.created, true);
    await p.finish('sms', complete(await p.takeOne('sms')));
    assert.equal((await bench.stored('mail', 'a')).data, '"mail"');
    assert.equal(await bench.status('mail', 'a'), 'waiting');
    assert.equal(await bench.status('sms', 'a'), 'completed');
  });

  it('[insert] awkward ids stay themselves through the whole life of a job', async (p, bench) => {
    const added = await p.add('mail', ...AWKWARD_IDS.map((id) => job(id, { data: JSON.stringify(id) })));
    assert.deepEqual(
      added.map(({ id, created }) => [id, created]),
      AWKWARD_IDS.map((id) => [id, true]),
    );
    assert.deepEqual(ids(await bench.list('mail', 'waiting', 7)), AWKWARD_IDS);
    const taken = await p.take('mail', 1_000);
    assert.deepEqual(
      taken.map(({ id, data }) => [id, data]),
      AWKWARD_IDS.map((id) => [id, JSON.stringify(id)]),
    );
    assert.deepEqual(
      await p.extend('mail', taken),
      taken.map(() => 'kept'),
    );
    await p.finish('mail', ...taken.map((held) => complete(held, { result: JSON.stringify(held.id) })));
    for (const id of AWKWARD_IDS) {
      const stored = await bench.stored('mail', id);
      assert.equal(stored.id, id);
      assert.equal(stored.result, JSON.stringify(id));
    }
    await bench.counts('mail', { completed: AWKWARD_IDS.length });
    for (const id of AWKWARD_IDS) assert.equal((await p.remove('mail', id)).verdict, 'done');
    await bench.counts('mail', {});
  });

  it('[insert] awkward queue names and ids never share a key', async (p, bench) => {
    const places: readonly (readonly [string, string])[] = [
      ['a', 'b:c'],
      ['a:b', 'c'],
      ['a', 'b'],
      ['a:b', 'b:c'],
      ['__proto__', 'a'],
      ['constructor', 'a'],
      ['A', 'b'],
      ['a/b', 'c'],
      ['a.b', 'c'],
      ['job:a', 'b'],
      ['meta', 'ready'],
      ['q'.repeat(128), 'a'],
    ];
    for (const [queue, id] of places) {
      const [added] = await p.add(queue, job(id, { data: JSON.stringify([queue, id]) }));
      assert.equal(added?.created, true, `${queue} ${id}`);
    }
    for (const [queue, id] of places) {
      const held = await p.takeOne(queue);
      assert.equal(held.id, id);
      assert.equal(held.data, JSON.stringify([queue, id]));
      await p.finish(queue, complete(held));
    }
    for (const [queue, id] of places) assert.equal(await bench.status(queue, id), 'completed');
  });

  it('[insert] awkward job names come back as they were', async (p) => {
    const names = ['default', '__proto__', 'constructor', 'a:b/c@d.e-f_g', 'n'.repeat(128)];
    await p.add('mail', ...names.map((name, i) => job(`id-${i}`, { name })));
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ name }) => name),
      names,
    );
  });
});

import assert from 'node:assert/strict';
import { refused } from '../bench.js';
import { child, complete, fail, ids, job, jobs, LEASE_MS, ref, retry, type JobStatus } from '../build.js';
import type { JobFilter } from '../../kernel/ports/job-admin.js';
import { suite } from '../suite.js';

/** Candidates that a page of a filtered list may look at. */
const PAGE = 1_000;

export const manageCases = suite('manage', (it) => {
  it('[find] by name, tag, correlation, parent and time, and by several at once', async (p, bench) => {
    await p.add('mail', job('a', { name: 'welcome', meta: { tags: ['red', 'blue'], correlationId: 'c-1' } }));
    bench.forward(1_000);
    const from = bench.now;
    await p.add(
      'mail',
      job('b', { name: 'welcome', meta: { tags: ['red'], parentId: 'x' } }),
      job('c', { name: 'bye' }),
    );
    bench.forward(1_000);
    const to = bench.now;
    await p.add('mail', job('d', { meta: { correlationId: 'c-1', parentId: 'x' } }));
    const wanted: readonly (readonly [JobFilter, string])[] = [
      [{}, 'abcd'],
      [{ name: 'welcome' }, 'ab'],
      [{ name: 'Welcome' }, ''],
      [{ tag: 'red' }, 'ab'],
      [{ tag: 'blue' }, 'a'],
      [{ tag: 're' }, ''],
      [{ correlationId: 'c-1' }, 'ad'],
      [{ parentId: 'x' }, 'bd'],
      [{ createdFrom: from }, 'bcd'],
      [{ createdTo: from }, 'a'],
      [{ createdFrom: from, createdTo: to }, 'bc'],
      [{ name: 'welcome', tag: 'red', createdFrom: from }, 'b'],
      [{ correlationId: 'c-1', parentId: 'x' }, 'd'],
      [{ name: 'bye', tag: 'red' }, ''],
    ];
    for (const [filter, expected] of wanted) {
      for (const limit of [1, 2, 100]) {
        const found = await bench.filtered('mail', 'waiting', filter, limit);
        assert.equal(ids(found).join(''), expected, JSON.stringify(filter));
      }
    }
  });

  it('[find] a filter works for every state, in the order of its list', async (p, bench) => {
    const meta = { tags: ['x'] };
    await p.add('mail', job('p'), job('active', { meta }), job('done', { meta }), job('failed', { meta }));
    const [parent, , done, failed] = await p.take('mail', 4);
    assert.ok(parent && done && failed);
    await p.finish('mail', complete(done), fail(failed));
    await p.add('mail', job('waiting', { meta }), job('plain'), job('delayed', { meta, delayMs: 1_000 }));
    await p.add('mail', child('blocked', ['p'], 'block', { meta }), job('cancelled', { meta }));
    await p.cancel('mail', 'cancelled');
    await p.disable('mail');
    await p.add('mail', job('held', { meta }));
    const states: readonly (readonly [JobStatus, string])[] = [
      ['waiting', 'waiting'],
      ['delayed', 'delayed'],
      ['waiting-children', 'blocked'],
      ['paused', 'held'],
      ['active', 'active'],
      ['completed', 'done'],
      ['failed', 'failed'],
      ['cancelled', 'cancelled'],
    ];
    for (const [status, id] of states) {
      assert.deepEqual(ids(await bench.filtered('mail', status, { tag: 'x' })), [id], status);
    }
  });

  it('[find] values that look alike or like code are told apart', async (p, bench) => {
    const values = ['a', 'A', 'a,b', '"', "'; drop table jobs; --", '%', '日本語', '{"a":1}', '', '\\', '*'];
    await p.add(
      'mail',
      ...values.map((value, i) => job(`job-${i}`, { meta: { tags: [value], correlationId: value } })),
    );
    for (const [i, value] of values.entries()) {
      assert.deepEqual(ids(await bench.filtered('mail', 'waiting', { tag: value })), [`job-${i}`], value);
      assert.deepEqual(ids(await bench.filtered('mail', 'waiting', { correlationId: value })), [`job-${i}`], value);
    }
  });

  it('[rule 6] a page of a filtered list looks at 1 000 jobs at most, and says where to go on', async (p, bench) => {
    const all = jobs(2 * PAGE).map((one, i) => (i === PAGE + 400 ? { ...one, name: 'needle' } : one));
    await p.addGroups('mail', [all.slice(0, PAGE), all.slice(PAGE)]);
    const filter = { name: 'needle' };
    const first = await bench.find({ queue: 'mail', status: 'waiting', limit: 10, filter });
    assert.deepEqual(first.jobs, []);
    assert.ok(first.cursor !== undefined, 'an empty page has no cursor although not all was looked at');
    assert.deepEqual(ids(await bench.filtered('mail', 'waiting', filter)), ['job-01400']);
    const many = await bench.filtered('mail', 'waiting', { name: 'default' }, 7);
    assert.equal(many.length, 2 * PAGE - 1);
    assert.equal(new Set(ids(many)).size, many.length);
  });

  it('[find] a walk with a filter is not disturbed by what comes and goes', async (p, bench) => {
    const all = jobs(60).map((one, i) => ({ ...one, name: i % 3 === 0 ? 'pick' : 'skip' }));
    await p.add('mail', ...all);
    const filter = { name: 'pick' };
    const first = await bench.find({ queue: 'mail', status: 'waiting', limit: 5, filter });
    await p.remove('mail', first.jobs[4]?.id ?? '');
    await p.add('mail', job('later', { name: 'pick' }));
    const seen = ids(first.jobs);
    let { cursor } = first;
    while (cursor !== undefined) {
      const page = await bench.find({ queue: 'mail', status: 'waiting', limit: 5, filter, cursor });
      seen.push(...ids(page.jobs));
      ({ cursor } = page);
    }
    // Whether what was added meanwhile is listed depends on where the walk stood.
    assert.deepEqual(
      seen.filter((id) => id !== 'later'),
      ids(all.filter(({ name }) => name === 'pick')),
    );
  });

  it('[locate] names the queues that hold a job of an id', async (p, bench) => {
    for (const queue of ['b', 'a', 'B', 'c']) await p.add(queue, job('everywhere'), job(`only-${queue}`));
    await p.add('c', job('gone'));
    await p.remove('c', 'gone');
    await p.finish('b', complete(await p.takeOne('b')));
    assert.deepEqual(await bench.admin.locate(['only-a', 'nobody', 'everywhere', 'gone', 'only-B'], bench.at), [
      ['a'],
      [],
      ['B', 'a', 'b', 'c'],
      [],
      ['B'],
    ]);
    assert.deepEqual(await bench.admin.locate([], bench.at), []);
    for (const id of ['__proto__', 'constructor', '']) assert.deepEqual(await bench.admin.locate([id], bench.at), [[]]);
  });

  it('[locate] asks for 1 000 ids at once', async (p, bench) => {
    const all = jobs(PAGE);
    await p.add('mail', ...all.slice(0, 500));
    await p.add('sms', ...all.slice(400));
    const found = await bench.admin.locate(ids(all), bench.at);
    assert.deepEqual(
      found.map((queues) => queues.join()),
      all.map((_, i) => (i < 400 ? 'mail' : i < 500 ? 'mail,sms' : 'sms')),
    );
  });

  it('[updateData] gives a job that has not started another payload', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }), job('b', { data: '1', delayMs: 1_000 }), job('c', { data: '1' }));
    assert.deepEqual(await p.updateData('mail', 'a', '{"n":[]}'), { verdict: 'done' });
    assert.deepEqual(await p.updateData('mail', 'b', undefined), { verdict: 'done' });
    assert.ok((await bench.stored('mail', 'a')).timeline.some(({ event }) => event === 'updated'));
    await bench.counts('mail', { waiting: 2, delayed: 1 });
    bench.forward(1_000);
    assert.deepEqual(
      (await p.take('mail', 10)).map(({ id, data }) => [id, data]),
      [
        ['a', '{"n":[]}'],
        ['c', '1'],
        ['b', undefined],
      ],
    );
  });

  it('[updateData] a running or finished job is refused, an unknown one unknown', async (p, bench) => {
    await p.add('mail', job('done', { data: '1' }), job('active', { data: '1' }));
    const [done] = await p.take('mail', 2);
    assert.ok(done);
    await p.finish('mail', complete(done));
    assert.deepEqual(await p.updateData('mail', 'done', '2'), { verdict: 'refused', status: 'completed' });
    assert.deepEqual(await p.updateData('mail', 'active', '2'), { verdict: 'refused', status: 'active' });
    assert.deepEqual(await p.updateData('mail', 'nobody', '2'), { verdict: 'unknown' });
    for (const id of ['done', 'active']) assert.equal((await bench.stored('mail', id)).data, '1');
  });

  it('[rule 4] a resent updateData does not undo a later one', async (p, bench) => {
    await p.add('mail', job('a', { data: '1' }));
    const call = p.call('mail');
    await bench.admin.updateData(call, 'mail', 'a', '2', bench.at);
    await bench.process('other').updateData('mail', 'a', '3');
    assert.deepEqual(await bench.admin.updateData(call, 'mail', 'a', '2', bench.at), { verdict: 'done' });
    assert.equal((await bench.stored('mail', 'a')).data, '3');
  });

  it('[declare] records the highest version and says from which it was raised', async (p, bench) => {
    assert.equal((await p.declare('mail', {})).version, 0);
    const first = await p.declare('mail', { version: 2 });
    assert.deepEqual([first.version, first.upgradedFrom], [2, undefined]);
    const same = await p.declare('mail', { version: 2 });
    assert.deepEqual([same.version, same.upgradedFrom], [2, undefined]);
    const raised = await bench.process('other').declare('mail', { version: 5 });
    assert.deepEqual([raised.version, raised.upgradedFrom], [5, 2]);
    const lower = await p.declare('mail', { version: 3 });
    assert.deepEqual([lower.version, lower.upgradedFrom], [5, undefined]);
    const silent = await p.declare('mail', {});
    assert.deepEqual([silent.version, silent.upgradedFrom], [5, undefined]);
    assert.equal((await bench.admin.record('mail', bench.at))?.version, 5);
  });

  it('[declare] a raised version undoes no pause, and a refused declaration records nothing', async (p, bench) => {
    await p.declare('mail', { strategy: 'fifo', version: 1 });
    await p.pause('mail');
    assert.equal((await p.declare('mail', { version: 2, paused: false })).paused, true);
    await refused(
      'STRATEGY_MISMATCH',
      p.declare('mail', { strategy: 'lifo', version: 9, disabledBehavior: 'skip', maxHeldJobs: 1 }),
    );
    const record = await bench.admin.record('mail', bench.at);
    assert.deepEqual([record?.version, record?.disabledBehavior, record?.maxHeldJobs], [2, 'hold', 10_000]);
  });

  it('[rule 4] a resent declaration answers the same', async (p, bench) => {
    await p.declare('mail', { version: 1 });
    const call = p.call('mail');
    const first = await bench.admin.declare(call, 'mail', { version: 2 }, bench.at);
    await bench.process('other').declare('mail', { version: 3 });
    assert.deepEqual(await bench.admin.declare(call, 'mail', { version: 2 }, bench.at), first);
    assert.equal(first.upgradedFrom, 1);
  });

  it('[verify] walks a queue in pages, looks at every job and finds a sound queue sound', async (p, bench) => {
    await p.add('mail', job('p'), ...jobs(20), job('late', { delayMs: 1_000 }));
    await p.add('sms', child('c', ['p']), child('d', ['p'], 'ignore'));
    const [, a, b, c] = await p.take('mail', 5);
    assert.ok(a && b && c);
    await p.finish('mail', complete(a), fail(b), retry(c, 5_000));
    await p.cancel('mail', 'job-00010');
    for (const limit of [1, 2, 5, 22, 1_000]) {
      assert.deepEqual(await bench.verify('mail', limit), { problems: [], checked: 22 }, `limit ${limit}`);
      assert.deepEqual(await bench.verify('sms', limit), { problems: [], checked: 2 }, `limit ${limit}`);
    }
    assert.deepEqual(await bench.verify('unused'), { problems: [], checked: 0 });
  });

  it('[verify] changes nothing, not even what is due', async (p, bench) => {
    await p.add('mail', job('a'), job('b', { delayMs: 10 }));
    await p.takeOne('mail');
    bench.forward(LEASE_MS);
    await bench.verify('mail', 1);
    await bench.counts('mail', { active: 1, delayed: 1 });
  });

  it('[verify] refuses a cursor that no page gave', async (p, bench) => {
    await p.add('mail', ...jobs(3));
    for (const cursor of ['garbage', '{}', '%%%', "' or 1=1 --"]) {
      await refused('INVALID_OPTIONS', bench.admin.verify({ queue: 'mail', limit: 10, cursor }, bench.at));
    }
  });

  it('[verify] parents that are gone or have failed are in order where the policy lets a job wait', async (p, bench) => {
    await p.add('mail', job('gone'), job('failed'), job('stopped'));
    for (const id of ['gone', 'failed', 'stopped']) await p.add('sms', child(`c-${id}`, [id]));
    await p.remove('mail', 'gone');
    await p.finish('mail', fail(await p.takeOne('mail')));
    await p.cancel('mail', 'stopped');
    await bench.counts('sms', { 'waiting-children': 3 });
    assert.deepEqual(await bench.verify('sms', 1), { problems: [], checked: 3 });
    assert.deepEqual(await bench.verify('mail', 1), { problems: [], checked: 2 });
  });

  it('[notes] children of a running job are recorded once each, fenced like every note', async (p, bench) => {
    await p.add('mail', job('a'), child('dependant', ['a']));
    const held = await p.takeOne('mail');
    const children = [{ queue: 'sms', id: 'x' }, ref('y')];
    const note = { queue: 'mail', id: 'a', fence: held.fence, children };
    await bench.store.annotate([note], bench.at);
    await bench.store.annotate([note, { ...note, children: [ref('dependant')] }], bench.at);
    await bench.store.annotate([{ ...note, fence: held.fence - 1, children: [ref('stale')] }], bench.at);
    await p.finish('mail', complete(held, { note: { children: [ref('last'), ref('y')] } }));
    await bench.store.annotate([{ ...note, children: [ref('late')] }], bench.at);
    const stored = await bench.stored('mail', 'a');
    assert.deepEqual(stored.children, [ref('dependant'), ...children, ref('last')]);
    assert.equal(stored.progress, undefined);
  });

  it('[notes] of many children the first 1 000 are recorded', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    const all = jobs(1_200).map(({ id }) => ({ queue: 'sms', id }));
    const note = { queue: 'mail', id: 'a', fence: held.fence };
    await bench.store.annotate([{ ...note, children: all.slice(0, 700) }], bench.at);
    await p.finish('mail', complete(held, { note: { children: all.slice(700) } }));
    assert.deepEqual((await bench.stored('mail', 'a')).children, all.slice(0, 1_000));
  });

  it('[notes] a child that was only noted holds up nobody and is told nothing', async (p, bench) => {
    await p.add('mail', job('a'));
    await p.add('sms', job('x'));
    const held = await p.takeOne('mail');
    await p.finish('mail', fail(held, { note: { children: [{ queue: 'sms', id: 'x' }] } }));
    assert.equal(await bench.status('sms', 'x'), 'waiting');
    assert.equal((await bench.stored('sms', 'x')).parents, undefined);
    await p.remove('mail', 'a');
    assert.deepEqual(ids(await p.take('sms', 10)), ['x']);
  });
});

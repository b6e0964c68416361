import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { child, complete, fail, ids, job, keeping, keyed, KEEP_NONE, retry, type DeduplicationMode } from '../build.js';
import type { NewJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const MODES: readonly DeduplicationMode[] = ['while-unfinished', 'throttle', 'debounce', 'replace', 'keep-last'];
/** Modes whose key is free again once its job has ended. */
const FREED = MODES.filter((mode) => mode !== 'throttle');

/** A job with the key; a throttle needs a time to hold for. */
function dedup(id: string, mode: DeduplicationMode, overrides: Partial<NewJob> & { ttlMs?: number } = {}): NewJob {
  return keyed(id, mode, { ...(mode === 'throttle' && { ttlMs: 3_600_000 }), ...overrides });
}

/** Adds one job; answers the id that stands and whether it was made. */
async function add(p: Process, input: NewJob, queue = 'mail'): Promise<[string, boolean]> {
  const [added] = await p.add(queue, input);
  assert.ok(added, 'enqueue answered nothing');
  return [added.id, added.created];
}

/** Ways in which a job ends. */
const ENDS: readonly (readonly [string, (p: Process, bench: Bench) => Promise<unknown>])[] = [
  ['completed', async (p) => p.finish('mail', complete(await p.takeOne('mail')))],
  ['failed', async (p) => p.finish('mail', fail(await p.takeOne('mail')))],
  [
    'completed and was removed',
    async (p) => p.finish('mail', complete(await p.takeOne('mail', { policy: keeping({ completed: KEEP_NONE }) }))),
  ],
  ['was cancelled', (p) => p.cancel('mail', 'a')],
  ['was removed', (p) => p.remove('mail', 'a')],
  ['was obliterated', (p) => p.obliterate('mail')],
];

export const dedupCases = suite('dedup', (it) => {
  for (const mode of MODES) {
    it(`[dedup] ${mode}: a second add of the key creates nothing and names the job that stands`, async (p, bench) => {
      const born = bench.now;
      assert.deepEqual(await add(p, dedup('a', mode, { data: '1', delayMs: 5_000 })), ['a', true]);
      bench.forward(1_000);
      const [again] = await p.add('mail', dedup('b', mode, { data: '2', delayMs: 5_000 }));
      assert.equal(again?.id, 'a');
      assert.equal(again.created, false);
      assert.equal(again.status, 'delayed');
      assert.equal(again.createdAt, born);
      assert.equal(again.runAt, mode === 'debounce' ? bench.now + 5_000 : born + 5_000);
      assert.equal(await bench.get('mail', 'b'), undefined);
      await bench.counts('mail', { delayed: 1 });
      const stored = await bench.stored('mail', 'a');
      assert.equal(stored.dedupKey, 'k');
      assert.equal(stored.data, mode === 'while-unfinished' || mode === 'throttle' ? '1' : '2');
    });

    it(`[dedup] ${mode}: keys are of one queue, and different keys are different jobs`, async (p, bench) => {
      assert.deepEqual(await add(p, dedup('a', mode)), ['a', true]);
      assert.deepEqual(await add(p, dedup('a', mode), 'sms'), ['a', true]);
      const other = { key: 'K', mode, ...(mode === 'throttle' && { ttlMs: 1_000 }) };
      assert.deepEqual(await add(p, job('b', { dedup: other })), ['b', true]);
      assert.deepEqual(await add(p, job('c')), ['c', true]);
      await bench.counts('mail', { waiting: 3 });
      await bench.counts('sms', { waiting: 1 });
      assert.equal((await bench.stored('mail', 'c')).dedupKey, undefined);
    });

    it(`[dedup] ${mode}: holds within one group and over the groups of one call`, async (p, bench) => {
      const results = await p.addGroups('mail', [
        [dedup('a', mode, { data: '1' }), job('x'), dedup('b', mode, { data: '2' })],
        [dedup('c', mode, { data: '3' })],
      ]);
      assert.deepEqual(
        results.flat().map(({ id, created }) => [id, created]),
        [
          ['a', true],
          ['x', true],
          ['a', false],
          ['a', false],
        ],
      );
      await bench.counts('mail', { waiting: 2 });
      const last = mode === 'while-unfinished' || mode === 'throttle' ? '1' : '3';
      assert.equal((await bench.stored('mail', 'a')).data, last);
      assert.deepEqual(ids(await p.take('mail', 10)), mode === 'debounce' ? ['x', 'a'] : ['a', 'x']);
    });

    it(`[dedup] ${mode}: an id that exists is looked at before the key`, async (p, bench) => {
      await p.add('mail', job('b', { data: '"b"' }), dedup('a', mode, { data: '"a"' }));
      assert.deepEqual(await add(p, dedup('b', mode, { data: '"new"' })), ['b', false]);
      assert.equal((await bench.stored('mail', 'a')).data, '"a"');
      assert.equal((await bench.stored('mail', 'b')).data, '"b"');
    });

    it(`[dedup] ${mode}: a resent add answers the same and changes nothing`, async (p, bench) => {
      await add(p, dedup('a', mode, { data: '1', delayMs: 1_000 }));
      const call = p.call('mail');
      const groups = [[dedup('b', mode, { data: '2', delayMs: 1_000 })]];
      const first = await bench.store.enqueue(call, 'mail', groups, bench.at);
      await add(bench.process('other'), dedup('c', mode, { data: '3', delayMs: 1_000 }));
      const before = await bench.stored('mail', 'a');
      bench.forward(500);
      assert.deepEqual(await bench.store.enqueue(call, 'mail', groups, bench.at), first);
      assert.deepEqual(await bench.stored('mail', 'a'), before);
      await bench.counts('mail', { delayed: 1 });
    });

    it(`[dedup] ${mode}: 50 adds of one key by many processes at once create one job`, async (p, bench) => {
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, i) => add(bench.process(`adder-${i % 5}`), dedup(`job-${i}`, mode))),
      );
      const created = results.filter(([, made]) => made);
      assert.equal(created.length, 1);
      assert.ok(results.every(([id]) => id === created[0]?.[0]));
      await bench.counts('mail', { waiting: 1 });
      assert.equal((await p.take('mail', 10)).length, 1);
    });
  }

  for (const mode of FREED) {
    for (const [how, end] of ENDS) {
      it(`[dedup] ${mode}: the key is free once its job ${how}`, async (p, bench) => {
        await add(p, dedup('a', mode));
        await end(p, bench);
        assert.deepEqual(await add(p, dedup('b', mode)), ['b', true]);
        assert.deepEqual(await add(p, dedup('c', mode)), ['b', false]);
        assert.deepEqual(ids(await p.take('mail', 10)), ['b']);
      });
    }

    it(`[dedup] ${mode}: a job that ended before does not free the key of a later one`, async (p) => {
      await add(p, dedup('a', mode));
      await p.cancel('mail', 'a');
      await add(p, dedup('b', mode));
      await p.remove('mail', 'a');
      assert.deepEqual(await add(p, dedup('c', mode)), ['b', false]);
    });
  }

  for (const mode of ['while-unfinished', 'replace', 'keep-last'] as const) {
    it(`[dedup] ${mode}: the key is forgotten when its time is over, and no earlier`, async (p, bench) => {
      await add(p, keyed('a', mode, { ttlMs: 1_000 }));
      bench.forward(999);
      assert.deepEqual(await add(p, keyed('b', mode, { ttlMs: 1_000 })), ['a', false]);
      bench.forward(1);
      assert.deepEqual(await add(p, keyed('c', mode, { ttlMs: 1_000 })), ['c', true]);
      await bench.counts('mail', { waiting: 2 });
      await p.finish('mail', complete(await p.takeOne('mail')));
      assert.deepEqual(await add(p, keyed('d', mode, { ttlMs: 1_000 })), ['c', false]);
    });
  }

  it('[dedup] while-unfinished: a job that runs, waits for its retry or for parents stands', async (p) => {
    await add(p, keyed('a', 'while-unfinished'));
    const held = await p.takeOne('mail');
    assert.deepEqual(await add(p, keyed('b', 'while-unfinished')), ['a', false]);
    await p.finish('mail', retry(held, 1_000));
    assert.deepEqual(await add(p, keyed('b', 'while-unfinished')), ['a', false]);
    await p.add('mail', child('c', ['a'], 'block', { dedup: { key: 'other', mode: 'while-unfinished' } }));
    assert.deepEqual(await add(p, keyed('d', 'while-unfinished', { key: 'other' })), ['c', false]);
  });

  for (const [how, end] of ENDS) {
    it(`[dedup] throttle: the first stands for its time although it ${how}`, async (p, bench) => {
      await add(p, keyed('a', 'throttle', { ttlMs: 5_000 }));
      await end(p, bench);
      bench.forward(4_999);
      assert.deepEqual(await add(p, keyed('b', 'throttle', { ttlMs: 5_000 })), ['a', false]);
      assert.equal(await bench.get('mail', 'b'), undefined);
      bench.forward(1);
      assert.deepEqual(await add(p, keyed('c', 'throttle', { ttlMs: 5_000 })), ['c', true]);
    });
  }

  it('[dedup] throttle: the time is not counted anew by adds that were dropped, and is over for an unfinished job too', async (p, bench) => {
    await add(p, keyed('a', 'throttle', { ttlMs: 1_000 }));
    bench.forward(900);
    assert.deepEqual(await add(p, keyed('b', 'throttle', { ttlMs: 1_000 })), ['a', false]);
    bench.forward(100);
    assert.deepEqual(await add(p, keyed('c', 'throttle', { ttlMs: 1_000 })), ['c', true]);
    await bench.counts('mail', { waiting: 2 });
  });

  it('[dedup] throttle: many keys, their times are their own', async (p, bench) => {
    const all = Array.from({ length: 50 }, (_, i) =>
      keyed(`a-${i}`, 'throttle', { key: `k-${i}`, ttlMs: 1_000 + i * 10 }),
    );
    await p.add('mail', ...all);
    bench.forward(1_250);
    await bench.sweep();
    const again = await p.add(
      'mail',
      ...all.map((_, i) => keyed(`b-${i}`, 'throttle', { key: `k-${i}`, ttlMs: 1_000 })),
    );
    assert.deepEqual(
      again.map(({ created }) => created),
      all.map((_, i) => i <= 25),
    );
  });

  it('[dedup] debounce: the last content counts, and the delay runs anew from the last add', async (p, bench) => {
    const meta = { tags: ['last'] };
    await add(p, keyed('a', 'debounce', { name: 'one', data: '1', delayMs: 1_000, priority: 3 }));
    bench.forward(900);
    await add(p, keyed('b', 'debounce', { name: 'two', data: '2', delayMs: 1_000, meta }));
    bench.forward(900);
    assert.deepEqual(await p.take('mail'), []);
    assert.deepEqual(await add(p, keyed('c', 'debounce', { name: 'three', meta, delayMs: 500 })), ['a', false]);
    bench.forward(499);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    const held = await p.takeOne('mail');
    assert.deepEqual([held.id, held.name, held.data, held.meta], ['a', 'three', undefined, meta]);
    assert.equal(held.attempt, 1);
  });

  for (const mode of ['debounce', 'replace'] as const) {
    it(`[dedup] ${mode}: a job that runs already keeps its content, and the newest becomes a job`, async (p, bench) => {
      await add(p, keyed('a', mode, { data: '1' }));
      const held = await p.takeOne('mail');
      assert.deepEqual(await add(p, keyed('b', mode, { data: '2' })), ['b', true]);
      assert.deepEqual(await add(p, keyed('c', mode, { data: '3' })), ['b', false]);
      assert.equal((await bench.stored('mail', 'a')).data, '1');
      assert.equal((await p.takeOne('mail')).data, '3');
      await p.finish('mail', complete(held));
      assert.deepEqual(await add(p, keyed('d', mode)), ['d', true]);
    });
  }

  for (const mode of ['replace', 'keep-last'] as const) {
    it(`[dedup] ${mode}: the content changes, place, delay and priority stay`, async (p, bench) => {
      const meta = { correlationId: 'c-2' };
      await p.declare('mail', { strategy: 'priority' });
      await p.add('mail', keyed('a', mode, { data: '1', priority: 5 }), job('b', { priority: 5 }));
      assert.deepEqual(await add(p, keyed('c', mode, { name: 'new', data: '2', meta, priority: 1, delayMs: 9_000 })), [
        'a',
        false,
      ]);
      await bench.counts('mail', { waiting: 2 });
      const [a, b] = await p.take('mail', 10);
      assert.deepEqual([a?.id, b?.id], ['a', 'b']);
      assert.deepEqual([a?.name, a?.data, a?.meta, a?.priority], ['new', '2', meta, 5]);
    });

    it(`[dedup] ${mode}: a delayed job stays delayed for as long as before`, async (p, bench) => {
      await add(p, keyed('a', mode, { delayMs: 1_000 }));
      bench.forward(600);
      await add(p, keyed('b', mode, { data: '2' }));
      bench.forward(399);
      assert.deepEqual(await p.take('mail'), []);
      bench.forward(1);
      assert.equal((await p.takeOne('mail')).data, '2');
    });
  }

  for (const mode of ['debounce', 'replace', 'keep-last'] as const) {
    it(`[dedup] ${mode}: a job that waits for parents gets the content and goes on waiting`, async (p, bench) => {
      await p.add('mail', job('p'));
      await p.add('mail', child('a', ['p'], 'block', { data: '1', dedup: { key: 'k', mode } }));
      assert.deepEqual(await add(p, keyed('b', mode, { data: '2', delayMs: 1_000 })), ['a', false]);
      assert.equal(await bench.status('mail', 'a'), 'waiting-children');
      await p.finish('mail', complete(await p.takeOne('mail')));
      bench.forward(1_000);
      assert.equal((await p.takeOne('mail')).data, '2');
    });

    it(`[dedup] ${mode}: a group that is refused changes no job that stands`, async (p, bench) => {
      await add(p, keyed('a', mode, { data: '1', delayMs: 1_000 }));
      const before = await bench.stored('mail', 'a');
      bench.forward(100);
      const results = await p.add('mail', keyed('b', mode, { data: '2', delayMs: 1_000 }), child('c', ['nobody']));
      assert.ok(results.every(({ refused }) => refused?.why === 'unknown-parent'));
      assert.deepEqual(await bench.stored('mail', 'a'), before);
    });
  }

  it('[dedup] a job that is added as failed holds no key, not even for the rest of its group', async (p, bench) => {
    await p.add('sms', job('p'));
    await p.finish('sms', fail(await p.takeOne('sms')));
    const dedupKey = { key: 'k', mode: 'replace' as const };
    const strict = child('a', [{ queue: 'sms', id: 'p' }], 'cascade-fail', { dedup: dedupKey });
    const added = await p.add('mail', strict, keyed('b', 'replace'), keyed('c', 'replace', { data: '3' }));
    assert.deepEqual(
      added.map(({ id, created, status }) => [id, created, status]),
      [
        ['a', true, 'failed'],
        ['b', true, 'waiting'],
        ['b', false, 'waiting'],
      ],
    );
    const again = { ...strict, id: 'd', dedup: { key: 'other', mode: 'replace' as const } };
    const refused = await p.add('mail', again, child('e', ['nobody'], 'block', { dedup: again.dedup }));
    assert.ok(refused.every((one) => one.refused?.why === 'unknown-parent'));
    await bench.counts('mail', { failed: 1, waiting: 1 });
  });
});

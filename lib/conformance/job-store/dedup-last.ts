import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import {
  child,
  complete,
  fail,
  ids,
  job,
  keyed,
  LEASE_MS,
  policy,
  ref,
  release,
  retry,
  type JobStatus,
} from '../build.js';
import type { ClaimedJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** `a` runs; `b` has the same key and is the newest. */
async function successor(
  p: Process,
  bench: Bench,
  options: { delayMs?: number; rules?: ReturnType<typeof policy> } = {},
): Promise<ClaimedJob> {
  await p.add('mail', keyed('a', 'keep-last', { data: '1' }));
  const held = await p.takeOne('mail', options.rules ? { policy: options.rules } : {});
  const [added] = await p.add('mail', keyed('b', 'keep-last', { data: '2', delayMs: options.delayMs ?? 0 }));
  assert.deepEqual([added?.id, added?.created, added?.status], ['b', true, 'waiting-children']);
  assert.equal(await bench.status('mail', 'b'), 'waiting-children');
  return held;
}

/** Ways in which the job that runs ends. */
const ENDS: readonly (readonly [string, (p: Process, bench: Bench, held: ClaimedJob) => Promise<unknown>])[] = [
  ['has completed', (p, _bench, held) => p.finish('mail', complete(held))],
  ['has failed', (p, _bench, held) => p.finish('mail', fail(held))],
  ['was cancelled', (p) => p.cancel('mail', 'a')],
  [
    'has crashed',
    async (_p, bench) => {
      bench.forward(LEASE_MS);
      await bench.sweep();
    },
  ],
];

export const dedupLastCases = suite('dedup-last', (it) => {
  for (const [how, end] of ENDS) {
    it(`[dedup] keep-last: the newest waits until the one that runs ${how}`, async (p, bench) => {
      const held = await successor(p, bench, { rules: policy({ guaranteedWorker: false }) });
      assert.deepEqual(await p.take('mail', 10), []);
      await bench.counts('mail', { active: 1, 'waiting-children': 1 });
      await end(p, bench, held);
      assert.equal(await bench.status('mail', 'b'), 'waiting');
      const next = await p.takeOne('mail');
      assert.deepEqual([next.id, next.data], ['b', '2']);
    });
  }

  it('[dedup] keep-last: obliterate with force frees the key', async (p, bench) => {
    await successor(p, bench);
    assert.equal(await p.obliterate('mail', { limit: 10, force: true }), 2);
    const [added] = await p.add('mail', keyed('c', 'keep-last'));
    assert.deepEqual([added?.id, added?.created, added?.status], ['c', true, 'waiting']);
  });

  it('[dedup] keep-last: an attempt that is repeated, handed back or lost ends nothing', async (p, bench) => {
    await p.finish('mail', retry(await successor(p, bench), 1_000));
    const waits = async (): Promise<void> => assert.equal(await bench.status('mail', 'b'), 'waiting-children');
    await waits();
    bench.forward(1_000);
    await p.finish('mail', release(await p.takeOne('mail')));
    await waits();
    await p.takeOne('mail');
    bench.forward(LEASE_MS);
    assert.equal((await bench.sweep()).length, 1);
    await waits();
    await p.finish('mail', fail(await p.takeOne('mail')));
    assert.equal(await bench.status('mail', 'b'), 'waiting');
  });

  it('[dedup] keep-last: of those that wait only the newest content is kept', async (p, bench) => {
    const held = await successor(p, bench);
    const [third] = await p.add('mail', keyed('c', 'keep-last', { name: 'last', data: '3', meta: { tags: ['x'] } }));
    assert.deepEqual([third?.id, third?.created], ['b', false]);
    await p.finish('mail', complete(held));
    const next = await p.takeOne('mail');
    assert.deepEqual([next.id, next.name, next.data, next.meta], ['b', 'last', '3', { tags: ['x'] }]);
    assert.equal(await bench.get('mail', 'c'), undefined);
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[dedup] keep-last: what one waits for by its key is shown to nobody as a parent', async (p, bench) => {
    const held = await successor(p, bench);
    assert.equal((await bench.stored('mail', 'b')).parents, undefined);
    assert.deepEqual((await bench.stored('mail', 'a')).children ?? [], []);
    await p.finish('mail', fail(held));
    const next = await p.takeOne('mail');
    assert.equal(next.parents, undefined);
    assert.equal((await bench.stored('mail', 'b')).parents, undefined);
  });

  it('[dedup] keep-last: the newest has its own delay, counted from its add', async (p, bench) => {
    const held = await successor(p, bench, { delayMs: 5_000 });
    bench.forward(1_000);
    await p.finish('mail', complete(held));
    assert.equal(await bench.status('mail', 'b'), 'delayed');
    bench.forward(3_999);
    assert.deepEqual(await p.take('mail'), []);
    bench.forward(1);
    assert.deepEqual(ids(await p.take('mail')), ['b']);
  });

  it('[dedup] keep-last: the newest waits for its parents, too, and its claim names only them', async (p, bench) => {
    await p.add('sms', job('p'));
    const parent = { queue: 'sms', id: 'p' };
    await p.add('mail', keyed('a', 'keep-last'));
    const held = await p.takeOne('mail');
    await p.add('mail', child('b', [parent], 'block', { dedup: { key: 'k', mode: 'keep-last' } }));
    await p.finish('mail', complete(held));
    assert.equal(await bench.status('mail', 'b'), 'waiting-children');
    await p.finish('sms', complete(await p.takeOne('sms')));
    assert.deepEqual((await p.takeOne('mail')).parents, [parent]);
  });

  it('[dedup] keep-last: one after the other, none at the same time', async (p, bench) => {
    const ran: unknown[] = [];
    let held = await successor(p, bench);
    for (let turn = 0; turn < 5; turn += 1) {
      await p.add('mail', keyed(`c-${turn}`, 'keep-last', { data: `${turn}` }));
      assert.deepEqual(await p.take('mail', 10), []);
      await p.finish('mail', complete(held));
      held = await p.takeOne('mail');
      ran.push(held.data);
      assert.deepEqual(await p.take('mail', 10), []);
    }
    assert.deepEqual(ran, ['0', '1', '2', '3', '4']);
  });

  it('[dedup] keep-last: the end of one job frees nothing that the newest holds', async (p, bench) => {
    await p.finish('mail', complete(await successor(p, bench)));
    const [added] = await p.add('mail', keyed('c', 'keep-last'));
    assert.deepEqual([added?.id, added?.created], ['b', false]);
    await p.takeOne('mail');
    const [next] = await p.add('mail', keyed('d', 'keep-last'));
    assert.deepEqual([next?.id, next?.created, next?.status], ['d', true, 'waiting-children']);
  });

  for (const how of ['cancelled', 'removed'] as const) {
    it(`[dedup] keep-last: a newest that was ${how} leaves the one that runs in its place`, async (p, bench) => {
      const held = await successor(p, bench);
      await (how === 'cancelled' ? p.cancel('mail', 'b') : p.remove('mail', 'b'));
      const [added] = await p.add('mail', keyed('c', 'keep-last', { data: '3' }));
      assert.deepEqual([added?.id, added?.created, added?.status], ['c', true, 'waiting-children']);
      assert.deepEqual(await p.take('mail', 10), []);
      await p.finish('mail', complete(held));
      assert.equal((await p.takeOne('mail')).data, '3');
    });
  }

  it('[dedup] keep-last: a resent add makes no second successor', async (p, bench) => {
    await p.add('mail', keyed('a', 'keep-last'));
    const held = await p.takeOne('mail');
    const call = p.call('mail');
    const groups = [[keyed('b', 'keep-last')]];
    const first = await bench.store.enqueue(call, 'mail', groups, bench.at);
    await bench.process('other').finish('mail', complete(held));
    await bench.process('other').finish('mail', complete(await bench.process('other').takeOne('mail')));
    assert.deepEqual(await bench.store.enqueue(call, 'mail', groups, bench.at), first);
    await bench.counts('mail', { completed: 2 });
  });

  it('[dedup] keep-last: the newest can be changed like any job that waits', async (p, bench) => {
    const held = await successor(p, bench);
    assert.deepEqual(await p.promote('mail', 'b'), { verdict: 'refused', status: 'waiting-children' });
    assert.deepEqual(await p.updateData('mail', 'b', '9'), { verdict: 'done' });
    assert.deepEqual(await p.changeDelay('mail', 'b', 1_000), { verdict: 'done' });
    await p.finish('mail', complete(held));
    bench.forward(1_000);
    assert.equal((await p.takeOne('mail')).data, '9');
  });

  it('[dedup] keep-last: while its queue is disabled the newest is held, and waits on after', async (p, bench) => {
    await p.add('mail', keyed('a', 'keep-last'));
    const held = await p.takeOne('mail');
    await p.disable('mail');
    await p.add('mail', keyed('b', 'keep-last', { data: '2' }));
    await p.add('mail', keyed('c', 'keep-last', { data: '3' }));
    await bench.counts('mail', { active: 1, paused: 1 });
    await p.enable('mail');
    await bench.counts('mail', { active: 1, 'waiting-children': 1 });
    await p.finish('mail', complete(held));
    assert.equal((await p.takeOne('mail')).data, '3');
  });

  it('[dedup] keep-last: jobs that depend on the one that runs are told by the usual rules', async (p, bench) => {
    const held = await successor(p, bench);
    await p.add('sms', child('c', ['a'], 'cascade-fail'), child('d', ['b']));
    const { cascaded } = await p.settle('mail', [fail(held)]);
    assert.deepEqual(ids(cascaded), ['c']);
    assert.deepEqual(await bench.list('mail', 'waiting-children'), []);
    const states = async (...wanted: readonly string[]): Promise<(JobStatus | undefined)[]> =>
      Promise.all(wanted.map((id) => bench.status('sms', id)));
    assert.deepEqual(await states('c', 'd'), ['failed', 'waiting-children']);
    assert.deepEqual((await bench.stored('sms', 'd')).parents, [ref('b')]);
  });
});

import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import {
  complete,
  fail,
  ids,
  job,
  keeping,
  KEEP_NONE,
  LEASE_MS,
  policy,
  release,
  retry,
  storedError,
  type Held,
  type StoredJob,
} from '../build.js';
import type { LeasePolicy } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

const DEAD = { deadLetter: { queue: 'dead' } };
const META = { tags: ['x'], correlationId: 'c-1', job: { attempts: 2 } };

/** Adds and claims one job with everything on it. */
async function begin(p: Process, rules: LeasePolicy = policy(DEAD)): Promise<Held> {
  await p.add('mail', job('a', { name: 'welcome', data: '{"n":[]}', meta: META, priority: 7 }));
  return p.takeOne('mail', { policy: rules });
}

/** Ways in which a job fails for good, and the code or message of its error. */
const FAILURES: readonly (readonly [
  string,
  Partial<LeasePolicy>,
  string,
  (p: Process, bench: Bench, held: Held) => Promise<unknown>,
])[] = [
  ['a failure', {}, 'no', (p, _bench, held) => p.finish('mail', fail(held, { error: storedError('no') }))],
  ['a crash, found by a sweep', { guaranteedWorker: false }, 'CRASHED', sweep],
  ['a crash, found by a claim', { guaranteedWorker: false }, 'CRASHED', claim],
  ['a stall past the cap, found by a sweep', { maxStalledCount: 0 }, 'STALLED_TOO_OFTEN', sweep],
  ['a stall past the cap, found by a claim', { maxStalledCount: 0 }, 'STALLED_TOO_OFTEN', claim],
];

async function sweep(_p: Process, bench: Bench): Promise<void> {
  bench.forward(LEASE_MS);
  assert.equal((await bench.sweep(['mail'])).length, 1);
}

async function claim(_p: Process, bench: Bench): Promise<void> {
  bench.forward(LEASE_MS);
  assert.equal((await bench.process('other').claim('mail', 0)).swept.length, 1);
}

async function copies(bench: Bench): Promise<StoredJob[]> {
  return bench.list('dead', 'waiting');
}

export const deadLetterCases = suite('dead-letters', (it) => {
  for (const [what, rules, error, end] of FAILURES) {
    it(`[dead] ${what} makes a dead letter and its copy, in the same transition`, async (p, bench) => {
      const held = await begin(p, policy({ ...DEAD, ...rules }));
      await end(p, bench, held);
      const failed = await bench.stored('mail', 'a');
      assert.deepEqual([failed.status, failed.dead], ['failed', true]);
      assert.ok([failed.error?.code, failed.error?.message].includes(error));
      const [copy, ...more] = await copies(bench);
      assert.deepEqual(more, []);
      assert.ok(copy);
      assert.deepEqual(copy.origin, { queue: 'mail', id: 'a' });
      assert.deepEqual(copy.error, failed.error);
      assert.deepEqual(
        [copy.name, copy.data, copy.meta, copy.priority, copy.attempt, copy.createdAt, copy.runAt],
        ['welcome', '{"n":[]}', META, 7, 0, bench.now, bench.now],
      );
      assert.ok(!copy.dead);
      await bench.counts('mail', { failed: 1 });
    });

    it(`[dead] ${what} without a rule for dead letters makes none`, async (p, bench) => {
      const held = await begin(p, policy(rules));
      await end(p, bench, held);
      assert.ok(!(await bench.stored('mail', 'a')).dead);
      assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), ['mail']);
    });

    it(`[dead] ${what} without a queue for dead letters is marked and makes no copy`, async (p, bench) => {
      const held = await begin(p, policy({ deadLetter: {}, ...rules }));
      await end(p, bench, held);
      assert.equal((await bench.stored('mail', 'a')).dead, true);
      assert.deepEqual(await bench.admin.queues({ limit: 10 }, bench.at), ['mail']);
    });
  }

  it('[dead] completing, repeating, handing back, stalling and cancelling make none', async (p, bench) => {
    const rules = policy(DEAD);
    await p.finish('mail', retry(await begin(p, rules), 0));
    await p.finish('mail', release(await p.takeOne('mail', { policy: rules })));
    await p.takeOne('mail', { policy: rules });
    bench.forward(LEASE_MS);
    assert.equal((await bench.sweep())[0]?.to, 'stalled');
    await p.finish('mail', complete(await p.takeOne('mail', { policy: rules })));
    assert.ok(!(await bench.stored('mail', 'a')).dead);
    await p.add('mail', job('b'));
    await p.takeOne('mail', { policy: rules });
    await p.cancel('mail', 'b');
    assert.ok(!(await bench.stored('mail', 'b')).dead);
    await bench.counts('dead', {});
  });

  it('[dead] a lost outcome makes none, and a resent one makes no second', async (p, bench) => {
    const held = await begin(p);
    const stale = { ...held, fence: held.fence - 1 };
    assert.deepEqual((await p.settle('mail', [fail(stale)])).verdicts, ['lost']);
    await bench.counts('dead', {});
    const call = p.call('mail');
    const request = p.settlement('mail', [fail(held)]);
    await bench.store.settle(call, request, bench.at);
    await bench.store.settle(call, request, bench.at);
    assert.deepEqual((await bench.process('other').settle('mail', [fail(held)])).verdicts, ['already']);
    await bench.counts('dead', { waiting: 1 });
  });

  it('[dead] many that fail in one call have a copy each', async (p, bench) => {
    await p.add('mail', job('a'), job('b'), job('c'));
    const held = await p.take('mail', 3, { policy: policy(DEAD) });
    await p.finish('mail', ...held.map((one) => fail(one)));
    const all = await copies(bench);
    assert.deepEqual(
      all.map(({ origin }) => origin?.id),
      ['a', 'b', 'c'],
    );
    assert.equal(new Set(ids(all)).size, 3);
  });

  it('[dead] each failure has its copy: of a later job of the same id, and of its retry', async (p, bench) => {
    const rules = policy(DEAD);
    await p.finish('mail', fail(await begin(p)));
    await p.again('mail', 'a', 'a-2');
    await p.finish('mail', fail(await p.takeOne('mail', { policy: rules })));
    await p.remove('mail', 'a');
    await p.finish('mail', fail(await begin(p)));
    const all = await copies(bench);
    assert.deepEqual(
      all.map(({ origin }) => origin?.id),
      ['a', 'a-2', 'a'],
    );
    assert.equal(new Set(ids(all)).size, 3);
  });

  it('[dead] jobs of the same id that fail in two queues have a copy each', async (p, bench) => {
    for (const queue of ['mail', 'sms']) {
      await p.add(queue, job('a'));
      await p.finish(queue, fail(await p.takeOne(queue, { policy: policy(DEAD) })));
    }
    assert.deepEqual(
      (await copies(bench)).map(({ origin }) => origin?.queue),
      ['mail', 'sms'],
    );
  });

  it('[dead] a job that is removed as it fails has a copy all the same', async (p, bench) => {
    const held = await begin(p, { ...keeping({ failed: KEEP_NONE }), ...DEAD, key: 'gone' });
    await p.finish('mail', fail(held));
    assert.equal(await bench.get('mail', 'a'), undefined);
    assert.equal((await copies(bench))[0]?.data, '{"n":[]}');
  });

  it('[dead] a copy is a job like others: it is handed out, fails and is a dead letter itself', async (p, bench) => {
    await p.finish('mail', fail(await begin(p), { error: storedError('first') }));
    const held = await p.takeOne('dead', { policy: policy({ deadLetter: {} }) });
    assert.deepEqual([held.name, held.data, held.attempt], ['welcome', '{"n":[]}', 1]);
    await p.finish('dead', fail(held, { error: storedError('second') }));
    const stored = await bench.stored('dead', held.id);
    assert.deepEqual([stored.dead, stored.error?.message, stored.origin?.id], [true, 'second', 'a']);
  });

  it('[dead] the queue of dead letters may be the queue itself', async (p, bench) => {
    await p.finish('mail', fail(await begin(p, policy({ deadLetter: { queue: 'mail' } }))));
    await bench.counts('mail', { failed: 1, waiting: 1 });
    assert.equal((await p.takeOne('mail')).data, '{"n":[]}');
  });

  it('[dead] the end of a job by its parents is told to its dead letter queue by nobody', async (p, bench) => {
    await p.add('mail', job('p'));
    const parents = { refs: [{ queue: 'mail', id: 'p' }], policy: 'cascade-fail' as const };
    await p.add('mail', job('c', { parents }));
    await p.finish('mail', fail(await p.takeOne('mail', { policy: policy(DEAD) })));
    assert.deepEqual(
      (await copies(bench)).map(({ origin }) => origin?.id),
      ['p'],
    );
  });

  it('[dead] what was run again is still a dead letter, and the list of dead ones leaves it out', async (p, bench) => {
    await p.add('mail', job('a'), job('b'), job('plain'));
    const [a, b] = await p.take('mail', 2, { policy: policy({ deadLetter: {} }) });
    assert.ok(a && b);
    await p.finish('mail', fail(a), fail(b), fail(await p.takeOne('mail')));
    assert.deepEqual(ids(await bench.filtered('mail', 'failed', { dead: true })).toSorted(), ['a', 'b']);
    await p.again('mail', 'a', 'a-2');
    assert.deepEqual(ids(await bench.filtered('mail', 'failed', { dead: true })), ['b']);
    assert.equal((await bench.stored('mail', 'a')).dead, true);
    assert.ok(!(await bench.stored('mail', 'a-2')).dead);
  });
});

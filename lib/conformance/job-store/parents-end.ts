import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import {
  child,
  complete,
  fail,
  ids,
  job,
  keeping,
  KEEP_NONE,
  LEASE_MS,
  policy,
  storedError,
  type JobRef,
} from '../build.js';
import type { CascadedJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';
import { completeNext } from './parents.js';

/** Fails a job whose lease ends. */
const RULES = {
  'a crash without guaranteedWorker': policy({ guaranteedWorker: false }),
  'a stall past the cap': policy({ maxStalledCount: 0 }),
};

/** What a call says of dependants that failed with what it ended. */
type Cascaded = readonly CascadedJob[] | undefined;

/** Ways in which a parent ends without having completed, and what the call reports. */
const ENDS: readonly (readonly [string, (p: Process, bench: Bench) => Promise<Cascaded>])[] = [
  ['a failure', async (p) => (await p.settle('mail', [fail(await p.takeOne('mail'))])).cascaded],
  [
    'a failure that removes it',
    async (p) => {
      const held = await p.takeOne('mail', { policy: keeping({ failed: KEEP_NONE }) });
      return (await p.settle('mail', [fail(held)])).cascaded;
    },
  ],
  ['a cancel while it waits', async (p) => cancelled(await p.cancel('mail', 'p'))],
  [
    'a cancel while it runs',
    async (p) => {
      await p.takeOne('mail');
      return cancelled(await p.cancel('mail', 'p'));
    },
  ],
  ['a removal', async (p) => removed(await p.remove('mail', 'p'))],
  ...Object.entries(RULES).flatMap(([what, rules]) => [
    [
      `${what}, found by a sweep`,
      async (p: Process, bench: Bench): Promise<Cascaded> => {
        await p.takeOne('mail', { policy: rules });
        bench.forward(LEASE_MS);
        return (await bench.sweepAll()).cascaded;
      },
    ] as const,
    [
      `${what}, found by a claim`,
      async (p: Process, bench: Bench): Promise<Cascaded> => {
        await p.takeOne('mail', { policy: rules });
        bench.forward(LEASE_MS);
        return (await bench.process('other').claim('mail', 5)).cascaded;
      },
    ] as const,
    [
      `${what}, found by the claim of a settle`,
      async (p: Process, bench: Bench): Promise<Cascaded> => {
        await p.takeOne('mail', { policy: rules });
        bench.forward(LEASE_MS);
        const reply = await p.settle('mail', [], { count: 5 });
        return [...reply.cascaded, ...(reply.claim?.cascaded ?? [])];
      },
    ] as const,
  ]),
];

function cancelled(reply: Awaited<ReturnType<Process['cancel']>>): Cascaded {
  assert.equal(reply.verdict, 'cancelled');
  return reply.cascaded;
}

function removed(reply: Awaited<ReturnType<Process['remove']>>): Cascaded {
  assert.equal(reply.verdict, 'done');
  return reply.cascaded;
}

function key({ queue, id }: JobRef): string {
  return `${queue}/${id}`;
}

export const parentEndCases = suite('parents-end', (it) => {
  for (const [what, end] of ENDS) {
    it(`[parents] ${what} counts as a failure for the dependants, by their policies`, async (p, bench) => {
      await p.add('mail', job('p'));
      await p.add('mail', child('block', ['p']), child('strict', ['p'], 'cascade-fail', { name: 'a' }));
      await p.add('sms', child('any', ['p'], 'ignore'), child('strict', ['p'], 'cascade-fail', { name: 'b' }));
      await p.add('push', child('far', [{ queue: 'sms', id: 'strict' }], 'cascade-fail', { name: 'c' }));
      const cascaded = await end(p, bench);
      assert.equal(await bench.status('mail', 'block'), 'waiting-children');
      assert.equal(await bench.status('sms', 'any'), 'waiting');
      const failed = { 'mail/strict': 'a', 'sms/strict': 'b', 'push/far': 'c' };
      assert.deepEqual(Object.fromEntries((cascaded ?? []).map((one) => [key(one), one.name])), failed);
      assert.equal(cascaded?.length, 3);
      for (const { queue, id, error } of cascaded) {
        const stored = await bench.stored(queue, id);
        assert.equal(stored.status, 'failed');
        assert.equal(stored.error?.code, 'PARENT_FAILED');
        assert.equal(stored.finishedAt, bench.now);
        assert.deepEqual(error, stored.error);
      }
      assert.deepEqual(ids(await p.take('sms', 10)), ['any']);
    });
  }

  it('[parents] an obliterated parent counts as failed, a running one with force', async (p, bench) => {
    await p.add('mail', job('active'), job('waiting'));
    const refs: JobRef[] = ['active', 'waiting'].map((id) => ({ queue: 'mail', id }));
    await p.takeOne('mail');
    for (const parent of refs) {
      await p.add('sms', child(`block-${parent.id}`, [parent]));
      await p.add('sms', child(`strict-${parent.id}`, [parent], 'cascade-fail'));
      await p.add('sms', child(`any-${parent.id}`, [parent], 'ignore'));
    }
    assert.equal(await p.obliterate('mail'), 1);
    await bench.counts('sms', { waiting: 1, 'waiting-children': 4, failed: 1 });
    assert.equal((await bench.stored('sms', 'strict-waiting')).error?.code, 'PARENT_FAILED');
    assert.equal(await p.obliterate('mail', { limit: 10, force: true }), 1);
    await bench.counts('sms', { waiting: 2, 'waiting-children': 2, failed: 2 });
  });

  it('[obliterate] parents and children of one queue go together, in steps', async (p, bench) => {
    await p.add('mail', job('a'), child('b', ['a']), child('c', ['b'], 'cascade-fail'), child('d', ['a'], 'ignore'));
    let deleted = 0;
    for (let step = 0; step < 8; step += 1) deleted += await p.obliterate('mail', { limit: 1 });
    assert.equal(deleted, 4);
    await bench.counts('mail', {});
    assert.deepEqual(await p.take('mail', 10), []);
  });

  it('[obliterate] parents and children of one queue go together, in one step', async (p, bench) => {
    await p.add('mail', job('a'), child('b', ['a'], 'cascade-fail'), child('c', ['b'], 'ignore'), child('d', ['a']));
    await p.takeOne('mail');
    assert.equal(await p.obliterate('mail', { limit: 10, force: true }), 4);
    await bench.counts('mail', {});
    for (const status of ['waiting', 'waiting-children', 'active', 'failed'] as const) {
      assert.deepEqual(await bench.list('mail', status), [], status);
    }
  });

  it('[parents] a completed parent that is removed takes nothing back', async (p, bench) => {
    await p.add('mail', job('p'), job('q'));
    await p.add('sms', child('one', ['p'], 'cascade-fail'), child('two', ['p', 'q'], 'cascade-fail'));
    await completeNext(p, 'mail', 'p');
    const reply = await p.remove('mail', 'p');
    assert.equal(reply.verdict, 'done');
    assert.deepEqual(removed(reply) ?? [], []);
    await bench.counts('sms', { waiting: 1, 'waiting-children': 1 });
    await completeNext(p, 'mail', 'q');
    await bench.counts('sms', { waiting: 2 });
  });

  it('[parents] a failed parent that is removed fails nobody twice', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('block', ['p']), child('strict', ['p'], 'cascade-fail'), child('any', ['p'], 'ignore'));
    await p.finish('mail', fail(await p.takeOne('mail')));
    const before = await bench.stored('sms', 'strict');
    bench.forward(10);
    assert.deepEqual(removed(await p.remove('mail', 'p')) ?? [], []);
    await bench.counts('sms', { waiting: 1, 'waiting-children': 1, failed: 1 });
    assert.equal((await bench.stored('sms', 'strict')).finishedAt, before.finishedAt);
  });

  it('[parents] a new job that gets the id of a removed parent is not the parent', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('c', ['p']));
    await p.remove('mail', 'p');
    await p.add('mail', job('p'));
    await completeNext(p, 'mail', 'p');
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
  });

  it('[parents] a job that failed because of its parent is no dead letter and stays failed', async (p, bench) => {
    const rules = policy({ deadLetter: { queue: 'dead' } });
    await p.add('mail', job('p'), child('c', ['p'], 'cascade-fail'));
    await p.finish('mail', fail(await p.takeOne('mail', { policy: rules }), { error: storedError('no') }));
    assert.equal((await bench.stored('mail', 'p')).dead, true);
    assert.ok(!(await bench.stored('mail', 'c')).dead);
    await bench.counts('dead', { waiting: 1 });
    await bench.counts('mail', { failed: 2 });
  });

  it('[parents] retention of failed jobs holds for those that fail with a parent', async (p, bench) => {
    await p.add('mail', job('p'));
    const keep = { failed: { ...KEEP_NONE, from: 'job' as const } };
    await p.add('sms', child('gone', ['p'], 'cascade-fail', { keep }), child('kept', ['p'], 'cascade-fail'));
    const { cascaded } = await p.settle('mail', [fail(await p.takeOne('mail'))]);
    assert.deepEqual(ids(cascaded).toSorted(), ['gone', 'kept']);
    assert.equal(await bench.get('sms', 'gone'), undefined);
    await bench.counts('sms', { failed: 1 });
  });

  it('[cancel] of a job that waits for parents leaves the parents alone and fails its own dependants', async (p, bench) => {
    await p.add('mail', job('p'), child('c', ['p']), child('d', ['c'], 'cascade-fail'));
    const reply = await p.cancel('mail', 'c', 'why');
    assert.equal(reply.verdict, 'cancelled');
    assert.equal(reply.from, 'waiting-children');
    assert.deepEqual(ids(reply.cascaded), ['d']);
    assert.equal(await bench.status('mail', 'p'), 'waiting');
    await completeNext(p, 'mail', 'p');
    const stored = await bench.stored('mail', 'c');
    assert.equal(stored.status, 'cancelled');
    assert.equal(stored.reason, 'why');
    assert.deepEqual(await p.take('mail', 10), []);
    await bench.counts('mail', { completed: 1, cancelled: 1, failed: 1 });
  });

  it('[remove] of a job that waits for parents unlinks it', async (p, bench) => {
    await p.add('sms', job('p'));
    const parent = { queue: 'sms', id: 'p' };
    await p.add('mail', child('c', [parent]), child('d', [parent]));
    assert.equal((await p.remove('mail', 'c')).verdict, 'done');
    await p.add('mail', job('c', { delayMs: 1_000 }));
    await completeNext(p, 'sms', 'p');
    assert.equal(await bench.status('mail', 'c'), 'delayed');
    await bench.counts('mail', { waiting: 1, delayed: 1 });
  });

  it('[rule 3] a settle that is lost ends no parent', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('c', ['p'], 'cascade-fail'));
    const stale = await p.takeOne('mail');
    bench.forward(LEASE_MS);
    await bench.sweep();
    const { verdicts, cascaded } = await p.settle('mail', [fail(stale)]);
    assert.deepEqual([verdicts, cascaded], [['lost'], []]);
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    const held = await p.takeOne('mail');
    assert.deepEqual((await p.settle('mail', [complete(stale)])).verdicts, ['lost']);
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
    await p.finish('mail', complete(held));
    assert.equal(await bench.status('sms', 'c'), 'waiting');
  });

  it('[stall] a stall that gives the parent back leaves the child waiting', async (p, bench) => {
    await p.add('mail', job('p'));
    await p.add('sms', child('c', ['p'], 'cascade-fail'));
    await p.takeOne('mail');
    bench.forward(LEASE_MS);
    assert.deepEqual((await bench.sweepAll()).cascaded, []);
    assert.equal(await bench.status('sms', 'c'), 'waiting-children');
  });
});

import assert from 'node:assert/strict';
import { complete, fail, job, LEASE_MS, release, retry, type LogEntry } from '../build.js';
import { suite } from '../suite.js';

/** Log lines that a backend keeps per job unless it is told otherwise. */
const MAX_LOGS = 200;

function line(at: number, message: string): LogEntry {
  return { at, level: 'info', message };
}

export const noteCases = suite('notes', (it) => {
  it('[notes] progress and logs of a running job are kept: the last progress, every line', async (p, bench) => {
    await p.add('mail', job('a'));
    const { fence } = await p.takeOne('mail');
    const note = { queue: 'mail', id: 'a', fence };
    const logs = [line(bench.now, 'one'), { at: bench.now, level: 'warn' as const, message: 'two', meta: { n: 2 } }];
    await bench.store.annotate([{ ...note, progress: { percent: 10, label: 'begun' }, logs }], bench.at);
    await bench.store.annotate([{ ...note, logs: [line(bench.now + 1, 'three')] }], bench.at);
    await bench.store.annotate([{ ...note, progress: { percent: 60 } }], bench.at);
    const stored = await bench.stored('mail', 'a');
    assert.equal(stored.progress?.percent, 60);
    assert.equal(stored.progress.label, undefined);
    assert.deepEqual(
      stored.logs.map(({ level, message }) => [level, message]),
      [
        ['info', 'one'],
        ['warn', 'two'],
        ['info', 'three'],
      ],
    );
    assert.deepEqual(stored.logs[1]?.meta, { n: 2 });
    assert.equal(stored.logs[2]?.at, bench.now + 1);
  });

  it('[notes] one call carries notes for many jobs and queues', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    await p.add('sms', job('a'));
    const [a, b] = await p.take('mail', 2);
    const sms = await p.takeOne('sms');
    assert.ok(a && b);
    await bench.store.annotate(
      [
        { queue: 'mail', id: 'b', fence: b.fence, progress: { percent: 2 } },
        { queue: 'unknown', id: 'a', fence: a.fence, progress: { percent: 4 } },
        { queue: 'sms', id: 'a', fence: sms.fence, progress: { percent: 3 } },
        { queue: 'mail', id: 'nobody', fence: a.fence, progress: { percent: 5 } },
        { queue: 'mail', id: 'a', fence: a.fence, progress: { percent: 1 } },
      ],
      bench.at,
    );
    assert.equal((await bench.stored('mail', 'a')).progress?.percent, 1);
    assert.equal((await bench.stored('mail', 'b')).progress?.percent, 2);
    assert.equal((await bench.stored('sms', 'a')).progress?.percent, 3);
    assert.equal(await bench.get('mail', 'nobody'), undefined);
    assert.equal(await bench.get('unknown', 'a'), undefined);
  });

  it('[notes] no notes are no error', async (_p, bench) => {
    await bench.store.annotate([], bench.at);
  });

  it('[notes] a note changes neither the state nor the lease', async (p, bench) => {
    await p.add('mail', job('a'));
    const { fence } = await p.takeOne('mail');
    bench.forward(LEASE_MS - 1);
    await bench.store.annotate([{ queue: 'mail', id: 'a', fence, progress: { percent: 100 } }], bench.at);
    assert.equal(await bench.status('mail', 'a'), 'active');
    await bench.counts('mail', { active: 1 });
    bench.forward(1);
    assert.equal((await bench.sweep()).length, 1);
  });

  it('[notes] a note after the outcome is dropped', async (p, bench) => {
    await p.add('mail', job('a'), job('b'));
    const [done, again] = await p.take('mail', 2);
    assert.ok(done && again);
    await p.finish('mail', complete(done), retry(again, 1_000));
    const notes = [done, again].map(({ id, fence }) => ({
      queue: 'mail',
      id,
      fence,
      progress: { percent: 5 },
      logs: [line(bench.now, 'late')],
    }));
    await bench.store.annotate(notes, bench.at);
    for (const { id } of notes) {
      const stored = await bench.stored('mail', id);
      assert.equal(stored.progress, undefined);
      assert.deepEqual([...stored.logs], []);
    }
  });

  it('[notes] a note after a cancel is dropped', async (p, bench) => {
    await p.add('mail', job('a'));
    const { fence } = await p.takeOne('mail');
    await p.cancel('mail', 'a');
    await bench.store.annotate([{ queue: 'mail', id: 'a', fence, progress: { percent: 5 } }], bench.at);
    assert.equal((await bench.stored('mail', 'a')).progress, undefined);
  });

  it('[notes] the last notes travel with the outcome, whatever it is', async (p, bench) => {
    await p.add('mail', ...['complete', 'fail', 'retry', 'release'].map((id) => job(id)));
    const [a, b, c, d] = await p.take('mail', 4);
    assert.ok(a && b && c && d);
    const note = { progress: { percent: 100 }, logs: [line(bench.now, 'last')] };
    await p.finish(
      'mail',
      complete(a, { note }),
      fail(b, { note }),
      retry(c, 1_000, { note }),
      release(d, 1_000, 'shutdown', { note }),
    );
    for (const id of ['complete', 'fail', 'retry', 'release']) {
      const stored = await bench.stored('mail', id);
      assert.equal(stored.progress?.percent, 100, id);
      assert.deepEqual(
        stored.logs.map(({ message }) => message),
        ['last'],
        id,
      );
    }
  });

  it('[notes] progress and logs outlive the attempt, and the next one is told the progress', async (p, bench) => {
    await p.add('mail', job('a'));
    const first = await p.takeOne('mail');
    await p.finish(
      'mail',
      retry(first, 0, { note: { progress: { percent: 40, label: 'half' }, logs: [line(1, 'one')] } }),
    );
    const second = await p.takeOne('mail');
    assert.equal(second.progress?.percent, 40);
    assert.equal(second.progress.label, 'half');
    const note = { queue: 'mail', id: 'a', fence: second.fence, logs: [line(2, 'two')] };
    await bench.store.annotate([note], bench.at);
    assert.deepEqual(
      (await bench.stored('mail', 'a')).logs.map(({ message }) => message),
      ['one', 'two'],
    );
  });

  it('[notes] the newest 200 log lines stay', async (p, bench) => {
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    const lines = Array.from({ length: MAX_LOGS + 50 }, (_, i) => line(bench.now, `line ${i}`));
    const note = { queue: 'mail', id: 'a', fence: held.fence };
    await bench.store.annotate([{ ...note, logs: lines.slice(0, 150) }], bench.at);
    await bench.store.annotate([{ ...note, logs: lines.slice(150) }], bench.at);
    await p.finish('mail', complete(held, { note: { logs: [line(bench.now, 'the end')] } }));
    assert.deepEqual(
      (await bench.stored('mail', 'a')).logs.map(({ message }) => message),
      [...lines.slice(51).map(({ message }) => message), 'the end'],
    );
  });
});

import assert from 'node:assert/strict';
import type { NewJob } from '../../kernel/ports/job-store.js';
import { complete, fail, ids, job, LEASE_MS, retry, storedError, type JobMeta, type Progress } from '../build.js';
import { suite } from '../suite.js';

/** Encoded payloads that a careless store changes: by re-encoding them, by taking them for empty, by their length. */
const TEXTS: readonly (readonly [string, string | undefined])[] = [
  ['undefined', undefined],
  ['empty-text', ''],
  ['empty-array', '[]'],
  ['empty-object', '{}'],
  ['nested-empty', '{"a":[],"b":{},"c":[[]],"d":null}'],
  ['null', 'null'],
  ['false', 'false'],
  ['zero', '0'],
  ['minus-zero', '-0'],
  ['large-integer', '9007199254740993'],
  ['larger-integer', '123456789012345678901234567890'],
  ['many-digits', '0.1234567890123456789'],
  ['exponent', '1E+2'],
  ['number-like', '007'],
  ['order-and-spaces', '{ "b" : 1,\n\t"a" : 2, "b" : 3 }'],
  ['proto', '{"__proto__":{"x":1},"constructor":null}'],
  ['nul-escaped', JSON.stringify('a\u0000b')],
  ['lone-surrogate-escaped', JSON.stringify('a\ud800b')],
  ['control-characters', JSON.stringify('\u0001\u001f\u007f\u2028\u2029')],
  ['unicode', JSON.stringify('Übung 日本語 🎈 \u00e9 e\u0301 \ufeff')],
  ['quotes', JSON.stringify(`' " \\ \` $1 :a ? %s {0} \\u0041`)],
  ['not-json', 'plain text: {[('],
  ['redis-like', '*3\r\n$3\r\nSET\r\n'],
  ['separators', '\u001e\u001ea\u001cb\u001dc\u001ed\u001f\n\n\u001e'],
  ['limit', JSON.stringify('x'.repeat(256 * 1024 - 2))],
  ['limit-in-bytes', JSON.stringify('€'.repeat(87_380))],
];

/** Plain JSON data that encoders for scripts and columns like to bend. */
const DETAIL = {
  list: [],
  map: {},
  nested: [[], {}, [null]],
  integer: Number.MAX_SAFE_INTEGER,
  float: 33.333333333333336,
  tiny: 5e-324,
  text: 'a\u0000b',
  no: false,
  nothing: null,
  empty: '',
};

export const payloadCases = suite('payload', (it) => {
  it('[rule 8] payloads come back byte for byte, from a claim and from a read', async (p, bench) => {
    for (const [id, data] of TEXTS) await p.add('mail', job(id, data === undefined ? {} : { data }));
    for (const [id, data] of TEXTS) {
      assert.equal((await bench.stored('mail', id)).data, data, `read of ${id}`);
      const held = await p.takeOne('mail');
      assert.equal(held.id, id);
      assert.equal(held.data, data, `claim of ${id}`);
    }
  });

  it('[rule 8] payloads of one batch are not mixed up', async (p) => {
    const small = TEXTS.filter(([, data]) => (data?.length ?? 0) < 1_000);
    await p.add('mail', ...small.map(([id, data]) => job(id, data === undefined ? {} : { data })));
    assert.deepEqual(
      (await p.take('mail', 1_000)).map(({ id, data }) => [id, data]),
      small.map(([id, data]) => [id, data]),
    );
  });

  it('[rule 8] payloads of jobs that nobody named are not mixed up, in many groups at once', async (p, bench) => {
    const small = TEXTS.filter(([, data]) => (data?.length ?? 0) < 1_000);
    let n = 0;
    const anonymous = (data: string | undefined): NewJob => {
      const id = `019eb3c0-0000-7000-8000-${String((n += 1)).padStart(12, '0')}`;
      return job(id, { idGiven: false, ...(data === undefined ? {} : { data }) });
    };
    const plain = small.filter(([name]) => name !== 'separators').map(([, data]) => anonymous(data));
    const all = small.map(([, data]) => anonymous(data));
    const told = (list: readonly { readonly id: string; readonly data?: string | undefined }[]): unknown[] =>
      list.map(({ id, data }) => [id, data]);
    const results = await p.addGroups('mail', [plain.slice(0, 3), [], plain.slice(3, 4), plain.slice(4)]);
    assert.deepEqual(
      results.map((group) => group.length),
      [3, 0, 1, plain.length - 4],
    );
    assert.deepEqual(told(await p.take('mail', 1_000)), told(plain));
    await p.addGroups(
      'mail',
      all.map((one) => [one]),
    );
    assert.deepEqual(told(await p.take('mail', 1_000)), told(all));
    await p.disable('mail');
    const held = plain.map((one) => ({ ...one, id: one.id.replace('019e', '019f') }));
    await p.addGroups('mail', [held.slice(0, 2), held.slice(2, 3), held.slice(3)]);
    for (const one of held) assert.equal((await bench.stored('mail', one.id)).data, one.data);
    await p.enable('mail');
    assert.deepEqual(told(await p.take('mail', 1_000)), told(held));
  });

  it('[rule 8] a payload is not changed by retries, releases and stalls', async (p, bench) => {
    const data = '{ "a": [], "n": 9007199254740993 }';
    await p.add('mail', job('a', { data }));
    await p.finish('mail', retry(await p.takeOne('mail'), 0));
    await p.takeOne('mail');
    bench.forward(LEASE_MS);
    const held = await p.takeOne('mail');
    assert.equal(held.data, data);
    await p.finish('mail', complete(held));
    assert.equal((await bench.stored('mail', 'a')).data, data);
  });

  it('[rule 8] results come back byte for byte', async (p, bench) => {
    const results = TEXTS.filter(([, text]) => (text?.length ?? 0) < 64 * 1024);
    await p.add('mail', ...results.map(([id]) => job(id)));
    const held = await p.take('mail', 1_000);
    assert.deepEqual(
      ids(held),
      results.map(([id]) => id),
    );
    const outcomes = held.map((one, i) => {
      const result = results[i]?.[1];
      return complete(one, result === undefined ? {} : { result });
    });
    await p.finish('mail', ...outcomes);
    for (const [id, text] of results) assert.equal((await bench.stored('mail', id)).result, text, `result of ${id}`);
  });

  it('[rule 8] a result of 64 KiB is kept whole', async (p, bench) => {
    const result = JSON.stringify('€'.repeat(21_844));
    await p.add('mail', job('a'));
    await p.finish('mail', complete(await p.takeOne('mail'), { result }));
    assert.equal((await bench.stored('mail', 'a')).result, result);
  });

  it('[rule 8] what travels with a job keeps its empty lists, large numbers and unicode', async (p, bench) => {
    const metas: JobMeta[] = [
      {},
      { tags: [] },
      { job: {}, producer: {} },
      { tags: ['', 'a,b', '日本語', '{}', '[]', '"'], correlationId: '', triggeredBy: '0' },
      { job: { timeoutMs: Number.MAX_SAFE_INTEGER, attempts: 0 }, parentId: '__proto__' },
      { job: { backoff: { type: 'fixed', delay: 33.333333333333336 } } },
    ];
    await p.add('mail', ...metas.map((meta, i) => job(`job-${i}`, { meta })));
    for (const [i, meta] of metas.entries()) {
      assert.deepEqual(plain((await bench.stored('mail', `job-${i}`)).meta), meta);
      assert.deepEqual(plain((await p.takeOne('mail')).meta), meta);
    }
  });

  it('[rule 8] errors are kept as they were given', async (p, bench) => {
    const errors = [
      storedError(''),
      storedError('two\nlines, "quotes", {} [] and 日本語', { name: 'TypeError', code: 'E_CODE' }),
      storedError('deep', { stack: `Error: deep\n${'    at f (file.js:1:1)\n'.repeat(300)}` }),
    ];
    await p.add('mail', ...errors.map((_, i) => job(`job-${i}`)));
    const held = await p.take('mail', 10);
    await p.finish('mail', ...held.map((one, i) => fail(one, { error: errors[i] ?? storedError('') })));
    for (const [i, error] of errors.entries()) {
      assert.deepEqual(plain((await bench.stored('mail', `job-${i}`)).error), error);
    }
  });

  it('[rule 8] progress and logs keep plain JSON data as it was', async (p, bench) => {
    const progress: Progress = { percent: 33.333333333333336, label: '', detail: DETAIL };
    const logs = [{ at: bench.now, level: 'info' as const, message: 'a "b" 日本語', meta: DETAIL }];
    await p.add('mail', job('a'));
    const held = await p.takeOne('mail');
    await bench.store.annotate([{ queue: 'mail', id: held.id, fence: held.fence, progress, logs }], bench.at);
    const stored = await bench.stored('mail', 'a');
    assert.deepEqual(plain(stored.progress), progress);
    assert.deepEqual(plain(stored.logs), logs);
  });

  it('[rule 8] a payload made by another job (`then`) is not changed on the way', async (p, bench) => {
    await p.add('mail', job('a'));
    const then = TEXTS.filter(([, data]) => (data?.length ?? 0) < 1_000).map(([id, data]) => ({
      queue: 'dead',
      job: job(id, data === undefined ? {} : { data }),
    }));
    await p.finish('mail', complete(await p.takeOne('mail'), { then }));
    for (const { job: made } of then) assert.equal((await bench.stored('dead', made.id)).data, made.data, made.id);
  });
});

/** Without keys that are there but `undefined`, which some backends cannot tell from absent ones. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

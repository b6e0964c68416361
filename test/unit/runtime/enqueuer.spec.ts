import { describe, expect, it } from '@jest/globals';
import {
  BatchRejectedError,
  StoreFullError,
  StoreUnreachableError,
  type CallId,
  type EnqueueResult,
  type NewJob,
} from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { CallLane } from '../../../lib/kernel/runtime/call-lane.js';
import { Enqueuer } from '../../../lib/kernel/runtime/enqueuer.js';
import { partialStore } from '../../support/partial-store.js';
import { constantRandom } from '../../support/seeded-random.js';
import { failureOf, gate, type Gate } from '../../support/until.js';

type Groups = readonly (readonly NewJob[])[];
interface Sent {
  readonly call: CallId;
  readonly ids: string[][];
  readonly reply: Gate<void>;
}

function job(id: string, data?: string): NewJob {
  return { id, idGiven: false, name: 'default', meta: {}, priority: 0, delayMs: 0, ...(data ? { data } : {}) };
}

function answer(groups: Groups): EnqueueResult[][] {
  return groups.map((group) =>
    group.map(({ id }) => ({ id, created: true, status: 'waiting', createdAt: 0, runAt: 0 })),
  );
}

/** An enqueuer before a store that waits for the test, or that answers with `auto`. */
function enqueuer(auto?: (groups: Groups) => EnqueueResult[][], ordered?: boolean) {
  const clock = new VirtualClock();
  const sent: Sent[] = [];
  const store = partialStore({
    capabilities: { backend: 'fake', transactions: false, fenced: true, durability: 'none', ordered },
    enqueue: async (call, _queue, groups) => {
      const reply = gate();
      sent.push({ call, ids: groups.map((group) => group.map(({ id }) => id)), reply });
      if (auto) return auto(groups);
      await reply.opened;
      return answer(groups);
    },
  });
  const lane = new CallLane('process-1', clock, constantRandom(0.5));
  return { clock, sent, adds: new Enqueuer('mail', store, lane, clock) };
}

describe('Enqueuer', () => {
  it('sends the adds of one tick in one call, in order, and answers each with its own results', async () => {
    const { clock, sent, adds } = enqueuer(answer);
    const answers = [adds.add([job('a')]), adds.add([job('b'), job('c')]), adds.add([job('d')])];
    expect(sent).toHaveLength(0);
    await clock.settle();
    expect(sent.map(({ ids }) => ids)).toEqual([[['a'], ['b', 'c'], ['d']]]);
    expect((await Promise.all(answers)).map((results) => results.map(({ id }) => id))).toEqual([
      ['a'],
      ['b', 'c'],
      ['d'],
    ]);
  });

  it('has one call under way at a time, so that jobs arrive in the order in which they were added', async () => {
    const { clock, sent, adds } = enqueuer();
    const first = adds.add([job('a')]);
    await clock.settle();
    const later = [adds.add([job('b')]), adds.add([job('c')])];
    await clock.settle();
    expect(sent).toHaveLength(1);
    sent[0]?.reply.open();
    await first;
    await clock.settle();
    expect(sent.map(({ ids }) => ids)).toEqual([[['a']], [['b'], ['c']]]);
    sent[1]?.reply.open();
    await Promise.all(later);
  });

  it('has two calls under way where the store keeps their order, and halves what comes at once', async () => {
    const { clock, sent, adds } = enqueuer(undefined, true);
    const ids = Array.from({ length: 100 }, (_, i) => `job ${i}`);
    const all = ids.map((id) => adds.add([job(id)]));
    await clock.settle();
    expect(sent.map((call) => call.ids.length)).toEqual([50, 50]);
    expect(sent.flatMap((call) => call.ids.flat())).toEqual(ids);
    const third = adds.add([job('later')]);
    await clock.settle();
    expect(sent).toHaveLength(2);
    sent[0]?.reply.open();
    await all[0];
    await clock.settle();
    expect(sent[2]?.ids).toEqual([['later']]);
    for (const { reply } of sent) reply.open();
    await Promise.all([...all, third]);
  });

  it('sends a lost call again before the one behind it', async () => {
    let broken = true;
    const { clock, sent, adds } = enqueuer((groups) => {
      if (broken) throw new StoreUnreachableError('socket');
      return answer(groups);
    }, true);
    const first = adds.add([job('a')]);
    const flushed = adds.flush();
    const second = adds.add([job('b')]);
    await clock.settle();
    expect(sent.map(({ ids }) => ids.flat())).toEqual([['a'], ['b']]);
    await clock.advance('10s');
    broken = false;
    await clock.advance('5s');
    await Promise.all([first, second, flushed]);
    const resent = sent.slice(2).map(({ ids }) => ids.flat().join());
    expect(resent.lastIndexOf('a')).toBeLessThan(resent.indexOf('b'));
  });

  it('lets nothing overtake a call with parents, about which the store may have to ask first', async () => {
    const { clock, sent, adds } = enqueuer(undefined, true);
    const parents = { refs: [{ queue: 'other', id: 'p' }], policy: 'block' } as const;
    const first = adds.add([{ ...job('child'), parents }]);
    await clock.settle();
    const second = adds.add([job('b')]);
    await clock.settle();
    expect(sent).toHaveLength(1);
    sent[0]?.reply.open();
    await first;
    await clock.settle();
    sent[1]?.reply.open();
    await second;
  });

  it('resolves an add only after the store acknowledged it', async () => {
    const { clock, sent, adds } = enqueuer();
    let resolved = false;
    const add = adds.add([job('a')]).then(() => (resolved = true));
    await clock.advance('1h');
    expect(resolved).toBe(false);
    sent[0]?.reply.open();
    await add;
    expect(resolved).toBe(true);
  });

  it('cuts calls at 1 000 jobs and never splits a group', async () => {
    const { clock, sent, adds } = enqueuer(answer);
    const bulk = Array.from({ length: 999 }, (_, i) => job(`bulk ${i}`));
    const answers = [adds.add([job('a')]), adds.add(bulk), adds.add([job('b')]), adds.add(bulk)];
    await clock.settle();
    await Promise.all(answers);
    expect(sent.map(({ ids }) => ids.map((group) => group.length))).toEqual([
      [1, 999],
      [1, 999],
    ]);
    const many = Array.from({ length: 2_500 }, (_, i) => adds.add([job(`${i}`)]));
    await clock.settle();
    await Promise.all(many);
    expect(sent.slice(2).map(({ ids }) => ids.length)).toEqual([1_000, 1_000, 500]);
  });

  it('cuts calls at 1 MiB of payloads; a larger single job travels alone', async () => {
    const { clock, sent, adds } = enqueuer(answer);
    const kib = (n: number): string => 'x'.repeat(n * 1024);
    const answers = [
      adds.add([job('a', kib(600))]),
      adds.add([job('b', kib(424))]),
      adds.add([job('c', kib(1))]),
      adds.add([job('huge', kib(3_000))]),
      adds.add([job('d', kib(1))]),
    ];
    await clock.settle();
    await Promise.all(answers);
    expect(sent.map(({ ids }) => ids.flat())).toEqual([['a', 'b'], ['c'], ['huge'], ['d']]);
  });

  it('halves a batch that the store refuses until only the bad job fails, in order', async () => {
    const landed: string[] = [];
    const { clock, sent, adds } = enqueuer((groups) => {
      if (groups.flat().some(({ id }) => id === 'bad')) throw new BatchRejectedError('store');
      landed.push(...groups.flat().map(({ id }) => id));
      return answer(groups);
    });
    const ids = Array.from({ length: 64 }, (_, i) => (i === 41 ? 'bad' : `job ${i}`));
    const answers = ids.map((id) => adds.add([job(id)]));
    const settled = Promise.allSettled(answers);
    await clock.settle();
    const results = await settled;
    expect(results.map(({ status }) => status)).toEqual(ids.map((id) => (id === 'bad' ? 'rejected' : 'fulfilled')));
    expect(await failureOf(answers[41] as Promise<unknown>)).toBeInstanceOf(BatchRejectedError);
    expect(landed).toEqual(ids.filter((id) => id !== 'bad'));
    expect(sent.length).toBeLessThanOrEqual(13);
    expect(new Set(sent.map(({ call }) => call.n)).size).toBe(sent.length);
  });

  it('fails a refused group as a whole', async () => {
    const { clock, adds } = enqueuer((groups) => {
      if (groups.flat().some(({ id }) => id === 'bad')) throw new BatchRejectedError('store');
      return answer(groups);
    });
    const settled = Promise.allSettled([adds.add([job('a')]), adds.add([job('b'), job('bad'), job('c')])]);
    await clock.settle();
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('fails every add of a call that ends with another error, and goes on with the next', async () => {
    let full = true;
    const { clock, sent, adds } = enqueuer((groups) => {
      if (full) throw new StoreFullError('store');
      return answer(groups);
    });
    const settled = Promise.allSettled([adds.add([job('a')]), adds.add([job('b')])]);
    await clock.settle();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(sent).toHaveLength(1);
    full = false;
    const next = adds.add([job('c')]);
    await clock.settle();
    expect((await next)[0]?.id).toBe('c');
  });

  it('sends a batch whose reply was lost again as the same call, with the same jobs', async () => {
    let lost = 2;
    const { clock, sent, adds } = enqueuer((groups) => {
      if ((lost -= 1) >= 0) throw new StoreUnreachableError('socket');
      return answer(groups);
    });
    const add = adds.add([job('a')]);
    await clock.settle();
    const later = adds.add([job('b')]);
    await clock.advance('5s');
    await Promise.all([add, later]);
    expect(sent.map(({ call, ids }) => [call.n, ...ids.flat()])).toEqual([
      [1, 'a'],
      [1, 'a'],
      [1, 'a'],
      [2, 'b'],
    ]);
  });

  it('refuses adds beyond 100 000 that wait to be sent, instead of eating memory', async () => {
    const { clock, sent, adds } = enqueuer();
    const first = adds.add([job('first')]);
    await clock.settle();
    const group = Array.from({ length: 1_000 }, (_, i) => job(`${i}`));
    const waiting = Array.from({ length: 100 }, () => adds.add(group));
    expect(await failureOf(adds.add([job('one too many')]))).toMatchObject({ code: 'TOO_MANY_PENDING_ADDS' });
    sent[0]?.reply.open();
    await first;
    await clock.settle();
    const fits = adds.add([job('fits again')]);
    for (let i = 1; i <= 101; i += 1) {
      await clock.settle();
      sent[i]?.reply.open();
    }
    await Promise.all([...waiting, fits]);
    expect(sent.at(-1)?.ids).toEqual([['fits again']]);
  });

  it('flush waits for everything that was added before it', async () => {
    const { clock, sent, adds } = enqueuer();
    let flushed = false;
    const done: string[] = [];
    const answers = [adds.add([job('a')])];
    await clock.settle();
    answers.push(adds.add([job('b')]));
    const flushing = adds.flush().then(() => (flushed = true));
    await clock.settle();
    expect([sent.length, flushed]).toEqual([1, false]);
    sent[0]?.reply.open();
    await clock.settle();
    expect([sent.length, flushed]).toEqual([2, false]);
    sent[1]?.reply.open();
    await flushing;
    for (const [result] of await Promise.all(answers)) done.push(result?.id ?? '');
    expect(done).toEqual(['a', 'b']);
    await adds.flush();
  });
});

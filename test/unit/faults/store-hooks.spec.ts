import { afterEach, describe, expect, it } from '@jest/globals';
import { OqronEngine, StoreUnreachableError, type JobStore } from 'oqronkit';
import { createMemoryBackend } from '../../../lib/backends/memory/index.js';
import { complete, job, policy } from '../../../lib/conformance/build.js';
import { BROKEN_STORES } from '../../faults/lib/broken-stores.mjs';
import { crashPoints, hooked, type CrashPoint } from '../../faults/lib/store-hooks.mjs';
import { FakeOwner } from '../../support/fake-owner.js';
import { until } from '../../support/until.js';

const QUEUE = 'work';
const engines: OqronEngine[] = [];

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

/** Events of a ledger as they are noted. */
function memoryLedger() {
  const lines: string[][] = [];
  return {
    lines,
    note: (...fields: readonly (string | number)[]) => void lines.push(fields.map(String)),
    notes: (list: readonly (readonly (string | number)[])[]) => lines.push(...list.map((fields) => fields.map(String))),
  };
}

const unreachable = (text: string): Error => new StoreUnreachableError(text);

describe('the hooks of the fault lab', () => {
  it.each<Pick<CrashPoint, 'when'>>([{ when: 'before' }, { when: 'lost' }, { when: 'after' }])(
    'lose a connection $when a settle, and the job is done once',
    async ({ when }) => {
      const backend = createMemoryBackend();
      const ledger = memoryLedger();
      const points: CrashPoint[] = [{ op: 'settle', hit: 1, when, how: 'connection' }];
      const store = hooked(backend.store, { ledger, points, unreachable });
      const engine = new OqronEngine({ logger: false }, { backend: { ...backend, store } });
      engines.push(engine);
      let runs = 0;
      engine.worker({ topic: QUEUE, handler: () => (runs += 1) });
      await engine.start();
      const queue = engine.producer(QUEUE);
      await queue.add({}, { jobId: 'a' });
      await until('it to be completed', async () => (await queue.count('completed')) === 1);
      await until('the ledger to say so', () => ledger.lines.some(([event]) => event === 'settle'));
      expect(runs).toBe(1);
      const settles = ledger.lines.filter(([event]) => event === 'settle');
      expect(settles.map((fields) => [fields[2], fields[4]])).toEqual([['a', 'verdict=settled,kind=complete']]);
      expect(ledger.lines).toContainEqual(['point', '-', '-', '-', `settle:1:${when}:connection`]);
    },
  );

  it('write down what was claimed, how late, and which leases are gone', async () => {
    const { store: plain } = createMemoryBackend();
    const ledger = memoryLedger();
    const store = hooked(plain, { ledger, unreachable });
    await store.enqueue({ client: 'p', n: 1, acked: 0 }, QUEUE, [[job('a')]]);
    const { jobs, now } = await new FakeOwner('w1', store).claim(QUEUE, { leaseMs: 10 });
    const fence = jobs[0]?.fence ?? 0;
    expect(ledger.lines).toEqual([
      ['claim', QUEUE, 'a', `${fence}`, expect.stringMatching(/^late=\d+,took=\d+,stalled=0$/)],
    ]);
    await plain.sweep({ limit: 10 }, { now: now + 11 });
    await store.extend([{ queue: QUEUE, id: 'a', fence, leaseMs: 10 }], { now: now + 12 });
    expect(ledger.lines.at(-1)).toEqual(['lease', QUEUE, 'a', `${fence}`, 'lost']);
  });
});

describe('crash points', () => {
  function watched(points: readonly CrashPoint[]) {
    const reached: CrashPoint[] = [];
    const ledger = memoryLedger();
    const { around } = crashPoints({ ledger, points, unreachable, reached: (point) => reached.push(point) });
    let carried = 0;
    const call = (op: string, args: unknown, reply: unknown = 'reply') =>
      around(op, args, () => {
        carried += 1;
        return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
      });
    return { call, reached, ledger, carried: () => carried };
  }
  const point = (when: CrashPoint['when'], more: Partial<CrashPoint> = {}): CrashPoint => ({
    op: 'claim',
    hit: 1,
    when,
    how: 'connection',
    ...more,
  });

  it('strike one call each; those that wait take the next', async () => {
    const { call, carried, reached } = watched([
      point('before', { about: ['"a"'] }),
      point('lost', { about: ['"b"'] }),
      point('lost', { about: ['"c"'] }),
    ]);
    const both = [{ queue: 'a' }, { queue: 'b' }];
    await expect(call('claim', both)).rejects.toThrow('claim was not sent');
    expect(carried()).toBe(0);
    await expect(call('claim', both)).rejects.toThrow('the reply to claim is lost');
    expect(carried()).toBe(1);
    await expect(call('claim', both)).resolves.toBe('reply');
    await expect(call('settle', [{ queue: 'c' }])).resolves.toBe('reply');
    expect(reached).toHaveLength(2);
  });

  it('count only calls whose reply has what they look for', async () => {
    const { call } = watched([point('lost', { hit: 2, found: ['"job"'] })]);
    await expect(call('claim', [], { id: 'job' })).resolves.toEqual({ id: 'job' });
    await expect(call('claim', [], { id: 'other' })).resolves.toEqual({ id: 'other' });
    await expect(call('claim', [], { id: 'job' })).rejects.toThrow('the reply to claim is lost');
  });

  it('after a reply: the next call, whatever it is, fails once, and both are told', async () => {
    const { call, reached, carried, ledger } = watched([point('after')]);
    await expect(call('claim', [])).resolves.toBe('reply');
    await expect(call('admin.get', [])).rejects.toThrow(StoreUnreachableError);
    expect(carried()).toBe(1);
    await expect(call('admin.get', [])).resolves.toBe('reply');
    expect(reached.map(({ when, next }) => [when, next])).toEqual([
      ['after', undefined],
      ['after', 'admin.get'],
    ]);
    expect(ledger.lines.map((fields) => fields[4])).toEqual(['claim:1:after:connection', 'claim:1:noticed:admin.get']);
  });

  it('after a reply: a call that another point waits for is left to that one', async () => {
    const { call, reached } = watched([point('after'), point('lost', { op: 'settle' })]);
    await call('claim', []);
    await expect(call('settle', [])).rejects.toThrow('the reply to settle is lost');
    await expect(call('settle', [])).rejects.toThrow('the connection is gone (settle)');
    expect(reached.map(({ op, next }) => [op, next])).toEqual([
      ['claim', undefined],
      ['settle', undefined],
      ['claim', 'settle'],
    ]);
  });

  it('wait for a call that is carried out', async () => {
    const { call, reached } = watched([point('lost')]);
    await expect(call('claim', [], unreachable('away'))).rejects.toThrow('away');
    expect(reached).toEqual([]);
    await expect(call('claim', [])).rejects.toThrow('the reply to claim is lost');
  });

  it('cut the connection of the call itself, where it can be', async () => {
    const { ledger, carried } = { ledger: memoryLedger(), carried: [] as string[] };
    const { around } = crashPoints({
      ledger,
      points: [point('before'), point('after', { op: 'settle' })],
      unreachable,
    });
    const cuts: string[] = [];
    const link = (op: string) => ({ cut: () => (cuts.push(op), new Error(`${op}: reset`)) });
    const run = (op: string) => around(op, [], () => Promise.resolve(void carried.push(op)), link(op));
    await expect(run('claim')).rejects.toThrow('claim: reset');
    await run('settle');
    expect(cuts).toEqual(['claim', 'settle']);
    // Nobody else pays for it.
    await run('claim');
    expect(carried).toEqual(['settle', 'claim']);
  });

  it('leave out of an argument what cannot be written down', async () => {
    class Client {
      readonly self = this;
    }
    const { call } = watched([point('before', { about: ['"a"'] })]);
    await expect(call('claim', ['a', { tx: new Client() }])).rejects.toThrow('claim was not sent');
  });
});

describe('the broken stores of the fault lab', () => {
  async function zombie(store: JobStore, plain: JobStore) {
    await plain.enqueue({ client: 'p', n: 1, acked: 0 }, QUEUE, [[job('a')]]);
    const [old, heir] = [new FakeOwner('old', store), new FakeOwner('heir', plain)];
    const first = await old.claim(QUEUE, { leaseMs: 10, policy: policy() });
    await plain.sweep({ limit: 10 }, { now: first.now + 11 });
    const second = await heir.claim(QUEUE);
    expect(second.jobs).toHaveLength(1);
    const held = first.jobs[0];
    if (!held) throw new Error('nothing was claimed');
    return (await old.settle(QUEUE, [complete(held)])).verdicts;
  }

  it('unfenced: a late owner settles what another one runs', async () => {
    const { store } = createMemoryBackend();
    expect(await zombie(store, store)).toEqual(['lost']);
    const { store: other } = createMemoryBackend();
    expect(await zombie(hooked(other, hooks('unfenced', other)), other)).toEqual(['settled']);
  });

  it('forgetful: a call that is sent again is carried out again', async () => {
    const claimTwice = async (store: JobStore): Promise<number> => {
      await store.enqueue({ client: 'p', n: 1, acked: 0 }, QUEUE, [[job('a'), job('b')]]);
      const request = { queue: QUEUE, call: { client: 'w', n: 1, acked: 0 }, count: 1, leaseMs: 10_000, owner: 'w' };
      const ids = [];
      for (let i = 0; i < 2; i += 1) {
        const [reply] = await store.claim([{ ...request, policy: policy() }]);
        ids.push(...(reply?.jobs ?? []).map(({ id }) => id));
      }
      return new Set(ids).size;
    };
    const { store } = createMemoryBackend();
    expect(await claimTwice(store)).toBe(1);
    const { store: other } = createMemoryBackend();
    expect(await claimTwice(hooked(other, hooks('forgetful', other)))).toBe(2);
  });

  const hooks = (name: 'unfenced' | 'forgetful', store: JobStore) => ({
    ledger: memoryLedger(),
    unreachable,
    override: BROKEN_STORES[name](store),
  });
});

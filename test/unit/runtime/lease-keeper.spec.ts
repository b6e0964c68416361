import { describe, expect, it } from '@jest/globals';
import { EventBus, StoreUnreachableError, type ExtendVerdict, type LeaseRef } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { LeaseKeeper, localDeadline } from '../../../lib/kernel/runtime/lease-keeper.js';
import type { JobRun } from '../../../lib/kernel/runtime/job-run.js';
import { makeRun } from '../../support/make-run.js';
import { partialStore } from '../../support/partial-store.js';
import { RecordingLogger } from '../../support/recording-logger.js';

type Extend = (leases: readonly LeaseRef[]) => Promise<ExtendVerdict[]>;

const keptAll: Extend = (leases) => Promise.resolve(leases.map(() => 'kept'));

function keeper(extend: Extend = keptAll) {
  const clock = new VirtualClock();
  const log = new RecordingLogger();
  const calls: { at: number; leases: readonly LeaseRef[] }[] = [];
  const lost: { id: string; why: string; at: number; detail?: string }[] = [];
  const store = partialStore({
    extend: (leases) => {
      calls.push({ at: clock.monotonic(), leases });
      return extend(leases);
    },
  });
  const leases = new LeaseKeeper(store, clock, new EventBus(log));
  const owner = {
    leaseLost: (run: JobRun, why: string, detail?: string) => {
      lost.push({ id: run.job.id, why, at: clock.monotonic(), ...(detail === undefined ? {} : { detail }) });
    },
  };
  return { clock, log, calls, lost, leases, owner };
}

const idsOf = (calls: readonly { leases: readonly LeaseRef[] }[]): string[][] =>
  calls.map(({ leases }) => leases.map(({ id }) => id));

describe('LeaseKeeper', () => {
  it('renews all leases of the process in one call per heartbeat, naming queue, id, fence and length', async () => {
    const { clock, calls, leases, owner } = keeper();
    leases.add(makeRun(clock, 'a', {}, 11), owner);
    leases.add(makeRun(clock, 'b', { queue: 'video', leaseMs: 60_000 }, 12), owner);
    await clock.advance('15s');
    expect(calls.map(({ at }) => at)).toEqual([5_000, 10_000, 15_000]);
    expect(calls[0]?.leases).toEqual([
      { queue: 'mail', id: 'a', fence: 11, leaseMs: 30_000 },
      { queue: 'video', id: 'b', fence: 12, leaseMs: 60_000 },
    ]);
  });

  it('renews only what is due', async () => {
    const { clock, calls, leases, owner } = keeper();
    leases.add(makeRun(clock, 'slow', { heartbeatMs: 10_000 }), owner);
    await clock.advance('2s');
    leases.add(makeRun(clock, 'fast', { heartbeatMs: 3_000 }), owner);
    await clock.advance('9s');
    expect(calls.map(({ at, leases: refs }) => [at, ...refs.map(({ id }) => id)])).toEqual([
      [5_000, 'fast'],
      [8_000, 'fast'],
      [10_000, 'slow'],
      [11_000, 'fast'],
    ]);
  });

  it('keeps a lease for as long as renewals are kept, and arms no timer for removed ones', async () => {
    const { clock, calls, lost, leases, owner } = keeper();
    const run = makeRun(clock, 'a');
    leases.add(run, owner);
    await clock.advance('10m');
    expect(lost).toEqual([]);
    expect(calls).toHaveLength(120);
    leases.remove(run);
    await clock.advance('10m');
    expect(calls).toHaveLength(120);
    expect([leases.size, clock.pendingTimers]).toEqual([0, 0]);
  });

  it('lets go of what the store says is lost or cancelled, and asks again about what is busy', async () => {
    const verdicts: Record<string, ExtendVerdict> = { a: 'lost', b: 'cancelled', c: 'busy', d: 'kept' };
    const { clock, calls, lost, leases, owner } = keeper((refs) =>
      Promise.resolve(refs.map(({ id }) => verdicts[id] as ExtendVerdict)),
    );
    const runs = ['a', 'b', 'c', 'd'].map((id) => makeRun(clock, id));
    for (const run of runs) leases.add(run, owner);
    await clock.advance('5s');
    expect(lost).toEqual([
      { id: 'a', why: 'lost', at: 5_000 },
      { id: 'b', why: 'cancelled', at: 5_000 },
    ]);
    await clock.advance('5s');
    expect(idsOf(calls)).toEqual([
      ['a', 'b', 'c', 'd'],
      ['c', 'd'],
    ]);
    expect(runs[2]?.deadline).toBe(localDeadline(0, 30_000));
    expect(runs[3]?.deadline).toBe(localDeadline(10_000, 30_000));
  });

  it('gives a lease up at its local deadline when the store does not answer, and does not pile up calls', async () => {
    const { clock, calls, lost, leases, owner } = keeper(() => new Promise(() => undefined));
    leases.add(makeRun(clock, 'a'), owner);
    await clock.advance('28s');
    expect(lost).toEqual([]);
    await clock.advance('2s');
    expect(lost).toEqual([{ id: 'a', why: 'lost', at: 29_000, detail: 'not renewed in time' }]);
    expect(calls).toHaveLength(1);
    expect(leases.size).toBe(0);
  });

  it('counts the deadline from when an extend was sent, not from when its reply came', async () => {
    const { clock, lost, leases, owner } = keeper(async (refs) => {
      if (clock.monotonic() > 5_000) return new Promise<ExtendVerdict[]>(() => undefined);
      await clock.sleep('20s');
      return refs.map(() => 'kept');
    });
    leases.add(makeRun(clock, 'a'), owner);
    await clock.advance('1m');
    // Sent at 5 s, answered at 25 s: the store may have renewed it at 5 s, so 35 s less the margin.
    expect(lost.map(({ at }) => at)).toEqual([34_000]);
  });

  it('keeps the margin below a tenth of a short lease', () => {
    expect([localDeadline(1_000, 30_000), localDeadline(1_000, 500)]).toEqual([30_000, 1_450]);
  });

  it('reports an extend that fails and tries again at the next heartbeat', async () => {
    let down = true;
    const { clock, calls, log, lost, leases, owner } = keeper((refs) =>
      down ? Promise.reject(new StoreUnreachableError('socket')) : keptAll(refs),
    );
    leases.add(makeRun(clock, 'a'), owner);
    await clock.advance('16s');
    down = false;
    await clock.advance('1m');
    expect(lost).toEqual([]);
    expect(log.matching('error', /LeaseKeeper\.extend/)).toHaveLength(3);
    expect(calls.length).toBeGreaterThan(10);
  });

  it('sends an extend again when its connection broke, and reports that once', async () => {
    let broken = 2;
    const { clock, calls, log, leases, owner } = keeper((refs) =>
      (broken -= 1) >= 0 ? Promise.reject(new StoreUnreachableError('socket')) : keptAll(refs),
    );
    const run = makeRun(clock, 'a');
    leases.add(run, owner);
    await clock.advance('9s');
    expect(calls.map(({ at }) => at)).toEqual([5_000, 5_020, 5_100]);
    expect(run.deadline).toBe(localDeadline(5_100, 30_000));
    expect(log.matching('error', /LeaseKeeper\.extend/)).toHaveLength(1);
  });

  it('loses no lease by one call that is not answered, with a heartbeat of a third of the lease', async () => {
    let silent = true;
    const { clock, lost, leases, owner } = keeper(async (refs) => {
      if (!silent) return keptAll(refs);
      silent = false;
      // So long a client waits before it gives a connection up.
      await clock.sleep('10s');
      throw new StoreUnreachableError('silent');
    });
    leases.add(makeRun(clock, 'a', { heartbeatMs: 10_000 }), owner);
    await clock.advance('10m');
    expect(lost).toEqual([]);
  });

  it('does not go on for ever, and leaves what no connection mends to the next heartbeat', async () => {
    const { clock, calls, leases, owner } = keeper(() => Promise.reject(new StoreUnreachableError('socket')));
    leases.add(makeRun(clock, 'a', { heartbeatMs: 10_000 }), owner);
    await clock.advance('25s');
    const round = [0, 20, 100, 420, 1_700];
    expect(calls.map(({ at }) => at)).toEqual([10_000, 20_000].flatMap((at) => round.map((ms) => at + ms)));

    const other = keeper(() => Promise.reject(new Error('refused')));
    other.leases.add(makeRun(other.clock, 'a', { heartbeatMs: 10_000 }), other.owner);
    await other.clock.advance('25s');
    expect(other.calls.map(({ at }) => at)).toEqual([10_000, 20_000]);
  });

  it('shares its resends among the calls of one heartbeat', async () => {
    const { clock, calls, leases, owner } = keeper(() => Promise.reject(new StoreUnreachableError('socket')));
    for (let i = 0; i < 2_300; i += 1) leases.add(makeRun(clock, `${i}`), owner);
    await clock.advance('9s');
    expect(idsOf(calls).map((ids) => ids.length)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 300]);
  });

  it('sends again only what still runs, and nothing after stop', async () => {
    const { clock, calls, leases, owner } = keeper(() => Promise.reject(new StoreUnreachableError('socket')));
    const runs = ['a', 'b'].map((id) => makeRun(clock, id));
    for (const run of runs) leases.add(run, owner);
    await clock.advance('5s');
    if (runs[0]) leases.remove(runs[0]);
    await clock.advance(50);
    expect(idsOf(calls)).toEqual([['a', 'b'], ['b']]);
    leases.stop();
    await clock.advance('1m');
    expect(calls).toHaveLength(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('renews what came due during an extend as soon as that is answered', async () => {
    let slow = true;
    const { clock, calls, leases, owner } = keeper(async (refs) => {
      if (slow) await clock.sleep('4s');
      slow = false;
      return keptAll(refs);
    });
    leases.add(makeRun(clock, 'a', { heartbeatMs: 10_000 }), owner);
    await clock.advance('1s');
    leases.add(makeRun(clock, 'b', { heartbeatMs: 10_000 }), owner);
    await clock.advance('14s');
    expect(calls.map(({ at, leases: refs }) => [at, ...refs.map(({ id }) => id)])).toEqual([
      [10_000, 'a'],
      [14_000, 'b'],
    ]);
  });

  it('ignores a verdict for a run that ended while the call was under way', async () => {
    const { clock, lost, leases, owner } = keeper(async (refs) => {
      await clock.sleep('1s');
      return refs.map(() => 'lost');
    });
    const run = makeRun(clock, 'a');
    leases.add(run, owner);
    await clock.advance('5s');
    leases.remove(run);
    await clock.advance('1m');
    expect(lost).toEqual([]);
  });

  it('drops a lease that was cancelled elsewhere, and only that very lease', () => {
    const { clock, lost, leases, owner } = keeper();
    leases.add(makeRun(clock, 'a', {}, 7), owner);
    leases.drop('mail', 'a', 6, 'cancelled');
    leases.drop('other', 'a', 7, 'cancelled');
    leases.drop('mail', 'b', 7, 'cancelled');
    expect(lost).toEqual([]);
    leases.drop('mail', 'a', 7, 'cancelled', 'not needed');
    leases.drop('mail', 'a', 7, 'cancelled', 'twice');
    expect(lost).toEqual([{ id: 'a', why: 'cancelled', at: 0, detail: 'not needed' }]);
    expect(leases.size).toBe(0);
  });

  it('splits a renewal of more than 1 000 leases', async () => {
    const { clock, calls, leases, owner } = keeper();
    for (let i = 0; i < 2_300; i += 1) leases.add(makeRun(clock, `${i}`), owner);
    await clock.advance('5s');
    expect(idsOf(calls).map((ids) => ids.length)).toEqual([1_000, 1_000, 300]);
    expect(new Set(idsOf(calls).flat()).size).toBe(2_300);
  });

  it('renews the leases of the other calls when one of them fails', async () => {
    let n = 0;
    const { clock, lost, leases, owner } = keeper((refs) =>
      (n += 1) % 2 === 1 ? Promise.reject(new Error('one bad call')) : keptAll(refs),
    );
    const runs = Array.from({ length: 1_001 }, (_, i) => makeRun(clock, `${i}`));
    for (const run of runs) leases.add(run, owner);
    await clock.advance('5s');
    expect(runs[1_000]?.deadline).toBe(localDeadline(5_000, 30_000));
    expect(lost).toEqual([]);
  });

  it('arms nothing any more after stop', async () => {
    const { clock, calls, leases, owner } = keeper();
    leases.add(makeRun(clock, 'a'), owner);
    leases.stop();
    leases.add(makeRun(clock, 'b'), owner);
    await clock.advance('1h');
    expect(calls).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

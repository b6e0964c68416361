import { describe, expect, it } from '@jest/globals';
import { compareAll, inTurn, type Run, type Runs } from './lib/pairs.mjs';
import { figuresOf } from './report.mjs';

const of = (run: Run): number => run.perSecond;
const row = { row: 'drain', unit: 'jobs/s', of };
const runsOf = (figures: Record<string, number[]>): Runs =>
  Object.fromEntries(
    Object.entries(figures).map(([who, all]) => [who, all.map((perSecond, i) => ({ pair: i + 1, perSecond }))]),
  );

describe('rounds', () => {
  it('go forth and back through the sides', async () => {
    const order: string[] = [];
    const runs = await inTurn(3, ['we', 'a', 'b'], async (who) => {
      order.push(who);
      return { perSecond: order.length };
    });
    expect(order.join(' ')).toBe('we a b b a we we a b');
    expect(runs['we']?.map(of)).toEqual([1, 6, 7]);
  });
});

describe('a row', () => {
  const runs = runsOf({ we: [300, 100, 900], fast: [100, 200, 300], slow: [10, 10, 10] });

  it('has the medians, and the ratio of each round', () => {
    const [first] = compareAll({ ...row, atLeast: 3 }, 'we', ['fast'], runs);
    expect(first).toMatchObject({ ours: 300, peer: 200, ratio: 3, spread: [0.5, 3], pairs: 3, met: true });
    expect(first?.goal).toBe('>= 3x');
  });

  it('misses a goal by a little, in both directions', () => {
    expect(compareAll({ ...row, atLeast: 3.01 }, 'we', ['fast'], runs)).toMatchObject([{ met: false }]);
    expect(compareAll({ ...row, atMost: 2.99 }, 'we', ['fast'], runs)).toMatchObject([{ met: false }]);
    expect(compareAll({ ...row, atMost: 3 }, 'we', ['fast'], runs)).toMatchObject([{ met: true }]);
    expect(compareAll({ ...row, oursAtMost: 299 }, 'we', ['fast'], runs)).toMatchObject([{ met: false }]);
  });

  it('has a goal of its own for each peer, and none where there is none', () => {
    const told = compareAll({ ...row, atLeast: { slow: 10 } }, 'we', ['fast', 'slow'], runs);
    expect(told.map(({ peerName, met }) => [peerName, met])).toEqual([
      ['fast', undefined],
      ['slow', true],
    ]);
  });

  it('is held against the best of the peers, by the median', () => {
    const most = compareAll({ ...row, best: true, atLeast: 2 }, 'we', ['slow', 'fast'], runs);
    expect(most.map(({ peerName, best, met }) => [peerName, best, met])).toEqual([
      ['slow', false, undefined],
      ['fast', true, true],
    ]);
    const least = compareAll({ ...row, best: true, atMost: 2 }, 'we', ['slow', 'fast'], runs);
    expect(least.map(({ peerName, best, met }) => [peerName, best, met])).toEqual([
      ['slow', true, false],
      ['fast', false, undefined],
    ]);
  });

  it('is not there where the machine cannot tell', () => {
    const blind = runsOf({ we: [1], peer: [2] });
    expect(compareAll({ ...row, of: () => undefined }, 'we', ['peer'], blind)).toEqual([]);
  });
});

describe('the page', () => {
  const on = {
    ...{ date: '2026-11-22T10:00:00.000Z', platform: 'linux x64 6.1.0', cpu: 'Some CPU', cores: 2, memoryMiB: 4096 },
    ...{
      node: 'v22.1.0',
      quick: false,
      load: [1],
      redis: '7.0.15',
      pairs: 5,
      settings: { appendonly: 'no', save: '' },
      options: { bullmq: 'no metrics' },
    },
  };
  const told = { target: 'redis', unit: 'jobs/s', on };
  const won = { ...told, row: 'add', peerName: 'bullmq', ours: 30_000, peer: 10_000, ratio: 3 };
  const alone = { ratio: null, peer: null, peerName: null };

  it('tells date, machine, versions, settings and how many goals are met', () => {
    const page = figuresOf([
      { ...won, spread: [2.5, 3.5], goal: '>= 3x', met: true },
      { ...won, row: 'drain', spread: [2.5, 3.5], goal: '>= 4x', met: false },
      { ...won, row: 'more', spread: [2.5, 3.5], met: null },
    ]);
    expect(page).toContain('Taken on 2026-11-22: a full run on 2 cores (Some CPU), 4 GiB of memory, linux x64.');
    expect(page).toContain('1 of 2 goals are met.');
    expect(page).toContain('- node v22.1.0, redis 7.0.15; `appendonly=no`; 5 rounds\n- bullmq: no metrics\n\n');
    expect(page).toContain('| ok | add | bullmq | jobs/s | 30,000 | 10,000 | 3.00 | 2.50 to 3.50 | >= 3x |');
    expect(page).toContain('| -- | drain | bullmq |');
    expect(page).toContain('|  | more | bullmq |');
  });

  it('says which parts are of a quick run', () => {
    const full = { ...won, spread: [2.5, 3.5], goal: '>= 3x', met: true };
    const quick = { ...full, target: 'postgres', on: { ...on, quick: true, pairs: 3 } };
    expect(figuresOf([quick])).toContain(': a quick run (`--quick`) on 2 cores');
    expect(figuresOf([quick])).toContain('; 3 rounds\n');
    const page = figuresOf([full, quick]);
    expect(page).toContain(': a full run, and a quick run (`--quick`) where it says so, on 2 cores');
    expect(page).toContain('; 5 rounds\n');
    expect(page).toContain('; 3 rounds; quick\n');
  });

  it('tells a row that is ours alone, and one that failed', () => {
    const page = figuresOf([
      {
        ...told,
        ...alone,
        target: 'memory',
        row: 'end to end',
        ours: 160_000,
        spread: [1, 2],
        goal: 150_000,
        met: true,
      },
      { ...told, ...alone, row: 'drain', spread: null, met: false, failed: 'it fell over' },
    ]);
    expect(page).toContain('| ok | end to end |  | jobs/s | 160,000 |  |  | 1 to 2 | 150,000 |');
    expect(page).toContain('| -- | drain |  | jobs/s | failed |');
    expect(page).toContain('1 of 2 goals are met.');
  });

  it('is not made of nothing', () => {
    expect(() => figuresOf([])).toThrow('no rows');
  });
});

import { describe, expect, it } from '@jest/globals';
import { check, type Row, type Rules, type Verdict } from '../../faults/lib/checker.mjs';
import { readEvents } from '../../faults/lib/ledger.mjs';

/** Lines of a ledger by who wrote them; times in ms. A line may leave out what is at its end. */
type Lines = Readonly<Record<string, readonly string[]>>;

function judge(lines: Lines, rows: readonly Row[] | undefined, rules: Rules = {}, fsck: unknown[] = []): Verdict {
  const ledgers = Object.entries(lines).map(([who, list]) => ({
    who,
    events: readEvents(
      list
        .map((line) => {
          const [at, ...fields] = line.split(' ');
          return `${[Number(at) * 1_000, ...fields, '-', '-', '-', '-', '-'].slice(0, 6).join(' ')}\n`;
        })
        .join(''),
    ),
  }));
  return check({ ledgers, ...(rows && { states: rows }), fsck }, { leaseMs: 1_000, heartbeatMs: 250, ...rules });
}

const completed = (id: string, fence: number): Row => ({
  queue: 'q',
  id,
  status: 'completed',
  fence,
  result: `${fence}`,
});
const ADDED = ['0 try q a', '1 ack q a - created'];
const RAN = [
  '10 claim q a 5 late=0',
  '10 start q a 5',
  '20 effect q a 5',
  '21 settle q a 5 verdict=settled,kind=complete',
];
const HEIR = ['2000 start q a 9', '2010 effect q a 9', '2011 settle q a 9 verdict=settled,kind=complete'];

describe('the checker of ledgers', () => {
  it('finds nothing wrong with what went well, and counts it', () => {
    const { violations, figures } = judge({ 'p.1': ADDED, 'w.1': RAN, nemesis: [] }, [completed('a', 5)]);
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ jobs: 1, starts: 1, extraStarts: 0, explained: 0, lost: 0, stuck: 0 });
  });

  it('leaves out a line that a crash cut short', () => {
    expect(readEvents('5 start q a 1 -\n6 eff')).toHaveLength(1);
  });

  describe.each([
    ['killed', 'kill', ['500 kill w.1', '501 gone w.1'], 1_500],
    ['frozen for longer than its lease', 'freeze', ['500 freeze w.1', '3500 thaw w.1'], 1_500],
    ['cut off for longer than its lease', 'cut', ['500 cut w.1', '3500 heal w.1'], 1_500],
    ['without a server for longer than its lease', 'outage', ['500 outage -', '1900 restored -'], 1_500],
  ])('an owner that was %s', (_, cause, nemesis, recovery) => {
    it('explains the next start, and tells how long it took', () => {
      const lines = { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis };
      const { violations, figures } = judge(lines, [completed('a', 9)]);
      expect(violations).toEqual([]);
      expect(figures).toMatchObject({ extraStarts: 1, explained: 1, causes: { [cause]: 1 }, p99RecoveryMs: recovery });
    });
  });

  it.each([
    ['whose loop a handler held', 'block', ['11 block - - - 1950']],
    ['that got no CPU', 'starved', ['1950 lag - - - 1900']],
    ['whose lease was not renewed in time', 'slow', ['1950 slow - - - 1900']],
    ['that handed the job back', 'handed back', ['20 settle q a 5 verdict=settled,kind=release']],
  ])('an owner %s explains it too', (_, cause, more) => {
    const lines = { 'p.1': ADDED, 'w.1': [...RAN.slice(0, 2), ...more], 'w.2': HEIR, nemesis: [] };
    expect(judge(lines, [completed('a', 9)])).toMatchObject({ violations: [], figures: { causes: { [cause]: 1 } } });
  });

  it.each([
    ['explains it too', 1_200, []],
    ['explains nothing when there was time to renew it', 300, ['I5']],
  ])('an owner that heard of its lease late %s', (_, took, broken) => {
    const late = [`1200 claim q a 5 late=0,took=${took}`, '1201 start q a 5'];
    expect(judge({ 'p.1': ADDED, 'w.1': late, 'w.2': HEIR, nemesis: [] }, [completed('a', 9)]).broken).toEqual(broken);
  });

  it('a signal that takes its time: what comes before the end belongs to it', () => {
    const lines = { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['5 kill w.1', '12 gone w.1'] };
    const { violations, figures } = judge(lines, [completed('a', 9)]);
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ explained: 1, causes: { kill: 1 }, p99RecoveryMs: 1_990 });
  });

  it('a process that was gone before explains nothing', () => {
    const lines = { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['1 kill w.1', '5 gone w.1'] };
    expect(judge(lines, [completed('a', 9)]).broken).toEqual(['I5']);
  });

  describe('a job that was lost again before anybody started it', () => {
    const nemesis = ['500 kill w.1', '501 gone w.1', '2600 kill w.3', '2601 gone w.3'];
    const first = ['10 claim q a 5 late=0,stalled=0', '10 start q a 5'];
    const heir = (stalled: number) => [
      `4400 claim q a 9 late=0,stalled=${stalled}`,
      '4400 start q a 9',
      '4410 effect q a 9',
      '4411 settle q a 9 verdict=settled,kind=complete',
    ];
    const told = (between: string[], stalled: number) => {
      const lines = { 'p.1': ADDED, 'w.1': first, 'w.2': heir(stalled), 'w.3': between, nemesis };
      return judge(lines, [completed('a', 9)]).figures;
    };

    it('took as long as each of its losses', () => {
      expect(told(['2000 claim q a 7 late=0,stalled=1'], 2)).toMatchObject({ extraStarts: 1, maxRecoveryMs: 1_800 });
    });

    it('was lost twice, although a claim left no trace', () => {
      expect(told([], 2)).toMatchObject({ extraStarts: 1, maxRecoveryMs: 1_950 });
    });

    it('was lost once, and took long', () => {
      expect(told([], 1)).toMatchObject({ extraStarts: 1, maxRecoveryMs: 3_900 });
    });
  });

  describe('an outage too short for a lease', () => {
    const nemesis = ['500 outage -', '900 restored -'];
    const told = (answered: number) => {
      const lines = [...RAN.slice(0, 2), `${answered} settle q b 6 verdict=settled,kind=complete`];
      return judge({ 'p.1': ADDED, 'w.1': lines, 'w.2': HEIR, nemesis }, [completed('a', 9)]);
    };

    it('explains the next start of an owner that was not back in time', () => {
      expect(told(1_900)).toMatchObject({ violations: [], figures: { causes: { outage: 1 } } });
    });

    it('explains nothing of one that was', () => {
      expect(told(950).broken).toEqual(['I5']);
    });
  });

  describe('of a process that goes by no lease', () => {
    const nemesis = ['500 freeze w.1', '1990 thaw w.1'];
    const started = (claim: string) => ({ 'p.1': ADDED, 'w.1': [claim, '1995 start q a 5'], 'w.2': HEIR, nemesis });
    const judged = (claim: string) => judge(started(claim), [completed('a', 9)], { careless: 'w' });

    it.each([
      ['after its claim', '490 claim q a 5 late=0,took=5'],
      ['during its claim', '1991 claim q a 5 late=0,took=1495'],
    ])('a start does not count when it stood still %s', (_, claim) => {
      expect(judged(claim)).toMatchObject({ violations: [], figures: { starts: 1, extraStarts: 0 } });
    });

    it('a start counts when it went on before its claim', () => {
      expect(judged('1993 claim q a 5 late=0,took=2')).toMatchObject({ broken: ['I5'], figures: { starts: 2 } });
    });
  });

  describe('of a process that stood still when it was about to call the handler', () => {
    const nemesis = ['500 freeze w.1', '3500 thaw w.1'];
    const started = (at: number, ...before: string[]) => ({
      'p.1': ADDED,
      'w.1': ['490 claim q a 5 late=0,took=5', ...before, `${at} start q a 5`],
      'w.2': HEIR,
      nemesis,
    });
    const judged = (lines: Lines) => judge(lines, [completed('a', 9)]);

    it('a start does not count when it comes at once', () => {
      expect(judged(started(3501))).toMatchObject({ violations: [], figures: { starts: 1, extraStarts: 0 } });
    });

    it.each([
      ['does not count', 'before its loop came to its timers again', '3520 lag - - - 3030', true],
      ['counts', 'after them', '3505 lag - - - 3015', false],
      ['counts', 'before them, and they had been looked at', '3520 lag - - - 150', false],
    ])('a start %s when it comes later, %s', (_, __, lag, fine) => {
      const lines = started(3510);
      const own = [...lines['w.1'], lag].toSorted((a, b) => parseInt(a, 10) - parseInt(b, 10));
      const { broken } = judged({ ...lines, 'w.1': own });
      if (fine) expect(broken).toEqual([]);
      else expect(broken).toContain('I4');
    });

    it('a start counts when it comes later, or behind another one', () => {
      expect(judged(started(3510)).broken).toContain('I4');
      expect(judged(started(3502, '3501 start q b 6')).broken).toContain('I4');
    });

    it('a start counts when the lease was taken behind it', () => {
      const late = { ...started(3501), 'w.1': ['3500 claim q a 5 late=0,took=5', '3501 start q a 5'] };
      expect(judged(late).broken).toContain('I4');
    });
  });

  it.each<[string, string, Lines, readonly Row[] | undefined, Rules?, unknown[]?]>([
    ['I1', 'an acknowledged job is not there', { 'p.1': ADDED, 'w.1': [] }, []],
    ['I1', 'a completed job that nobody did', { 'p.1': ADDED, 'w.1': RAN.slice(0, 2) }, [completed('a', 5)]],
    [
      'I1',
      'half of a bulk call',
      { 'p.1': ['0 try q a - g=1', '0 try q b - g=1', '1 nack q a - X', '1 nack q b - X'], 'w.1': RAN },
      [completed('a', 5)],
    ],
    ['I2', 'a job ran that nobody added', { 'p.1': [], 'w.1': RAN }, undefined],
    ['I2', 'a job is there that nobody added', { 'p.1': [] }, [{ queue: 'q', id: 'x', status: 'failed', fence: 1 }]],
    [
      'I3',
      'two outcomes of one job',
      { 'p.1': ADDED, 'w.1': [...RAN.slice(0, 2), '30 settle q a 5 verdict=settled,kind=complete'], 'w.2': HEIR },
      [completed('a', 9)],
    ],
    [
      'I3',
      'the outcome of an old owner',
      {
        'p.1': ADDED,
        'w.1': [...RAN.slice(0, 2), '2500 settle q a 5 verdict=settled,kind=complete'],
        'w.2': HEIR.slice(0, 2),
        nemesis: ['500 freeze w.1', '2400 thaw w.1'],
      },
      undefined,
    ],
    [
      'I3',
      'a record with the result of an old owner',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 3), 'w.2': HEIR.slice(0, 2), nemesis: ['500 kill w.1', '501 gone w.1'] },
      [{ ...completed('a', 9), result: '5' }],
    ],
    [
      'I4',
      'two starts with one fence',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': ['2000 start q a 5'], nemesis: ['500 kill w.1', '501 gone w.1'] },
      undefined,
    ],
    ['I4', 'fences that fall', { 'p.1': ADDED, 'w.1': ['10 start q a 9'], 'w.2': ['2000 start q a 5'] }, undefined],
    ['I5', 'a second start without a reason', { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR }, undefined],
    [
      'I5',
      'a second start after a short freeze',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['500 freeze w.1', '700 thaw w.1'] },
      undefined,
    ],
    [
      'I5',
      'a second start before the owner was killed',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['2500 kill w.1', '2501 gone w.1'] },
      undefined,
    ],
    [
      'I5',
      'more starts than the killed process ran jobs',
      {
        'p.1': [...ADDED, '0 try q b', '1 ack q b'],
        'w.1': ['10 start q a 5', '10 start q b 6'],
        'w.2': ['2000 start q a 9', '2000 start q b 10'],
        nemesis: ['500 kill w.1', '501 gone w.1'],
      },
      undefined,
      { concurrency: 1 },
    ],
    [
      'I5',
      'a second start where none may be',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['500 kill w.1', '501 gone w.1'] },
      undefined,
      { extraStarts: 0 },
    ],
    ['I6', 'a job that waits at rest', { 'p.1': ADDED }, [{ queue: 'q', id: 'a', status: 'waiting', fence: 0 }]],
    [
      'I6',
      "what the store's own check found",
      { 'p.1': ADDED, 'w.1': RAN },
      [completed('a', 5)],
      {},
      [{ kind: 'ghost' }],
    ],
    [
      'I7',
      'a job that is handed out too early',
      { 'p.1': ['0 try q a - d=100', '1 ack q a - created'], 'w.1': ['50 claim q a 5 late=-50', ...RAN.slice(1)] },
      [completed('a', 5)],
    ],
    [
      'I8',
      'poison that starts too often',
      { 'p.1': ['0 try q a - poison=exit', '1 ack q a'], 'w.1': ['10 start q a 5'], 'w.2': ['2000 start q a 9'] },
      undefined,
      { poisonStarts: 1 },
    ],
    [
      'I8',
      'an innocent job that was given up',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2) },
      [{ queue: 'q', id: 'a', status: 'cancelled', fence: 5 }],
      { poisonStarts: 4 },
    ],
    [
      'I8',
      'a job that failed although no run of it threw',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2) },
      [{ queue: 'q', id: 'a', status: 'failed', fence: 5, stalledCount: 4 }],
    ],
    [
      'I10',
      'two live jobs of one key',
      {
        'p.1': ['0 try q a - k=x', '1 ack q a - created', '5 try q b - k=x', '6 ack q b - created'],
        'w.1': ['10 start q a 5', '10 start q b 6'],
      },
      undefined,
    ],
    ['I16', 'a backlog that stays', { nemesis: ['100 calm'] }, [], { drainMs: 500 }],
    ['I16', 'a backlog that goes too slowly', { nemesis: ['100 calm', '900 drained'] }, [], { drainMs: 500 }],
    [
      'overlap',
      'a handler beside its heir',
      {
        'p.1': ADDED,
        'w.1': ['10 start q a 5', '2500 abort q a 5 lost'],
        'w.2': HEIR,
        nemesis: ['500 cut w.1', '3500 heal w.1'],
      },
      undefined,
      { exclusive: true },
    ],
    [
      'abort',
      'a handler that goes on after its process stood still',
      {
        'p.1': ADDED,
        'w.1': ['10 start q a 5', '9000 effect q a 5'],
        'w.2': HEIR,
        nemesis: ['500 freeze w.1', '3500 thaw w.1'],
      },
      undefined,
      { abortMs: 1_000 },
    ],
    [
      'recovery',
      'a recovery that takes too long',
      { 'p.1': ADDED, 'w.1': RAN.slice(0, 2), 'w.2': HEIR, nemesis: ['500 kill w.1', '501 gone w.1'] },
      undefined,
      { recoveryMs: 1_000 },
    ],
    ['process', 'an unhandled rejection', { 'w.1': ['5 unhandled - - - oops'] }, []],
    // Rest arguments: for a row that is shorter than what a function names, Jest would hand it a callback to call.
  ])('%s: finds %s', (...[invariant, , lines, rows, rules, fsck]) => {
    const { broken } = judge(lines, rows, rules, fsck);
    expect(broken).toContain(invariant);
  });

  it('takes no offence at what it should not', () => {
    // A job without delay that became ready while the claim was under way.
    const early = { 'p.1': ADDED, 'w.1': ['10 claim q a 5 late=-40', ...RAN.slice(1)] };
    expect(judge(early, [completed('a', 5)]).broken).toEqual([]);
    // An add whose outcome is not known need not be there.
    expect(judge({ 'p.1': ['0 try q a'] }, []).broken).toEqual([]);
    // An owner that stood still ran nothing beside its heir.
    const frozen = { 'p.1': ADDED, 'w.1': ['10 start q a 5', '3501 abort q a 5 lost'], 'w.2': HEIR };
    const nemesis = ['500 freeze w.1', '3500 thaw w.1'];
    expect(judge({ ...frozen, nemesis }, undefined, { exclusive: true }).broken).toEqual([]);
    // A late settle that was refused is as it should be.
    const late = { ...frozen, 'w.1': [...RAN.slice(0, 2), '3600 settle q a 5 verdict=lost,kind=complete'] };
    expect(judge({ ...late, nemesis }, undefined)).toMatchObject({ broken: [], figures: { refused: 1 } });
  });
});

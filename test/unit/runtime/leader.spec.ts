import { describe, expect, it } from '@jest/globals';
import { MemoryLeader } from '../../../lib/backends/memory/memory-leader.js';
import { EventBus } from '../../../lib/kernel/events.js';
import type { LeaderElection } from '../../../lib/kernel/ports/leader.js';
import type { SignalMessage, Signals } from '../../../lib/kernel/ports/signals.js';
import { Leadership, type LeadershipOptions } from '../../../lib/kernel/runtime/leader.js';
import { VirtualClock } from '../../../lib/testing/virtual-clock.js';
import { RecordingLogger } from '../../support/recording-logger.js';
import { seededRandom } from '../../support/seeded-random.js';

const TTL = 3_000;
const RENEW = 1_000;

/** Processes that take part in one election, on one clock; a frozen one stands still on a clock of its own. */
class Contest {
  readonly clock = new VirtualClock();
  readonly election = new MemoryLeader(this.clock);
  readonly calls: string[] = [];
  readonly #all: Leadership[] = [];

  /** `around` stands between the process and the store. */
  join(owner: string, { clock = this.clock, around, ...options }: JoinOptions = {}): Contender {
    const logger = new RecordingLogger();
    const events = new EventBus(logger);
    const seen: unknown[] = [];
    for (const event of ['leader:elected', 'leader:lost'] as const) {
      events.on(event, (payload) => seen.push([event.slice(7), 'reason' in payload ? payload.reason : payload.epoch]));
    }
    const errors: unknown[] = [];
    events.on('error', ({ error }) => errors.push(error));
    const signals: Partial<Signals> = {
      broadcast: async (message: SignalMessage) => {
        if (message.kind === 'vacant') for (const one of this.#all) one.vacant(message.name);
      },
    };
    const election: LeaderElection = {
      campaign: (...args) => {
        this.calls.push(owner);
        return around ? around(() => this.election.campaign(...args)) : this.election.campaign(...args);
      },
      resign: (...args) => this.election.resign(...args),
      current: (...args) => this.election.current(...args),
    };
    const random = seededRandom(this.#all.length + 1);
    const host = { owner, clock, random, logger, events, signals: signals as Signals };
    const leadership = new Leadership(host, election, { name: 'name', ttlMs: TTL, renewMs: RENEW, ...options });
    this.#all.push(leadership);
    leadership.start();
    return { leadership, seen, errors, logger };
  }

  leaders(): string[] {
    return this.#all.filter(({ leads }) => leads).map((one) => one.health()?.owner ?? '');
  }
}

type JoinOptions = Partial<LeadershipOptions> & {
  clock?: VirtualClock;
  around?: <T>(run: () => Promise<T>) => Promise<T>;
};

interface Contender {
  readonly leadership: Leadership;
  readonly seen: unknown[];
  readonly errors: unknown[];
  readonly logger: RecordingLogger;
}

describe('taking part in an election', () => {
  it('one leads, the others know who, and nothing changes while it lives', async () => {
    const contest = new Contest();
    const [a, b, c] = ['a', 'b', 'c'].map((owner) => contest.join(owner));
    await contest.clock.advance('10m');
    expect(contest.leaders()).toEqual(['a']);
    expect(a?.seen).toEqual([['elected', expect.any(Number)]]);
    const epoch = a?.leadership.health()?.epoch;
    expect(a?.leadership.health()).toEqual({ name: 'name', state: 'leader', owner: 'a', epoch });
    for (const one of [b, c]) {
      expect(one?.leadership.health()).toEqual({ name: 'name', state: 'follower', owner: 'a' });
      expect(one?.leadership.follows).toBe(true);
      expect(one?.seen).toEqual([]);
    }
  });

  it('costs the leader one call per renewal and a follower less than one call per lease', async () => {
    const contest = new Contest();
    contest.join('a');
    contest.join('b');
    await contest.clock.advance('1m');
    contest.calls.length = 0;
    await contest.clock.advance('10m');
    const of = (owner: string): number => contest.calls.filter((caller) => caller === owner).length;
    expect(of('a')).toBe(600);
    expect(of('b')).toBeLessThanOrEqual(600_000 / (TTL - RENEW));
    expect(of('b')).toBeGreaterThanOrEqual(600_000 / (TTL + RENEW));
  });

  it.each([1, 2, 3, 4, 5])('a leader that dies is replaced within its lease and one renewal (%i)', async (round) => {
    const contest = new Contest();
    const dead = new VirtualClock(contest.clock.now());
    // The same time until it dies.
    contest.join('a', { clock: dead });
    const b = contest.join('b');
    for (let ms = 0; ms < 10_000 + round * 317; ms += 100) {
      await contest.clock.advance(100);
      await dead.advance(100);
    }
    expect(b.leadership.follows).toBe(true);
    const diedAt = contest.clock.monotonic();
    while (!b.leadership.leads && contest.clock.monotonic() - diedAt < 60_000) await contest.clock.advance(50);
    expect(contest.clock.monotonic() - diedAt).toBeLessThanOrEqual(TTL + RENEW);
    expect(b.seen).toEqual([['elected', expect.any(Number)]]);
  });

  it('a leader that was frozen knows at once that it leads no more, and follows', async () => {
    const contest = new Contest();
    let frozen = Promise.resolve();
    const a = contest.join('a', { around: async (run) => (await frozen, run()) });
    await contest.clock.settle();
    const b = contest.join('b');
    await contest.clock.advance('5s');
    let thaw: () => void = () => undefined;
    frozen = new Promise((resolve) => (thaw = resolve));
    await contest.clock.advance('2s');
    expect(a.leadership.leads).toBe(true);
    // Nobody tells it: its own clock does, before the store gives the lease to anybody else.
    while (a.leadership.leads) {
      expect(b.leadership.leads).toBe(false);
      await contest.clock.advance(10);
    }
    await contest.clock.advance('4s');
    expect(contest.leaders()).toEqual(['b']);
    thaw();
    await contest.clock.settle();
    expect(a.leadership.health()).toMatchObject({ state: 'follower', owner: 'b' });
    expect(a.seen).toEqual([
      ['elected', expect.any(Number)],
      ['lost', 'expired'],
    ]);
  });

  it('an answer that comes after its lease is not trusted', async () => {
    const contest = new Contest();
    let answer: () => void = () => undefined;
    const late = new Promise<void>((resolve) => (answer = resolve));
    const a = contest.join('a', {
      around: async (run) => {
        const reply = await run();
        await late;
        return reply;
      },
    });
    await contest.clock.advance(TTL);
    answer();
    await contest.clock.settle();
    expect(a.leadership.leads).toBe(false);
    expect(a.seen).toEqual([]);
    await contest.clock.advance(RENEW);
    expect(a.leadership.leads).toBe(true);
  });

  it('never do two lead at once, while processes come, go, freeze and lose their answers', async () => {
    const contest = new Contest();
    const random = seededRandom(7);
    let trouble = true;
    const around = async <T>(run: () => Promise<T>): Promise<T> => {
      if (trouble && random.next() < 0.2) throw new Error('no answer');
      if (trouble && random.next() < 0.3) await contest.clock.sleep(Math.floor(random.next() * 5_000));
      const reply = await run();
      if (trouble && random.next() < 0.2) throw new Error('the answer was lost');
      if (trouble && random.next() < 0.3) await contest.clock.sleep(Math.floor(random.next() * 5_000));
      return reply;
    };
    const all: Contender[] = [];
    const epochs: unknown[] = [];
    for (let turn = 0; turn < 600; turn += 1) {
      if (turn % 60 === 0) all.push(contest.join(`p${turn}`, { around }));
      if (turn % 90 === 89) void all[Math.floor(random.next() * all.length)]?.leadership.stop();
      await contest.clock.advance(250);
      expect(contest.leaders().length).toBeLessThanOrEqual(1);
    }
    for (const { seen } of all) {
      const own = (seen as [string, number][]).filter(([what]) => what === 'elected').map(([, epoch]) => epoch);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
      epochs.push(...new Set(own));
    }
    expect(new Set(epochs).size).toBe(epochs.length);
    expect(epochs.length).toBeGreaterThan(3);
    trouble = false;
    await contest.clock.advance('30s');
    expect(contest.leaders()).toHaveLength(1);
  });

  it('a leader that stops resigns, and the next one leads at once', async () => {
    const contest = new Contest();
    const a = contest.join('a');
    const b = contest.join('b');
    await contest.clock.advance('10s');
    await a.leadership.stop();
    await contest.clock.settle();
    expect(contest.leaders()).toEqual(['b']);
    expect(a.seen).toEqual([
      ['elected', expect.any(Number)],
      ['lost', 'resigned'],
    ]);
    expect(a.leadership.health()).toEqual({ name: 'name', state: 'looking' });
    await contest.clock.advance('10m');
    expect(contest.leaders()).toEqual(['b']);
    await b.leadership.stop();
    await b.leadership.stop();
    expect(contest.clock.pendingTimers).toBe(0);
  });

  it('a term that is given while it stops is resigned, too', async () => {
    const contest = new Contest();
    let answer: () => void = () => undefined;
    const late = new Promise<void>((resolve) => (answer = resolve));
    const a = contest.join('a', { around: async (run) => (await late, run()) });
    const stopped = a.leadership.stop();
    answer();
    await stopped;
    expect(await contest.election.current('name')).toBeUndefined();
    expect(a.seen).toEqual([]);
  });

  it('a stop does not wait for a store that does not answer', async () => {
    const contest = new Contest();
    const a = contest.join('a', { around: () => new Promise<never>(() => undefined) });
    let stopped = false;
    void a.leadership.stop().then(() => (stopped = true));
    await contest.clock.advance('3s');
    expect(stopped).toBe(true);
  });

  it('while the store does not answer it says so once, tries less and less often, and goes on', async () => {
    const contest = new Contest();
    let away = true;
    const around = async <T>(run: () => Promise<T>): Promise<T> => {
      if (away) throw new Error('the server is away');
      return run();
    };
    const a = contest.join('a', { around });
    await contest.clock.advance('10m');
    expect(a.errors).toHaveLength(1);
    expect(contest.calls.length).toBeLessThan(600_000 / TTL + 100);
    expect(a.leadership.health()).toMatchObject({ state: 'looking', problem: expect.stringContaining('away') });
    expect(a.leadership.follows).toBe(false);
    away = false;
    await contest.clock.advance(TTL * 2);
    expect(a.leadership.health()).toEqual({ name: 'name', state: 'leader', owner: 'a', epoch: expect.any(Number) });
  });

  it('a leader whose store is away for less than its lease goes on leading', async () => {
    const contest = new Contest();
    let away = false;
    const around = async <T>(run: () => Promise<T>): Promise<T> => {
      if (away) throw new Error('the server is away');
      return run();
    };
    const a = contest.join('a', { around });
    await contest.clock.advance('5s');
    away = true;
    await contest.clock.advance('1500ms');
    away = false;
    await contest.clock.advance('10s');
    expect(a.seen).toEqual([['elected', expect.any(Number)]]);
  });

  it('a hint for another election is nobody’s business', async () => {
    const contest = new Contest();
    contest.join('a');
    const b = contest.join('b');
    await contest.clock.settle();
    contest.calls.length = 0;
    b.leadership.vacant('other');
    expect(contest.calls).toEqual([]);
    b.leadership.vacant('name');
    expect(contest.calls).toEqual(['b']);
  });

  it('without elections in the store nobody leads and nobody follows', async () => {
    const clock = new VirtualClock();
    const logger = new RecordingLogger();
    const host = { owner: 'a', clock, random: seededRandom(1), logger, events: new EventBus(logger) };
    const leadership = new Leadership({ ...host, signals: {} as Signals }, undefined, { name: 'name' });
    leadership.start();
    await clock.advance('1m');
    expect([leadership.leads, leadership.follows, leadership.health()]).toEqual([false, false, undefined]);
    await leadership.stop();
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { EventBus } from '../../lib/kernel/events.js';
import type { Backend } from '../../lib/kernel/ports/backend.js';
import type { Clock, Timer } from '../../lib/kernel/ports/clock.js';
import { systemClock, systemRandom } from '../../lib/kernel/ports/system-clock.js';
import { Leadership } from '../../lib/kernel/runtime/leader.js';
import { RecordingLogger } from './recording-logger.js';
import { until } from './until.js';

/** The defaults of an election, and some patience with a busy machine (ms). */
const REPLACED_WITHIN_MS = 3_000 + 1_000 + 1_000;

/** The real clock of a process that can be stopped: its time goes on, and nothing of it runs. */
class FreezableClock implements Clock {
  frozen = false;
  #due: (() => void)[] = [];

  now = (): number => systemClock.now();
  monotonic = (): number => systemClock.monotonic();
  immediate = (run: () => void): void => systemClock.immediate(run);

  timer(ms: number, run: () => void): Timer {
    return systemClock.timer(ms, () => (this.frozen ? void this.#due.push(run) : run()));
  }

  thaw(): void {
    this.frozen = false;
    for (const run of this.#due.splice(0)) run();
  }
}

/** Real processes' worth of elections on a real store: `open` answers another open backend of the same data each time. */
export function leaderFailover(store: string, open: () => Promise<Backend>): void {
  describe(`leaders on ${store}`, () => {
    const ends: (() => Promise<unknown>)[] = [];
    afterEach(async () => {
      for (const end of ends.splice(0).toReversed()) await end();
    });

    async function join(
      name: string,
      owner: string,
    ): Promise<{ one: Leadership; clock: FreezableClock; backend: Backend }> {
      const backend = await open();
      const clock = new FreezableClock();
      const logger = new RecordingLogger();
      const host = {
        owner,
        clock,
        random: systemRandom,
        logger,
        events: new EventBus(logger),
        signals: backend.signals,
      };
      const one = new Leadership(host, backend.leader, { name });
      const unlisten = await backend.signals.listen(
        owner,
        (message) => (message.kind === 'vacant' ? one.vacant(message.name) : undefined),
        () => undefined,
      );
      ends.push(
        () => backend.close(),
        unlisten,
        () => one.stop(),
      );
      one.start();
      return { one, clock, backend };
    }

    async function timed(what: string, probe: () => boolean): Promise<number> {
      const began = performance.now();
      await until(what, probe, 15_000);
      return performance.now() - began;
    }

    it('a frozen one is replaced within its lease and one renewal, knows it, and follows', async () => {
      const a = await join('frozen', 'a');
      await until('a to lead', () => a.one.leads);
      const b = await join('frozen', 'b');
      await until('b to follow', () => b.one.follows);
      const epoch = a.one.health()?.epoch ?? 0;
      a.clock.frozen = true;
      const ms = await timed('b to lead', () => {
        expect(a.one.leads && b.one.leads).toBe(false);
        return b.one.leads;
      });
      expect(ms).toBeLessThan(REPLACED_WITHIN_MS);
      expect(b.one.health()?.epoch).toBeGreaterThan(epoch);
      a.clock.thaw();
      await until('a to follow', () => a.one.follows);
      expect(a.one.health()).toMatchObject({ state: 'follower', owner: 'b' });
      expect(b.one.leads).toBe(true);
    }, 25_000);

    it('one that lost its connection is replaced, too, and one that stops at once', async () => {
      const a = await join('cut', 'a');
      await until('a to lead', () => a.one.leads);
      const b = await join('cut', 'b');
      await until('b to follow', () => b.one.follows);
      await a.backend.close();
      const ms = await timed('b to lead', () => b.one.leads);
      expect(ms).toBeLessThan(REPLACED_WITHIN_MS);
      expect(a.one.leads).toBe(false);
      const c = await join('cut', 'c');
      await until('c to follow', () => c.one.follows);
      await b.one.stop();
      expect(await timed('c to lead', () => c.one.leads)).toBeLessThan(1_000);
    }, 25_000);
  });
}

import { afterEach, describe, expect, it } from '@jest/globals';
import { OqronEngine, type Timer } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { passUntil } from '../support/pass-until.js';

/** A clock of which timers of some length never come, as if whoever armed them had forgotten to. */
class LossyClock extends VirtualClock {
  lost: (ms: number) => boolean = () => false;

  override timer(ms: number, run: () => void): Timer {
    return super.timer(ms, () => {
      if (!this.lost(ms)) run();
    });
  }
}

let engine: OqronEngine;
let clock: LossyClock;
afterEach(async () => {
  clock.lost = () => false;
  await passUntil(clock, engine.stop(), '10s');
});

function make(): OqronEngine {
  clock = new LossyClock();
  engine = new OqronEngine({ logger: false, shutdown: { timeout: '1s' } }, { clock });
  return engine;
}

/** What two looks agree on. */
async function stuck(): Promise<readonly string[]> {
  engine.health();
  await clock.advance('4s');
  return engine.health().stuck;
}

describe('health names', () => {
  it('a wake-up channel that is not tried any more', async () => {
    await make().start();
    await clock.advance('5m');
    expect(await stuck()).toEqual([]);
    clock.lost = (ms) => ms === 5_000;
    await clock.advance('2m');
    expect(await stuck()).toEqual([expect.stringMatching(/^the wake-up channel has not been tried for \d+ ms$/)]);
  });

  it('leases that are not renewed any more', async () => {
    make();
    const queue = engine.queue({ name: 'long', heartbeatMs: '7s', handler: () => clock.sleep('1d') });
    await engine.start();
    await queue.add({});
    await clock.advance('5m');
    expect(await stuck()).toEqual([]);
    clock.lost = (ms) => ms > 6_000 && ms <= 7_000;
    await clock.advance('2m');
    expect(await stuck()).toEqual([expect.stringMatching(/^the renewal of leases is overdue by \d+ ms$/)]);
  });

  it('nothing that waits for a reason, for hours', async () => {
    make();
    const handler = (): void => undefined;
    engine.queue({ name: 'idle', handler });
    engine.queue({ name: 'lazy', handler, pollIntervalMs: '5m' });
    engine.queue({ name: 'paused', handler, status: 'paused' });
    engine.queue({ name: 'throttled', handler, throttle: { max: 1, duration: '1h' } });
    engine.queue({ name: 'rated', handler, rate: { max: 1, duration: '1h' } });
    engine.queue({
      name: 'denied',
      handler,
      rateLimiter: { check: () => ({ allowed: false, retryAfterMs: 1_800_000 }) },
    });
    engine.queue({ name: 'long', handler: () => clock.sleep('2h'), concurrency: 1 });
    engine.queue({ name: 'some', handler: () => clock.sleep('2h'), concurrency: 2 });
    await engine.start();
    for (const { name } of engine.definitions()) {
      await engine.producer(name).addBulk([{ data: 1 }, { data: 2 }, { data: 3 }]);
    }
    for (let look = 0; look < 400; look += 1) {
      expect(engine.health().stuck).toEqual([]);
      await clock.advance('37s');
    }
  });
});

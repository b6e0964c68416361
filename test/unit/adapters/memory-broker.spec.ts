import { describe, expect, it, jest } from '@jest/globals';
import { createAdapters, createBrokerAdapter, LockNotHeldError, type IBrokerEngine } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { MemoryBroker } from '../../../lib/backends/memory/index.js';

// The rules of the interface are in the conformance kit; here is what it leaves to the adapter.

function make(clock = new VirtualClock()): Promise<Required<IBrokerEngine>> {
  return createBrokerAdapter({ type: 'memory', clock }) as Promise<Required<IBrokerEngine>>;
}

describe('MemoryBroker', () => {
  it('hides a claimed entry to the millisecond', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, 1_000);
    await clock.advance(999);
    expect(await broker.claim('mail', 'c2', 1, 1_000)).toEqual([]);
    await clock.advance(1);
    await expect(broker.extendLock('a', 'c1', 1_000, 'mail')).rejects.toBeInstanceOf(LockNotHeldError);
    expect(await broker.claim('mail', 'c2', 1, 1_000)).toEqual(['a']);
  });

  it('gives an entry its old place back: handed back, or not acknowledged', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publishBatch('mail', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    await broker.claim('mail', 'c1', 1, 1_000);
    await broker.nack('mail', 'a');
    expect(await broker.claim('mail', 'c1', 2, 1_000)).toEqual(['a', 'b']);
    await clock.advance(1_000);
    expect(await broker.claim('mail', 'c1', 3, 1_000)).toEqual(['a', 'b', 'c']);
  });

  it('puts a delayed entry behind those that wait when it becomes due', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publish('mail', 'delayed', 1_000);
    await clock.advance(999);
    await broker.publish('mail', 'b');
    await clock.advance(1);
    expect(await broker.claim('mail', 'c', 2, 1_000)).toEqual(['b', 'delayed']);
  });

  it('leaves an entry as it is when its id is published again', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publish('mail', 'a', 1_000, 5);
    await broker.publish('mail', 'a', 0, 0);
    expect(await broker.size('mail')).toBe(1);
    expect(await broker.claim('mail', 'c', 1, 1_000)).toEqual([]);
    await clock.advance(1_000);
    await broker.publish('mail', 'b', 0, 1);
    expect(await broker.claim('mail', 'c', 2, 1_000, 'priority')).toEqual(['b', 'a']);
  });

  it('takes a late acknowledgement: the work is done', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, 1_000);
    await clock.advance(2_000);
    await broker.ack('mail', 'a');
    expect(await broker.size('mail')).toBe(0);
  });

  it('does not let a late nack take an entry from who waits for it', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, 1_000);
    await clock.advance(2_000);
    await broker.nack('mail', 'a', 60_000);
    expect(await broker.claim('mail', 'c2', 1, 1_000)).toEqual(['a']);
  });

  it('serves those who wait in their order, by their own strategy', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    const first = broker.claimBlocking('mail', 'c1', 1, 1_000, 5_000, 'lifo');
    const second = broker.claimBlocking('mail', 'c2', 5, 1_000, 5_000);
    await broker.publishBatch('mail', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    expect(await first).toEqual(['c']);
    expect(await second).toEqual(['a', 'b']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('answers at once when there is no time, or nothing is wanted', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    expect(await broker.claimBlocking('mail', 'c', 1, 1_000, 0)).toEqual([]);
    expect(await broker.claimBlocking('mail', 'c', 0, 1_000, 5_000)).toEqual([]);
    await broker.publish('mail', 'a');
    expect(await broker.claimBlocking('mail', 'c', 1, 1_000, 0)).toEqual(['a']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets go of everybody who waits, and of every timer, when it is closed', async () => {
    const clock = new VirtualClock();
    const adapters = await createAdapters({ clock });
    const { close } = adapters;
    const broker = adapters.broker as Required<IBrokerEngine>;
    await broker.publish('mail', 'later', 1_000);
    const waiting = [1, 2].map((n) => broker.claimBlocking('mail', `c${n}`, 1, 1_000, 60_000));
    expect(clock.pendingTimers).toBe(3);
    await close();
    await close();
    expect(await Promise.all(waiting)).toEqual([[], []]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('extends without a name whatever the consumer holds of that id', async () => {
    const clock = new VirtualClock();
    const broker = await make(clock);
    for (const name of ['mail', 'sms']) {
      await broker.publish(name, 'a');
      await broker.claim(name, 'c', 1, 1_000);
    }
    await broker.extendLock('a', 'c', 5_000);
    await clock.advance(2_000);
    expect(await broker.claim('mail', 'd', 1, 1_000)).toEqual([]);
    expect(await broker.claim('sms', 'd', 1, 1_000)).toEqual([]);
  });

  it('does not suffer for a subscriber that throws, and says so', async () => {
    const broker = await make();
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const got: string[] = [];
    await broker.subscribe('news', () => {
      throw new Error('no');
    });
    await broker.subscribe('news', (message) => got.push(message));
    await broker.broadcast('news', 'one');
    expect(got).toEqual(['one']);
    expect(warn.mock.calls).toEqual([['a subscriber of "news" failed: Error: no', 'OqronKitWarning']]);
    warn.mockRestore();
  });

  it('names every problem of a call', async () => {
    const broker = await make();
    await expect(broker.publish('mail', 'a', -1, 0.5)).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: [expect.stringContaining('delayMs'), expect.stringContaining('priority')],
    });
    await expect(broker.claim('mail', 'c', NaN, 0)).rejects.toMatchObject({
      problems: [expect.stringContaining('limit'), expect.stringContaining('lockTtlMs')],
    });
    await expect(broker.claimBlocking('mail', 'c', 1, 1_000, Infinity)).rejects.toThrow('timeoutMs');
    await expect(broker.publishBatch('mail', [{ id: 'a' }, { id: 'b', delayMs: NaN }])).rejects.toThrow(
      'items[1].delayMs',
    );
    expect(await broker.size('mail')).toBe(0);
  });

  it('takes 50 000 entries: published, claimed by priority and acknowledged, each once', async () => {
    const broker = new MemoryBroker(new VirtualClock());
    const items = Array.from({ length: 50_000 }, (_, i) => ({ id: `m${i}`, priority: i % 100 }));
    await broker.publishBatch('mail', items);
    let taken = 0;
    for (let ids = await broker.claim('mail', 'c', 1_000, 60_000, 'priority'); ids.length > 0;) {
      taken += ids.length;
      for (const id of ids) await broker.ack('mail', id);
      ids = await broker.claim('mail', 'c', 1_000, 60_000, 'priority');
    }
    expect(taken).toBe(50_000);
    expect(await broker.size('mail')).toBe(0);
  });
});

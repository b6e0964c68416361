import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { adapterSuite, LONG } from '../adapter-suite.js';
import { claimAll } from './drain.js';

async function publishMany(broker: IBrokerEngine, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `m${i}`);
  for (const id of ids) await broker.publish('mail', id);
  return ids;
}

export const claimCases = adapterSuite<IBrokerEngine>('claims', (it) => {
  it('[claim] of an unknown name finds nothing', [], async (broker) => {
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), []);
  });

  it('[claim] hands out at most as many as asked for', [], async (broker) => {
    await publishMany(broker, 5);
    assert.equal((await broker.claim('mail', 'c', 2, LONG)).length, 2);
    assert.deepEqual(await broker.claim('mail', 'c', 0, LONG), []);
    assert.equal((await broker.claim('mail', 'c', 10, LONG)).length, 3);
  });

  it('[claim] 8 consumers at once never share an entry, and leave none', [], async (broker) => {
    const published = await publishMany(broker, 200);
    const taken = await Promise.all(Array.from({ length: 8 }, (_, i) => claimAll(broker, 'mail', `c${i}`, 7)));
    assert.deepEqual(taken.flat().toSorted(), published.toSorted());
  });

  it('[claim] 20 at once publish one id, and it is handed out once', [], async (broker) => {
    await Promise.all(Array.from({ length: 20 }, () => broker.publish('mail', 'a')));
    const taken = await Promise.all(Array.from({ length: 5 }, (_, i) => broker.claim('mail', `c${i}`, 5, LONG)));
    assert.deepEqual(taken.flat(), ['a']);
  });

  it('[lock] an entry that is not acknowledged comes back when its lock ends', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, time.ms(4));
    await time.pass(2);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), ['a']);
  });

  it('[lock] of what was claimed together each entry has its own lock', [], async (broker, time) => {
    await publishMany(broker, 2);
    await broker.claim('mail', 'c1', 2, time.ms(4));
    await time.pass(2);
    await broker.extendLock('m1', 'c1', LONG, 'mail');
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c2', 2, LONG), ['m0']);
  });

  it('[extend] keeps an entry hidden, from now on', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, time.ms(4));
    await time.pass(2);
    await broker.extendLock('a', 'c1', time.ms(6), 'mail');
    await time.pass(4);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), ['a']);
  });

  it('[extend] finds the entry without its name', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, time.ms(4));
    await broker.extendLock('a', 'c1', LONG);
    await time.pass(5);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
    await assert.rejects(broker.extendLock('a', 'c2', LONG));
  });

  it('[extend] throws for whoever does not hold the entry', [], async (broker) => {
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'), 'it does not exist');
    await broker.publish('mail', 'a');
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'), 'it waits');
    await broker.claim('mail', 'c1', 1, LONG);
    await assert.rejects(broker.extendLock('a', 'c2', LONG, 'mail'), 'somebody else holds it');
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'sms'), 'it has another name');
    await broker.extendLock('a', 'c1', LONG, 'mail');
    await broker.ack('mail', 'a');
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'), 'it was acknowledged');
  });

  it('[extend] throws after the lock ended, whether or not somebody else has the entry', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, time.ms(2));
    await time.pass(3);
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'));
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), ['a']);
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'));
    await broker.extendLock('a', 'c2', LONG, 'mail');
  });

  it('[extend] throws after the entry was handed back', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, LONG);
    await broker.nack('mail', 'a', LONG);
    await assert.rejects(broker.extendLock('a', 'c1', LONG, 'mail'));
  });
});

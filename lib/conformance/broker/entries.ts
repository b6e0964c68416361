import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { adapterSuite, LONG } from '../adapter-suite.js';
import { claimAll, drain } from './drain.js';

export const entryCases = adapterSuite<IBrokerEngine>('entries', (it) => {
  it('[publish] an entry is handed out once', [], async (broker) => {
    await broker.publish('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c1', 10, LONG), ['a']);
    assert.deepEqual(await broker.claim('mail', 'c1', 10, LONG), []);
    assert.deepEqual(await broker.claim('mail', 'c2', 10, LONG), []);
  });

  it('[publish] an entry belongs to its name', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.publish('mail:eu', 'b');
    await broker.publish('sms', 'a');
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), ['a']);
    assert.deepEqual(await broker.claim('mail:eu', 'c', 10, LONG), ['b']);
    assert.deepEqual(await broker.claim('sms', 'c', 10, LONG), ['a']);
    await broker.ack('mail', 'a');
    await broker.nack('sms', 'a');
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), []);
    assert.deepEqual(await broker.claim('sms', 'c', 10, LONG), ['a']);
  });

  it('[publish] the same id twice is one entry', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.publish('mail', 'a');
    await broker.publish('mail', 'a', 0, 7);
    assert.deepEqual(await drain(broker, 'mail'), ['a']);
  });

  it('[publish] an id that somebody holds is not handed out again', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, LONG);
    await broker.publish('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
    await broker.ack('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
  });

  it('[publish] an id that was acknowledged can be published anew', [], async (broker) => {
    await broker.publish('mail', 'a');
    assert.deepEqual(await drain(broker, 'mail'), ['a']);
    await broker.publish('mail', 'a');
    assert.deepEqual(await drain(broker, 'mail'), ['a']);
  });

  it('[delay] an entry is handed out when its delay is over, not before', [], async (broker, time) => {
    await broker.publish('mail', 'later', time.ms(4));
    await broker.publish('mail', 'now');
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), ['now']);
    await time.pass(2);
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), []);
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), ['later']);
  });

  it('[ack] an acknowledged entry never comes back', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c', 1, time.ms(2));
    await broker.ack('mail', 'a');
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG), []);
  });

  it('[ack] of what is not there does no harm', [], async (broker) => {
    await broker.ack('mail', 'unknown');
    await broker.nack('mail', 'unknown');
    await broker.publish('mail', 'a');
    assert.deepEqual(await drain(broker, 'mail'), ['a']);
  });

  it('[nack] hands the entry back at once', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, LONG);
    await broker.nack('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), ['a']);
  });

  it('[nack] with a delay hands it back later', [], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, LONG);
    await broker.nack('mail', 'a', time.ms(4));
    await time.pass(2);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), []);
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c2', 1, LONG), ['a']);
  });

  it('[batch] publishes many, each with its delay and priority', ['publishBatch'], async (broker, time) => {
    await broker.publishBatch('mail', [
      { id: 'later', delayMs: time.ms(2) },
      { id: 'low', priority: 9 },
      { id: 'high', priority: 1 },
      { id: 'low' },
    ]);
    await broker.publishBatch('mail', []);
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG, 'priority'), ['high', 'low']);
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), ['later']);
  });

  it('[batch] takes hundreds of entries', ['publishBatch'], async (broker) => {
    const items = Array.from({ length: 700 }, (_, i) => ({ id: `m${i}` }));
    await broker.publishBatch('mail', items);
    const taken = await claimAll(broker, 'mail', 'c', 100);
    assert.equal(taken.length, 700);
    assert.equal(new Set(taken).size, 700);
  });

  it('[remove] takes an entry away wherever it is', ['remove'], async (broker, time) => {
    await broker.publish('mail', 'waiting');
    await broker.publish('mail', 'delayed', time.ms(2));
    await broker.publish('mail', 'held');
    await broker.publish('mail', 'stays');
    await broker.remove('mail', 'waiting');
    await broker.remove('mail', 'delayed');
    assert.deepEqual(await broker.claim('mail', 'c', 1, time.ms(2)), ['held']);
    await broker.remove('mail', 'held');
    await broker.remove('mail', 'unknown');
    await assert.rejects(broker.extendLock('held', 'c', LONG, 'mail'));
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c', 10, LONG), ['stays']);
  });

  it('[size] counts what was not acknowledged: waiting, delayed and held', ['size'], async (broker) => {
    assert.equal(await broker.size('mail'), 0);
    await broker.publish('mail', 'a');
    await broker.publish('mail', 'b', LONG);
    await broker.publish('mail', 'b', LONG);
    await broker.publish('sms', 'c');
    assert.equal(await broker.size('mail'), 2);
    await broker.claim('mail', 'c', 1, LONG);
    assert.equal(await broker.size('mail'), 2);
    await broker.ack('mail', 'a');
    assert.equal(await broker.size('mail'), 1);
  });
});

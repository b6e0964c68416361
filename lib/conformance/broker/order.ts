import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { adapterSuite, LONG } from '../adapter-suite.js';
import { drain } from './drain.js';

async function publishAll(broker: IBrokerEngine, ...ids: string[]): Promise<void> {
  for (const id of ids) await broker.publish('mail', id);
}

export const orderCases = adapterSuite<IBrokerEngine>('order', (it) => {
  it('[order] fifo, which is the default, hands out the oldest first', [], async (broker) => {
    await publishAll(broker, 'a', 'b', 'c', 'd');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG), ['a', 'b']);
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'fifo'), ['c', 'd']);
  });

  it('[order] lifo hands out the newest first', [], async (broker) => {
    await publishAll(broker, 'a', 'b', 'c');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'lifo'), ['c', 'b']);
    await publishAll(broker, 'd');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'lifo'), ['d', 'a']);
  });

  it('[order] priority hands out the lowest number first, and the oldest among equals', [], async (broker) => {
    await broker.publish('mail', 'low', 0, 10);
    await broker.publish('mail', 'high-1', 0, 1);
    await broker.publish('mail', 'middle', 0, 5);
    await broker.publish('mail', 'high-2', 0, 1);
    assert.deepEqual(await broker.claim('mail', 'c', 3, LONG, 'priority'), ['high-1', 'high-2', 'middle']);
    assert.deepEqual(await broker.claim('mail', 'c', 3, LONG, 'priority'), ['low']);
  });

  it('[order] no priority is 0, the first', [], async (broker) => {
    await broker.publish('mail', 'one', 0, 1);
    await broker.publish('mail', 'none');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'priority'), ['none', 'one']);
  });

  it('[order] the other strategies do not look at priorities', [], async (broker) => {
    await broker.publish('mail', 'a', 0, 9);
    await broker.publish('mail', 'b', 0, 1);
    await broker.publish('mail', 'c', 0, 5);
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG, 'fifo'), ['a']);
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'lifo'), ['c', 'b']);
  });

  it('[order] an entry that is handed back keeps its priority', [], async (broker) => {
    await broker.publish('mail', 'high', 0, 1);
    await broker.publish('mail', 'low', 0, 2);
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG, 'priority'), ['high']);
    await broker.nack('mail', 'high');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG, 'priority'), ['high', 'low']);
  });

  it('[order] due entries come in the order of when they were due', [], async (broker, time) => {
    await broker.publish('mail', 'second', time.ms(2));
    await broker.publish('mail', 'first', time.ms(1));
    await time.pass(3);
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG), ['first', 'second']);
  });

  it('[pause] a paused name hands out nothing until it is resumed', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.publish('sms', 'b');
    await broker.pause('mail');
    await broker.pause('mail');
    await broker.publish('mail', 'c');
    assert.deepEqual(await broker.claim('mail', 'c1', 10, LONG), []);
    assert.deepEqual(await broker.claim('mail', 'c2', 10, LONG, 'priority'), []);
    assert.deepEqual(await broker.claim('sms', 'c1', 10, LONG), ['b']);
    await broker.resume('mail');
    assert.deepEqual(await drain(broker, 'mail'), ['a', 'c']);
  });

  it('[pause] a name can be paused before anything is published', [], async (broker) => {
    await broker.pause('mail');
    await broker.publish('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG), []);
    await broker.resume('mail');
    await broker.resume('mail');
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG), ['a']);
  });

  it('[pause] a pause outlives an empty name', [], async (broker) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c', 1, LONG);
    await broker.pause('mail');
    await broker.ack('mail', 'a');
    await broker.publish('mail', 'b');
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG), []);
  });

  it('[pause] what is held goes on: extended, acknowledged, handed back', [], async (broker) => {
    await publishAll(broker, 'a', 'b');
    await broker.claim('mail', 'c', 2, LONG);
    await broker.pause('mail');
    await broker.extendLock('a', 'c', LONG, 'mail');
    await broker.ack('mail', 'a');
    await broker.nack('mail', 'b');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG), []);
    await broker.resume('mail');
    assert.deepEqual(await broker.claim('mail', 'c', 2, LONG), ['b']);
  });

  it('[pause] isPaused says so', ['isPaused'], async (broker) => {
    assert.equal(await broker.isPaused('mail'), false);
    await broker.pause('mail');
    assert.equal(await broker.isPaused('mail'), true);
    assert.equal(await broker.isPaused('sms'), false);
    await broker.resume('mail');
    assert.equal(await broker.isPaused('mail'), false);
  });
});

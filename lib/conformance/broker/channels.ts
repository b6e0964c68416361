import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { systemClock } from '../../kernel/ports/system-clock.js';
import { adapterSuite } from '../adapter-suite.js';

/** Longest wait (ms, real time) for a message. It is never slept through. */
const DEADLINE_MS = 2_000;

/** What one subscriber received. */
class Mailbox {
  readonly messages: string[] = [];
  #look: () => void = () => undefined;

  readonly take = (message: string): void => {
    this.messages.push(message);
    this.#look();
  };

  /** Resolves once `count` messages have arrived, or the deadline is over. */
  async arrived(count: number): Promise<string[]> {
    await new Promise<void>((done) => {
      const deadline = systemClock.timer(DEADLINE_MS, done);
      this.#look = () => {
        if (this.messages.length < count) return;
        deadline.cancel();
        done();
      };
      this.#look();
    });
    return this.messages;
  }
}

export const channelCases = adapterSuite<IBrokerEngine>('channels', (it) => {
  it('[channel] every subscriber gets every message, in order', ['broadcast', 'subscribe'], async (broker) => {
    const boxes = [new Mailbox(), new Mailbox()];
    const stops = await Promise.all(boxes.map((box) => broker.subscribe('news', box.take)));
    await broker.broadcast('news', 'one');
    await broker.broadcast('news', 'two');
    for (const box of boxes) assert.deepEqual(await box.arrived(2), ['one', 'two']);
    for (const stop of stops) await stop();
  });

  it('[channel] a message stays in its channel', ['broadcast', 'subscribe'], async (broker) => {
    const box = new Mailbox();
    const stop = await broker.subscribe('news', box.take);
    await broker.broadcast('news:eu', 'other');
    await broker.broadcast('nobody', 'other');
    await broker.broadcast('news', 'mine');
    assert.deepEqual(await box.arrived(1), ['mine']);
    await stop();
  });

  it('[channel] a message is for those who listen: it is not kept', ['broadcast', 'subscribe'], async (broker) => {
    await broker.broadcast('news', 'before');
    const box = new Mailbox();
    const stop = await broker.subscribe('news', box.take);
    await broker.broadcast('news', 'after');
    assert.deepEqual(await box.arrived(1), ['after']);
    await stop();
  });

  it('[channel] who unsubscribed gets nothing more', ['broadcast', 'subscribe'], async (broker) => {
    const [gone, stays] = [new Mailbox(), new Mailbox()];
    const stop = await broker.subscribe('news', gone.take);
    const stopOther = await broker.subscribe('news', stays.take);
    await broker.broadcast('news', 'one');
    await gone.arrived(1);
    await stop();
    await stop();
    await broker.broadcast('news', 'two');
    assert.deepEqual(await stays.arrived(2), ['one', 'two']);
    assert.deepEqual(gone.messages, ['one']);
    await stopOther();
  });

  it('[channel] messages are any text', ['broadcast', 'subscribe'], async (broker) => {
    const box = new Mailbox();
    const stop = await broker.subscribe('news', box.take);
    const texts = ['', '{"a":[]}', 'line\nline', '日本 🎈'];
    for (const text of texts) await broker.broadcast('news', text);
    assert.deepEqual(await box.arrived(texts.length), texts);
    await stop();
  });

  it('[channel] one broadcast may run beside entries of the same name', ['broadcast', 'subscribe'], async (broker) => {
    const box = new Mailbox();
    const stop = await broker.subscribe('mail', box.take);
    await broker.publish('mail', 'a');
    await broker.broadcast('mail', 'message');
    assert.deepEqual(await box.arrived(1), ['message']);
    assert.deepEqual(await broker.claim('mail', 'c', 5, 60_000), ['a']);
    await stop();
  });
});

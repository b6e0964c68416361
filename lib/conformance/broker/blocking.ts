import assert from 'node:assert/strict';
import type { IBrokerEngine } from '../../kernel/ports/broker.js';
import { adapterSuite, LONG } from '../adapter-suite.js';

export const blockingCases = adapterSuite<IBrokerEngine>('blocking', (it) => {
  it('[blocking] answers at once what is there', ['claimBlocking'], async (broker) => {
    await broker.publish('mail', 'low', 0, 2);
    await broker.publish('mail', 'high', 0, 1);
    assert.deepEqual(await broker.claimBlocking('mail', 'c', 1, LONG, LONG, 'priority'), ['high']);
    assert.deepEqual(await broker.claimBlocking('mail', 'c', 5, LONG, LONG), ['low']);
  });

  it('[blocking] answers nothing when the time is over', ['claimBlocking'], async (broker, time) => {
    let answered: string[] | undefined;
    const waiting = broker.claimBlocking('mail', 'c', 1, LONG, time.ms(4)).then((ids) => (answered = ids));
    await time.pass(2);
    assert.equal(answered, undefined);
    await time.pass(3);
    assert.deepEqual(await waiting, []);
    await broker.publish('mail', 'a');
    assert.deepEqual(await broker.claim('mail', 'c', 1, LONG), ['a']);
  });

  it('[blocking] answers what is published meanwhile, and holds it', ['claimBlocking'], async (broker, time) => {
    const waiting = broker.claimBlocking('mail', 'c', 5, LONG, LONG);
    await time.pass(1);
    await broker.publish('sms', 'other');
    await broker.publish('mail', 'a');
    assert.deepEqual(await waiting, ['a']);
    assert.deepEqual(await broker.claim('mail', 'd', 1, LONG), []);
    await broker.extendLock('a', 'c', LONG, 'mail');
  });

  it('[blocking] one entry answers one of those who wait', ['claimBlocking'], async (broker, time) => {
    const answers = ['c1', 'c2', 'c3'].map((consumer) => broker.claimBlocking('mail', consumer, 5, LONG, time.ms(6)));
    await time.pass(1);
    await broker.publish('mail', 'a');
    await time.pass(1);
    await broker.publish('mail', 'b');
    await time.pass(5);
    const taken = (await Promise.all(answers)).flat();
    assert.deepEqual(taken.toSorted(), ['a', 'b']);
  });

  it('[blocking] is woken by a delay that ends', ['claimBlocking'], async (broker, time) => {
    await broker.publish('mail', 'a', time.ms(2));
    const waiting = broker.claimBlocking('mail', 'c', 1, LONG, time.ms(6));
    await time.pass(3);
    assert.deepEqual(await waiting, ['a']);
  });

  it('[blocking] is woken by an entry that is handed back', ['claimBlocking'], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, LONG);
    const waiting = broker.claimBlocking('mail', 'c2', 1, LONG, LONG);
    await time.pass(1);
    await broker.nack('mail', 'a');
    assert.deepEqual(await waiting, ['a']);
  });

  it('[blocking] is woken by a lock that ends', ['claimBlocking'], async (broker, time) => {
    await broker.publish('mail', 'a');
    await broker.claim('mail', 'c1', 1, time.ms(2));
    const waiting = broker.claimBlocking('mail', 'c2', 1, LONG, time.ms(6));
    await time.pass(3);
    assert.deepEqual(await waiting, ['a']);
  });

  it(
    '[blocking] answers nothing of a paused name, and is woken when it is resumed',
    ['claimBlocking'],
    async (broker, time) => {
      await broker.publish('mail', 'a');
      await broker.pause('mail');
      const short = broker.claimBlocking('mail', 'c1', 1, LONG, time.ms(2));
      await time.pass(3);
      assert.deepEqual(await short, []);
      const waiting = broker.claimBlocking('mail', 'c2', 1, LONG, LONG);
      await time.pass(1);
      await broker.resume('mail');
      assert.deepEqual(await waiting, ['a']);
    },
  );
});

import assert from 'node:assert/strict';
import { refused } from '../bench.js';
import { ids, job } from '../build.js';
import { suite } from '../suite.js';

export const strategyCases = suite('strategy', (it) => {
  it('[rule 5] declare records a queue and answers its record', async (p) => {
    assert.deepEqual(
      { ...(await p.declare('mail', { strategy: 'priority' })) },
      {
        name: 'mail',
        strategy: 'priority',
        paused: false,
        disabled: false,
        disabledBehavior: 'hold',
        maxHeldJobs: 10_000,
        version: 0,
      },
    );
  });

  it('[rule 5] a strategy that is left out follows the store', async (p, bench) => {
    await p.declare('mail', { strategy: 'lifo' });
    assert.equal((await bench.process('other').declare('mail', {})).strategy, 'lifo');
    await p.add('mail', job('a'), job('b'));
    assert.deepEqual(ids(await p.take('mail', 2)), ['b', 'a']);
  });

  it('[rule 5] where nothing is recorded, a strategy that is left out is fifo and records nothing', async (p) => {
    assert.equal((await p.declare('mail', {})).strategy, 'fifo');
    assert.equal((await p.declare('mail', { strategy: 'priority' })).strategy, 'priority');
    assert.equal((await p.declare('mail', {})).strategy, 'priority');
  });

  it('[rule 5] the same strategy may be declared again', async (p, bench) => {
    await p.declare('mail', { strategy: 'fifo' });
    assert.equal((await bench.process('other').declare('mail', { strategy: 'fifo' })).strategy, 'fifo');
  });

  it('[rule 5] a different explicit strategy is an error and changes nothing', async (p) => {
    await p.declare('mail', { strategy: 'fifo' });
    for (const strategy of ['lifo', 'priority'] as const) {
      await refused('STRATEGY_MISMATCH', p.declare('mail', { strategy }));
    }
    assert.equal((await p.declare('mail', {})).strategy, 'fifo');
    await p.add('mail', job('a', { priority: 9 }), job('b'));
    assert.deepEqual(ids(await p.take('mail', 2)), ['a', 'b']);
  });

  it('[rule 5] each queue has its own strategy', async (p) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.declare('sms', { strategy: 'fifo' });
    for (const queue of ['mail', 'sms']) await p.add(queue, job('a'), job('b'));
    assert.deepEqual(ids(await p.take('mail', 2)), ['b', 'a']);
    assert.deepEqual(ids(await p.take('sms', 2)), ['a', 'b']);
  });

  it('[rule 5] jobs added before the strategy was recorded are not stranded and go first', async (p) => {
    await p.add('mail', job('old', { priority: 50 }));
    await p.declare('mail', { strategy: 'priority' });
    await p.add('mail', job('slow', { priority: 9 }), job('urgent', { priority: 1 }));
    assert.deepEqual(ids(await p.take('mail', 10)), ['old', 'urgent', 'slow']);
  });

  it('[rule 5] a recorded strategy outlives obliterate', async (p) => {
    await p.declare('mail', { strategy: 'lifo' });
    await p.add('mail', job('x'));
    await p.obliterate('mail');
    await refused('STRATEGY_MISMATCH', p.declare('mail', { strategy: 'fifo' }));
    await p.add('mail', job('a'), job('b'));
    assert.deepEqual(ids(await p.take('mail', 10)), ['b', 'a']);
  });

  it('[pause] a queue can be declared paused, and a later resume is not undone by the next start', async (p) => {
    await p.add('mail', job('a'));
    assert.equal((await p.declare('mail', { paused: true })).paused, true);
    assert.deepEqual(await p.take('mail'), []);
    await p.resume('mail');
    assert.equal((await p.declare('mail', { paused: true })).paused, false);
    assert.deepEqual(ids(await p.take('mail')), ['a']);
  });

  it('[pause] a pause from before the first declaration is not undone by it', async (p) => {
    await p.pause('mail');
    assert.equal((await p.declare('mail', { paused: false })).paused, true);
    assert.equal((await p.claim('mail')).paused, true);
  });

  it('[pause] a pause is not undone by the next start', async (p) => {
    await p.declare('mail', { paused: false });
    await p.pause('mail');
    assert.equal((await p.declare('mail', { paused: false })).paused, true);
    assert.equal((await p.declare('mail', {})).paused, true);
    assert.equal((await p.claim('mail')).paused, true);
  });
});

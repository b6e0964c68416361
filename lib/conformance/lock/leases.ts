import assert from 'node:assert/strict';
import type { ILockAdapter } from '../../kernel/ports/lock.js';
import { adapterSuite, LONG } from '../adapter-suite.js';

export const leaseCases = adapterSuite<ILockAdapter>('leases', (it) => {
  it('[acquire] one owner at a time', [], async (lock) => {
    assert.equal(await lock.acquire('key', 'a', LONG), true);
    assert.equal(await lock.acquire('key', 'b', LONG), false);
    assert.equal(await lock.isOwner('key', 'a'), true);
    assert.equal(await lock.isOwner('key', 'b'), false);
  });

  it('[acquire] keys do not know each other', [], async (lock) => {
    assert.equal(await lock.acquire('key:1', 'a', LONG), true);
    assert.equal(await lock.acquire('key', 'b', LONG), true);
    assert.equal(await lock.acquire('KEY', 'c', LONG), true);
    assert.equal(await lock.isOwner('key:1', 'b'), false);
  });

  it('[acquire] of 20 owners at once exactly one gets the key', [], async (lock) => {
    const owners = Array.from({ length: 20 }, (_, i) => `owner-${i}`);
    const got = await Promise.all(owners.map((owner) => lock.acquire('key', owner, LONG)));
    assert.equal(got.filter(Boolean).length, 1);
    assert.equal(await lock.isOwner('key', owners[got.indexOf(true)] as string), true);
  });

  it('[acquire] the key is free when its time is over', [], async (lock, time) => {
    await lock.acquire('key', 'a', time.ms(4));
    await time.pass(2);
    assert.equal(await lock.acquire('key', 'b', LONG), false);
    await time.pass(3);
    assert.equal(await lock.acquire('key', 'b', LONG), true);
    assert.equal(await lock.isOwner('key', 'a'), false);
  });

  it('[acquire] the owner gets its key again, from now on', [], async (lock, time) => {
    assert.equal(await lock.acquire('key', 'a', time.ms(4)), true);
    await time.pass(2);
    assert.equal(await lock.acquire('key', 'a', time.ms(6)), true);
    await time.pass(4);
    assert.equal(await lock.isOwner('key', 'a'), true);
    assert.equal(await lock.acquire('key', 'b', LONG), false);
    await time.pass(3);
    assert.equal(await lock.acquire('key', 'b', LONG), true);
  });

  it('[renew] holds the key for longer, from now on', [], async (lock, time) => {
    await lock.acquire('key', 'a', time.ms(4));
    await time.pass(2);
    assert.equal(await lock.renew('key', 'a', time.ms(6)), true);
    await time.pass(4);
    assert.equal(await lock.isOwner('key', 'a'), true);
    await time.pass(3);
    assert.equal(await lock.isOwner('key', 'a'), false);
  });

  it('[renew] only by the owner', [], async (lock, time) => {
    assert.equal(await lock.renew('key', 'a', LONG), false);
    assert.equal(await lock.isOwner('key', 'a'), false);
    await lock.acquire('key', 'a', time.ms(4));
    assert.equal(await lock.renew('key', 'b', LONG), false);
    assert.equal(await lock.isOwner('key', 'a'), true);
    await time.pass(5);
    assert.equal(await lock.isOwner('key', 'a'), false);
  });

  it('[renew] not after the end, though nobody took the key', [], async (lock, time) => {
    await lock.acquire('key', 'a', time.ms(2));
    await time.pass(3);
    assert.equal(await lock.renew('key', 'a', LONG), false);
    assert.equal(await lock.isOwner('key', 'a'), false);
    assert.equal(await lock.acquire('key', 'b', LONG), true);
    assert.equal(await lock.renew('key', 'a', LONG), false);
    assert.equal(await lock.isOwner('key', 'b'), true);
  });

  it('[renew] many keys are renewed one by one', ['renewMany'], async (lock, time) => {
    await lock.acquire('mine', 'a', time.ms(4));
    await lock.acquire('mine-too', 'a', time.ms(4));
    await lock.acquire('theirs', 'b', time.ms(4));
    const renewed = await lock.renewMany(['mine', 'theirs', 'nobodys', 'mine-too'], 'a', LONG);
    assert.deepEqual(renewed, [true, false, false, true]);
    assert.deepEqual(await lock.renewMany([], 'a', LONG), []);
    await time.pass(5);
    assert.equal(await lock.isOwner('mine', 'a'), true);
    assert.equal(await lock.isOwner('mine-too', 'a'), true);
    assert.equal(await lock.isOwner('theirs', 'b'), false);
    assert.equal(await lock.isOwner('nobodys', 'a'), false);
  });

  it('[release] frees the key at once', [], async (lock) => {
    await lock.acquire('key', 'a', LONG);
    await lock.release('key', 'a');
    assert.equal(await lock.isOwner('key', 'a'), false);
    assert.equal(await lock.acquire('key', 'b', LONG), true);
  });

  it('[release] only by the owner', [], async (lock, time) => {
    await lock.release('key', 'a');
    await lock.acquire('key', 'a', time.ms(2));
    await lock.release('key', 'b');
    assert.equal(await lock.isOwner('key', 'a'), true);
    await time.pass(3);
    await lock.acquire('key', 'b', LONG);
    await lock.release('key', 'a');
    assert.equal(await lock.isOwner('key', 'b'), true);
  });

  it('[release] is complete: no other acquire of the owner counts', [], async (lock) => {
    await lock.acquire('key', 'a', LONG);
    await lock.acquire('key', 'a', LONG);
    await lock.release('key', 'a');
    assert.equal(await lock.acquire('key', 'b', LONG), true);
  });

  it('[owner] nobody owns a key after the end', [], async (lock, time) => {
    assert.equal(await lock.isOwner('key', 'a'), false);
    await lock.acquire('key', 'a', time.ms(4));
    await time.pass(2);
    assert.equal(await lock.isOwner('key', 'a'), true);
    await time.pass(3);
    assert.equal(await lock.isOwner('key', 'a'), false);
  });
});

import { describe, expect, it } from '@jest/globals';
import { TransactionLines } from '../../../lib/kernel/transactions/transaction-lines.js';
import { failureOf, gate } from '../../support/until.js';

describe('what is asked for in one transaction', () => {
  it('is sent in that order, whatever is slower to prepare; other transactions do not wait', async () => {
    const lines = new TransactionLines();
    const slow = gate();
    const sent: string[] = [];
    const ask = (tx: object, name: string, prepare: Promise<unknown> = Promise.resolve()) =>
      lines.run(
        tx,
        () => prepare,
        async () => void sent.push(name),
      );
    const tx = {};
    const all = [ask(tx, 'first', slow.opened), ask(tx, 'second'), ask(tx, 'third')];
    await ask({}, 'other');
    expect(sent).toEqual(['other']);
    slow.open();
    await Promise.all(all);
    expect(sent).toEqual(['other', 'first', 'second', 'third']);
  });

  it('goes on after one that failed', async () => {
    const lines = new TransactionLines();
    const tx = {};
    const failed = lines.run(
      tx,
      () => Promise.reject(new Error('no')),
      () => Promise.resolve(1),
    );
    const next = lines.run(
      tx,
      () => Promise.resolve(2),
      (value) => Promise.resolve(value),
    );
    expect((await failureOf(failed)).message).toBe('no');
    expect(await next).toBe(2);
  });
});

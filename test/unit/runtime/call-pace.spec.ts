import { describe, expect, it } from '@jest/globals';
import { callPace } from '../../../lib/kernel/runtime/call-pace.js';

describe('callPace', () => {
  it('divides few endings only where answers keep the order of the calls', () => {
    expect(callPace({})).toEqual({ maxCalls: 2, splitFrom: 32 });
    expect(callPace({ ordered: false })).toEqual({ maxCalls: 2, splitFrom: 32 });
    expect(callPace({ ordered: true })).toEqual({ maxCalls: 2, splitFrom: 8 });
  });

  it('fills the calls of a store that wants large ones, and has more of them under way', () => {
    expect(callPace({ batch: 300, ordered: true })).toEqual({ maxCalls: 4, splitFrom: 300 });
  });
});

import { describe, expect, it } from '@jest/globals';
import {
  DEFAULT_KEEP,
  retentionFor,
  toRetention,
  type ConsumerKeep,
  type JobKeep,
  type KeepOption,
  type KeepRule,
  type Retention,
} from '../../../lib/kernel/job/retention.js';
import { keepOf } from '../../../lib/modules/queue/resolve.js';

const rule = (count: number): Retention => ({ count, ageMs: null });
const fromJob: KeepRule = { ...rule(1), from: 'job' };
const fromProducer: KeepRule = { ...rule(2), from: 'producer' };
const consumer = rule(3);
const fallback = rule(4);

describe('retentionFor', () => {
  it.each<[string, KeepRule | undefined, Retention | undefined, Retention | undefined, Retention]>([
    ['the job comes before the consumer', fromJob, consumer, fallback, fromJob],
    ['the job comes before the defaults', fromJob, undefined, fallback, fromJob],
    ['the job holds without any consumer', fromJob, undefined, undefined, fromJob],
    ['the consumer comes before the producer', fromProducer, consumer, fallback, consumer],
    ['the producer comes before the defaults', fromProducer, undefined, fallback, fromProducer],
    ['the producer holds without any consumer', fromProducer, undefined, undefined, fromProducer],
    ['the consumer comes before the defaults', undefined, consumer, fallback, consumer],
    ["the engine's defaults come last", undefined, undefined, fallback, fallback],
  ])('%s', (_title, own, byConsumer, defaults, expected) => {
    for (const state of ['completed', 'failed'] as const) {
      const job: JobKeep | undefined = own && { [state]: own };
      const keep: ConsumerKeep | undefined = defaults && {
        ...(byConsumer ? { [state]: byConsumer } : {}),
        defaults: { completed: defaults, failed: defaults },
      };
      expect(retentionFor(state, job, keep)).toEqual(expected);
    }
  });

  it('falls back to 24 hours and 10 000 for completed, 7 days and 10 000 for failed jobs', () => {
    expect(retentionFor('completed', undefined)).toEqual({ count: 10_000, ageMs: 86_400_000 });
    expect(retentionFor('failed', undefined)).toEqual({ count: 10_000, ageMs: 604_800_000 });
    expect(retentionFor('cancelled', undefined)).toEqual({ count: 10_000, ageMs: 604_800_000 });
  });

  it('does not take the rule of one state for the other', () => {
    const job: JobKeep = { completed: fromJob };
    expect(retentionFor('failed', job)).toEqual(DEFAULT_KEEP.failed);
  });

  it('follows the rule for failed jobs when one was cancelled, but never removes its tombstone on the spot', () => {
    expect(retentionFor('cancelled', { failed: { ...rule(5), from: 'job' } })).toMatchObject(rule(5));
    expect(retentionFor('cancelled', { failed: { ...rule(0), from: 'job' } })).toEqual(DEFAULT_KEEP.failed);
    expect(retentionFor('failed', { failed: { ...rule(0), from: 'job' } })).toMatchObject(rule(0));
  });
});

describe('what users write about retention', () => {
  it.each<[KeepOption, Retention]>([
    [true, { count: 0, ageMs: null }],
    [false, { count: null, ageMs: null }],
    [0, { count: 0, ageMs: null }],
    [25, { count: 25, ageMs: null }],
    [{ age: 60 }, { count: null, ageMs: 60_000 }],
    [{ count: 7 }, { count: 7, ageMs: null }],
    [
      { age: 1.5, count: 7 },
      { count: 7, ageMs: 1_500 },
    ],
    [{}, { count: null, ageMs: null }],
  ])('%j means %j', (option, expected) => {
    expect(toRetention(option)).toEqual(expected);
  });

  it.each<[number | boolean, Retention]>([
    [true, { count: null, ageMs: null }],
    [false, { count: 0, ageMs: null }],
    [12, { count: 12, ageMs: null }],
  ])('keepHistory: %j is an alias the other way round', (history, expected) => {
    expect(keepOf({ keepHistory: history })).toEqual({ completed: expected });
    expect(keepOf({ keepFailedHistory: history })).toEqual({ failed: expected });
  });

  it('prefers the explicit option to its alias', () => {
    expect(keepOf({ keepHistory: 5, removeOnComplete: 9, keepFailedHistory: false, removeOnFail: false })).toEqual({
      completed: { count: 9, ageMs: null },
      failed: { count: null, ageMs: null },
    });
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { VirtualClock } from 'oqronkit/testing';
import { parseDuration } from '../../../lib/kernel/job/duration.js';
import { idFactory, idProblem, nameProblem } from '../../../lib/kernel/job/ids.js';
import { MAX_DELAY_MS } from '../../../lib/kernel/job/limits.js';
import { safeText } from '../../../lib/kernel/job/text.js';
import { seededRandom } from '../../support/seeded-random.js';

describe('parseDuration', () => {
  it.each<[unknown, number]>([
    [0, 0],
    [1_500, 1_500],
    [1.6, 2],
    [MAX_DELAY_MS, MAX_DELAY_MS],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['3d', 259_200_000],
    ['2w', 1_209_600_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['10 seconds', 10_000],
    ['2 Hours', 7_200_000],
  ])('reads %p as %p ms', (value, ms) => {
    expect(parseDuration(value)).toBe(ms);
  });

  it.each<[unknown]>([
    [-1],
    [Number.NaN],
    [Infinity],
    [MAX_DELAY_MS + 1],
    ['-5m'],
    ['101y'],
    [''],
    ['5'],
    ['5 apples'],
    ['soon'],
    ['1h30m'],
    ['9'.repeat(200) + 's'],
    [null],
    [undefined],
    [true],
    [{}],
    [[5]],
    [5n],
    [new Date(5)],
  ])('refuses %p', (value) => {
    expect(parseDuration(value)).toBeUndefined();
  });
});

describe('nameProblem', () => {
  it.each(['a', 'video-encode', 'a.b:c/d@e_f-G9', '0', '__proto__', 'constructor', ':', 'x'.repeat(128)])(
    'allows %p',
    (name) => {
      expect(nameProblem(name)).toBeUndefined();
    },
  );

  it.each<[unknown]>([
    [''],
    ['x'.repeat(129)],
    ['two words'],
    ['naïve'],
    ['{tag}'],
    ['a\n'],
    ['a\u0000'],
    ['*'],
    [undefined],
    [null],
    [5],
    [{}],
    [['a']],
    [Symbol('a')],
  ])('refuses %p and says what is allowed', (name) => {
    expect(nameProblem(name)).toMatch(/is not a name: expected 1 to 128 of the characters/);
  });

  it('shows no more than the beginning of a long name', () => {
    expect(nameProblem('!'.repeat(1_000_000))?.length).toBeLessThan(300);
  });
});

describe('idProblem', () => {
  it.each(['0', 'a', '__proto__', 'constructor', ':', 'order 17 / é ü 漢字 🚀', 'x'.repeat(256), '🚀'.repeat(64)])(
    'allows %p',
    (id) => {
      expect(idProblem(id)).toBeUndefined();
    },
  );

  it.each<[unknown, RegExp]>([
    ['', /is empty/],
    ['x'.repeat(257), /has 257 bytes, the limit is 256/],
    ['é'.repeat(129), /has 258 bytes/],
    ['🚀'.repeat(65), /has 260 bytes/],
    ['a\u0000b', /control characters/],
    ['a\nb', /control characters/],
    ['tab\t', /control characters/],
    ['del\u007f', /control characters/],
    ['half \ud83d', /half of a surrogate pair/],
    ['\ude80 half', /half of a surrogate pair/],
    [5, /is not a string/],
    [null, /is not a string/],
    [{}, /is not a string/],
    [Symbol('x'), /is not a string/],
  ])('refuses %p', (id, message) => {
    expect(idProblem(id)).toMatch(message);
  });
});

describe('idFactory', () => {
  const clock = new VirtualClock();
  const newId = idFactory(clock, seededRandom(7));

  it('makes UUIDs of version 7 that begin with the time', async () => {
    const id = newId();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(clock.now());
  });

  it('makes a later id greater, and none twice within a millisecond', async () => {
    const now = Array.from({ length: 10_000 }, newId);
    expect(new Set(now).size).toBe(10_000);
    await clock.advance(1);
    const later = newId();
    expect(now.every((id) => id < later)).toBe(true);
  });
});

describe('safeText', () => {
  it('leaves ordinary text alone', () => {
    expect(safeText('Grüße 🚀\n', 100)).toBe('Grüße 🚀\n');
  });

  it('replaces what stores refuse: NUL and half surrogate pairs', () => {
    expect(safeText('a\u0000b\ud83dc', 100)).toBe('a\ufffdb\ufffdc');
  });

  it('is never longer than asked for and always well-formed, also when the cut splits a pair', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (text, max) => {
        const safe = safeText(text, max);
        expect(safe.length).toBeLessThanOrEqual(max);
        expect(safe.isWellFormed()).toBe(true);
        expect(safe.includes('\u0000')).toBe(false);
      }),
    );
    expect(safeText('ab🚀cd', 4)).toBe('ab\ufffd…');
  });
});

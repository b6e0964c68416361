import { describe, expect, it } from '@jest/globals';
import { EventBus, StoreUnreachableError, type JobNote } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import type { JobRun } from '../../../lib/kernel/runtime/job-run.js';
import { NoteWriter } from '../../../lib/kernel/runtime/note-writer.js';
import { makeRun } from '../../support/make-run.js';
import { partialStore } from '../../support/partial-store.js';
import { RecordingLogger } from '../../support/recording-logger.js';

function writer(annotate: (notes: readonly JobNote[]) => Promise<void> = () => Promise.resolve()) {
  const clock = new VirtualClock();
  const log = new RecordingLogger();
  const calls: { at: number; notes: readonly JobNote[] }[] = [];
  const store = partialStore({
    annotate: (notes) => {
      calls.push({ at: clock.monotonic(), notes });
      return annotate(notes);
    },
  });
  const notes = new NoteWriter(store, clock, new EventBus(log));
  const say = (run: JobRun, percent: number, ...lines: string[]): void => {
    run.pendingProgress = { percent };
    for (const message of lines) run.addLog({ at: clock.now(), level: 'info', message });
    notes.noted(run);
  };
  return { clock, log, calls, notes, say };
}

const percents = (notes: readonly JobNote[] | undefined): unknown[] => (notes ?? []).map((n) => n.progress?.percent);
const lines = (note: JobNote | undefined): string[] => (note?.logs ?? []).map(({ message }) => message);

describe('NoteWriter', () => {
  it('writes what many jobs say within 100 ms in one call, with the newest progress and every log line', async () => {
    const { clock, calls, say } = writer();
    const a = makeRun(clock, 'a', {}, 1);
    const b = makeRun(clock, 'b', { queue: 'video' }, 2);
    for (let percent = 1; percent <= 50; percent += 1) say(a, percent, `line ${percent}`);
    say(b, 3);
    await clock.advance(99);
    expect(calls).toHaveLength(0);
    await clock.advance(1);
    expect(calls).toHaveLength(1);
    expect(calls[0]?.notes).toMatchObject([
      { queue: 'mail', id: 'a', fence: 1, progress: { percent: 50 } },
      { queue: 'video', id: 'b', fence: 2, progress: { percent: 3 } },
    ]);
    expect(lines(calls[0]?.notes[0])).toHaveLength(50);
    expect(calls[0]?.notes[1]).not.toHaveProperty('logs');
  });

  it('is silent while nothing is said, and writes nothing twice', async () => {
    const { clock, calls, say } = writer();
    say(makeRun(clock, 'a'), 1);
    await clock.advance('1h');
    expect(calls).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('has one call under way at a time: a slow store gets fewer, larger writes', async () => {
    const { clock, calls, say } = writer(() => clock.sleep('2s'));
    const run = makeRun(clock, 'a');
    for (let i = 0; i < 40; i += 1) {
      say(run, i);
      await clock.advance(100);
    }
    expect(calls.map(({ at }) => at)).toEqual([100, 2_200]);
    await clock.advance('5s');
    expect(percents(calls.at(-1)?.notes)).toEqual([39]);
  });

  it('takes at most 1 000 jobs into one call', async () => {
    const { clock, calls, say } = writer();
    for (let i = 0; i < 2_100; i += 1) say(makeRun(clock, `${i}`), i);
    await clock.advance('1s');
    expect(calls.map(({ notes }) => notes.length)).toEqual([1_000, 1_000, 100]);
  });

  it('keeps the newest 200 lines of a job that says more than can be written', async () => {
    const { clock, calls, say } = writer();
    const run = makeRun(clock, 'a');
    for (let i = 0; i < 1_000; i += 1) say(run, 1, `line ${i}`);
    await clock.advance(100);
    expect(lines(calls[0]?.notes[0])).toEqual(Array.from({ length: 200 }, (_, i) => `line ${800 + i}`));
  });

  it('leaves what a finished job still had to say to its outcome', async () => {
    const { clock, calls, notes, say } = writer();
    const run = makeRun(clock, 'a');
    say(run, 70, 'last words');
    notes.forget(run);
    await clock.advance('1s');
    expect(calls).toEqual([]);
    expect(run.takeNote()).toMatchObject({ progress: { percent: 70 }, logs: [{ message: 'last words' }] });
  });

  it('writes nothing for a run that was closed meanwhile', async () => {
    const { clock, calls, say } = writer();
    const run = makeRun(clock, 'a');
    say(run, 70);
    run.closed = true;
    await clock.advance('1s');
    expect(calls).toEqual([]);
  });

  it('tries again when the store was out of reach: older lines first, newer progress wins', async () => {
    let down = true;
    const { clock, log, calls, say } = writer(async () => {
      if (!down) return;
      await clock.sleep(50);
      throw new StoreUnreachableError('socket');
    });
    const run = makeRun(clock, 'a');
    say(run, 10, 'one', 'two');
    await clock.advance(120);
    say(run, 20, 'three');
    down = false;
    await clock.advance('1s');
    expect(log.matching('error', /NoteWriter\.write/)).toHaveLength(1);
    expect(calls).toHaveLength(2);
    expect(percents(calls[1]?.notes)).toEqual([20]);
    expect(lines(calls[1]?.notes[0])).toEqual(['one', 'two', 'three']);
    await clock.advance('1s');
    expect(calls).toHaveLength(2);
  });

  it('stays within 200 lines a job however long the store is out of reach', async () => {
    let down = true;
    const { clock, calls, say } = writer(() =>
      down ? Promise.reject(new StoreUnreachableError('socket')) : Promise.resolve(),
    );
    const run = makeRun(clock, 'a');
    for (let i = 0; i < 30; i += 1) {
      say(run, i, ...Array.from({ length: 20 }, (_, line) => `${i}.${line}`));
      await clock.advance(100);
    }
    down = false;
    await clock.advance('1s');
    expect(lines(calls.at(-1)?.notes[0])).toHaveLength(200);
    expect(lines(calls.at(-1)?.notes[0]).at(-1)).toBe('29.19');
  });

  it('does not try again what the store refuses', async () => {
    const { clock, log, calls, say } = writer(() => Promise.reject(new Error('bad note')));
    say(makeRun(clock, 'a'), 10);
    await clock.advance('1m');
    expect(calls).toHaveLength(1);
    expect(log.matching('error', /bad note/)).toHaveLength(1);
  });

  it('arms nothing any more after stop', async () => {
    const { clock, calls, notes, say } = writer();
    say(makeRun(clock, 'a'), 1);
    notes.stop();
    say(makeRun(clock, 'b'), 1);
    await clock.advance('1h');
    expect(calls).toEqual([]);
  });
});

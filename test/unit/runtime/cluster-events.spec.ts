import { beforeEach, describe, expect, it } from '@jest/globals';
import { EventBus, type Signals, type SignalMessage } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { ClusterChannel } from '../../../lib/kernel/runtime/cluster-events.js';
import { RecordingLogger } from '../../support/recording-logger.js';

let clock: VirtualClock;
let events: EventBus;
let channel: ClusterChannel;
let sent: { to: string; message: SignalMessage }[];
beforeEach(() => {
  clock = new VirtualClock();
  events = new EventBus(new RecordingLogger());
  sent = [];
  const signals: Signals = {
    listen: () => Promise.resolve(() => Promise.resolve()),
    passOn: () => Promise.resolve(),
    send: (to, message) => {
      sent.push({ to, message });
      return Promise.resolve();
    },
    broadcast: (message) => {
      sent.push({ to: '*', message });
      return Promise.resolve();
    },
  };
  channel = new ClusterChannel({ owner: 'me', clock, events, signals });
});

const interest = (process: string, names: string[], ttlMs = 15_000): void =>
  channel.receive({ kind: 'interest', process, events: names, ttlMs });
const lastInterest = (): readonly string[] => {
  const message = sent.at(-1)?.message;
  return message?.kind === 'interest' ? message.events : [];
};
const told = (): string[] => sent.map(({ to }) => to);
const added = { queue: 'q', id: 'x', name: 'default', status: 'waiting' } as const;
const failed = (message: string) =>
  ({ queue: 'q', id: 'x', name: 'default', attempt: 1, error: { name: 'Error', message, stack: 'at 1' } }) as const;

describe('the interests of others', () => {
  it('are those of at most 100 processes; the 101st has room when one is forgotten', () => {
    for (let n = 0; n < 101; n += 1) interest(`p${n}`, ['job:added'], n === 0 ? 1_000 : 15_000);
    events.emit('job:added', added);
    expect(told()).toHaveLength(100);
    expect(told()).not.toContain('p100');
    return clock.advance('2s').then(() => {
      interest('p100', ['job:added']);
      sent.length = 0;
      events.emit('job:added', added);
      expect(told()).toHaveLength(100);
      expect(told()).toContain('p100');
    });
  });

  it('replace each other: what a process asks for last counts', () => {
    interest('p', ['job:added', 'job:fail']);
    interest('p', ['job:fail']);
    events.emit('job:added', added);
    events.emit('job:fail', failed('x'));
    expect(sent.map(({ message }) => (message as { event: string }).event)).toEqual(['job:fail']);
    expect(events.has('job:added')).toBe(false);
  });

  it('make the engine build events that nobody here listens to', async () => {
    expect(events.has('job:success')).toBe(false);
    interest('p', ['finish:q']);
    expect(events.has('job:success')).toBe(true);
    expect(events.has('job:start')).toBe(false);
    await clock.advance('16s');
    events.emit('job:success', { ...failed('x'), result: 1, durationMs: 1 });
    expect(sent).toEqual([]);
    expect(events.has('job:success')).toBe(false);
  });

  it('never reach the error events, whose payload may be anything', () => {
    interest('p', ['error']);
    events.emit('error', { where: 'here', error: () => 1 });
    expect(sent).toEqual([]);
  });

  it('end with the channel', () => {
    interest('p', ['job:added']);
    channel.stop();
    events.emit('job:added', added);
    expect(sent).toEqual([]);
  });
});

describe('a payload', () => {
  it.each([
    ['é', 1_000],
    ['\u{1f600}', 1_000],
    ['\u0001', 100],
    ['"', 1_000],
  ])('of many %j stays within 4 KiB', (char, chars) => {
    interest('p', ['job:fail']);
    events.emit('job:fail', failed(char.repeat(5_000)));
    expect(sent).toHaveLength(1);
    const { payload } = sent[0]!.message as { payload: { error: { message: string; stack?: string } } };
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThanOrEqual(4_096);
    expect(payload.error.message.length).toBeGreaterThan(chars / 3);
    expect(payload.error.stack).toBeUndefined();
  });
});

describe('own interests', () => {
  it('in the end of jobs of more than 16 queues ask for all, so that the message stays small', async () => {
    channel.start();
    for (let n = 0; n < 16; n += 1) channel.wantFinish(`q${n}`);
    await clock.advance('1s');
    expect(lastInterest()).toHaveLength(16);
    channel.wantFinish('q16');
    await clock.advance('1s');
    expect(lastInterest()).toEqual(['job:success', 'job:fail', 'job:cancelled']);
    expect(sent).toHaveLength(2);
  });

  it('are told of nothing while the channel is not open, and as it opens', async () => {
    channel.on('job:added', () => undefined);
    await clock.advance('1m');
    expect(sent).toEqual([]);
    channel.start();
    await clock.settle();
    expect(sent).toHaveLength(1);
  });

  it('leave no timer behind when nobody has any', async () => {
    channel.start();
    const off = channel.on('job:added', () => undefined);
    await clock.advance('1s');
    off();
    await clock.advance('20s');
    expect(clock.pendingTimers).toBe(0);
  });
});

import { describe, expect, it } from '@jest/globals';
import { EventBus } from 'oqronkit';
import { RecordingLogger } from '../../support/recording-logger.js';

const refuse = (): never => {
  throw new Error('trapped');
};
const hostile: unknown = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse });

function bus() {
  const log = new RecordingLogger();
  return { log, events: new EventBus(log) };
}

const PAUSED = { queue: 'mail' };

describe('EventBus', () => {
  it('calls every listener with the event, in the order in which they came', () => {
    const { events } = bus();
    const seen: string[] = [];
    events.on('queue:paused', ({ queue }) => seen.push(`a ${queue}`));
    events.on('queue:paused', ({ queue }) => seen.push(`b ${queue}`));
    events.on('queue:resumed', () => seen.push('never'));
    events.emit('queue:paused', PAUSED);
    expect(seen).toEqual(['a mail', 'b mail']);
  });

  it('stops calling a listener that was taken off, by its answer or by off()', () => {
    const { events } = bus();
    const seen: string[] = [];
    const first = (): number => seen.push('first');
    const off = events.on('queue:paused', () => seen.push('second'));
    events.on('queue:paused', first);
    events.emit('queue:paused', PAUSED);
    off();
    off();
    events.off('queue:paused', first);
    events.emit('queue:paused', PAUSED);
    expect(seen).toEqual(['second', 'first']);
  });

  it('calls a once-listener for one event only, also when it emits the event itself', () => {
    const { events } = bus();
    let calls = 0;
    events.once('queue:paused', () => {
      calls += 1;
      events.emit('queue:paused', PAUSED);
    });
    events.emit('queue:paused', PAUSED);
    expect(calls).toBe(1);
  });

  it('knows whether somebody listens', () => {
    const { events } = bus();
    expect(events.has('job:start')).toBe(false);
    const off = events.on('job:start', () => undefined);
    expect(events.has('job:start')).toBe(true);
    off();
    expect(events.has('job:start')).toBe(false);
  });

  it.each<[string, () => unknown]>([
    ['throws', refuse],
    ['throws nothing that can be shown', () => Promise.reject(Object.create(null) as Error)],
    ['rejects', () => Promise.reject(new Error('late'))],
    ['throws a proxy that refuses everything', () => Promise.reject(hostile as Error)],
    [
      'throws a proxy at once',
      () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error
        throw hostile;
      },
    ],
    [
      'answers a thenable of another kind that rejects',
      () => ({ then: (_done: unknown, fail: (error: Error) => void) => fail(new Error('foreign')) }),
    ],
  ])('goes on and writes a line when a listener %s', async (_title, listener) => {
    const { log, events } = bus();
    let reached = false;
    events.on('queue:paused', listener);
    events.on('queue:paused', () => {
      reached = true;
    });
    events.emit('queue:paused', PAUSED);
    await new Promise(setImmediate);
    expect(reached).toBe(true);
    expect(log.matching('error', /a listener of "queue:paused" threw/)).toHaveLength(1);
  });

  it('logs what failed in the background, and throws nothing when nobody listens to errors', () => {
    const { log, events } = bus();
    events.report('Sweeper', new Error('no route'), { attempt: 3 });
    expect(log.lines).toEqual([
      { level: 'error', message: 'Sweeper: no route', context: { attempt: 3, stack: expect.any(String) } },
    ]);
    const heard: unknown[] = [];
    const cause = new Error('again');
    events.on('error', (event) => heard.push(event));
    events.report('Sweeper', cause);
    expect(heard).toEqual([{ where: 'Sweeper', error: cause }]);
  });

  it.each<[string, unknown, string]>([
    ['text', 'just text', 'here: just text'],
    ['undefined', undefined, 'here: undefined'],
    ['an object without a prototype', Object.create(null), 'here: object: {}'],
    ['a proxy that refuses everything', hostile, 'here: a value of type object'],
  ])('reports %s without throwing', (_title, error, message) => {
    const { log, events } = bus();
    events.report('here', error);
    expect(log.lines).toEqual([{ level: 'error', message, context: {} }]);
  });
});

describe('EventBus.run', () => {
  it('hands over what foreign code throws or rejects with, and is silent otherwise', async () => {
    const { events } = bus();
    const caught: unknown[] = [];
    const keep = (error: unknown): number => caught.push(error);
    events.run(() => 1, keep);
    events.run(() => Promise.resolve(1), keep);
    events.run(() => Promise.reject(new Error('b')), keep);
    events.run(() => {
      throw new Error('a');
    }, keep);
    await events.idle();
    expect(caught).toEqual([new Error('a'), new Error('b')]);
  });

  it('is idle only when listeners have done what they promised', async () => {
    const { events } = bus();
    const order: string[] = [];
    let finish = (): void => undefined;
    events.on('queue:paused', () => new Promise<void>((resolve) => (finish = resolve)).then(() => order.push('done')));
    events.emit('queue:paused', PAUSED);
    const idle = events.idle().then(() => order.push('idle'));
    await new Promise(setImmediate);
    expect(order).toEqual([]);
    finish();
    await idle;
    expect(order).toEqual(['done', 'idle']);
  });
});

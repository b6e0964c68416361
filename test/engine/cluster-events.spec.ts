import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Backend, OqronEngine, SignalMessage } from 'oqronkit';
import { World } from '../support/world.js';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.end());

/** The shared backend, with every message that goes out kept. */
function recorded(backend: Backend = world.backend): { backend: Backend; sent: SignalMessage[] } {
  const sent: SignalMessage[] = [];
  const { signals } = backend;
  return {
    sent,
    backend: {
      ...backend,
      signals: {
        listen: signals.listen.bind(signals),
        passOn: signals.passOn.bind(signals),
        send: (process, message) => {
          sent.push(message);
          return signals.send(process, message);
        },
        broadcast: (message) => {
          sent.push(message);
          return signals.broadcast(message);
        },
      },
    },
  };
}

const events = (sent: readonly SignalMessage[]): SignalMessage[] => sent.filter(({ kind }) => kind === 'event');
const interests = (sent: readonly SignalMessage[]): SignalMessage[] => sent.filter(({ kind }) => kind === 'interest');

async function start(...engines: OqronEngine[]): Promise<void> {
  for (const engine of engines) await engine.start();
}

describe("a listener may ask for the whole cluster's events", () => {
  it('and hears of its own process and of others, each event once', async () => {
    const [one, two, three] = [world.engine(), world.engine(), world.engine()];
    const told: [string, string][] = [];
    one.on('job:success', ({ queue, id }) => told.push([queue, id]), { scope: 'cluster' });
    one.worker({ topic: 'a', handler: () => 1 });
    two.worker({ topic: 'b', handler: () => 1 });
    three.worker({ topic: 'c', handler: () => 1 });
    await start(one, two, three);
    await world.clock.settle();
    for (const name of ['a', 'b', 'c']) await three.producer(name).add(1, { jobId: `in-${name}` });
    await world.clock.advance('1s');
    expect(told.sort()).toEqual([
      ['a', 'in-a'],
      ['b', 'in-b'],
      ['c', 'in-c'],
    ]);
  });

  it('without what may be large: results, stacks and the object given to progress', async () => {
    const [one, two] = [world.engine(), world.engine()];
    const told: Record<string, object> = {};
    for (const engine of [one, two]) {
      for (const event of ['job:success', 'job:fail', 'job:progress'] as const) {
        engine.on(event, (payload) => (told[`${engine === one ? 'own' : 'other'} ${event}`] = payload), {
          scope: 'cluster',
        });
      }
    }
    one.worker<boolean>({
      topic: 'q',
      retries: { max: 0 },
      handler: (ctx) => {
        ctx.progress(50, { rows: 'x'.repeat(5_000) });
        if (ctx.data) return { big: 'x'.repeat(50_000) };
        throw Object.assign(new Error('é'.repeat(5_000)), { code: 'E_LONG' });
      },
    });
    await start(one, two);
    await world.clock.settle();
    const queue = one.producer<boolean>('q');
    const good = await queue.add(true);
    const bad = await queue.add(false);
    await world.clock.advance('1s');
    const job = { queue: 'q', name: 'default', attempt: 1 };
    for (const who of ['own', 'other']) {
      expect(told[`${who} job:success`]).toEqual({ ...job, id: good.id, durationMs: 0 });
      expect(told[`${who} job:progress`]).toEqual({ ...job, id: bad.id, progress: { percent: 50 } });
      const { error } = told[`${who} job:fail`] as { error: { name: string; message: string; code: string } };
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'name']);
      expect(error).toMatchObject({ name: 'Error', code: 'E_LONG' });
      expect(error.message).toHaveLength(1_000);
    }
  });

  it('and hears of queues and engines as well as of jobs', async () => {
    const [one, two] = [world.engine(), world.engine()];
    const told: unknown[] = [];
    for (const event of ['queue:paused', 'queue:drained', 'job:cancelled', 'system:stop'] as const) {
      one.on(event, (payload) => told.push([event, payload]), { scope: 'cluster' });
    }
    await start(one, two);
    await world.clock.settle();
    const queue = two.queue({ name: 'q' });
    const job = await queue.add(1);
    await job.cancel('because');
    await queue.drain();
    await two.stop();
    expect(told).toEqual([
      ['job:cancelled', { queue: 'q', id: job.id, reason: 'because' }],
      ['queue:paused', { queue: 'q' }],
      ['queue:drained', { queue: 'q' }],
      ['system:stop', { owner: two.owner }],
    ]);
  });

  it('from the moment on at which its interest is known, and no more once it is taken off', async () => {
    const { backend, sent } = recorded();
    const [one, two] = [world.engine(), world.engine({}, { backend })];
    await start(one, two);
    const told: string[] = [];
    const listener = ({ id }: { id: string }): void => void told.push(id);
    const queue = two.queue({ name: 'q' });
    await queue.add(1, { jobId: 'before' });
    one.on('job:added', listener, { scope: 'cluster' });
    await world.clock.settle();
    await queue.add(1, { jobId: 'first' });
    one.off('job:added', listener);
    await queue.add(1, { jobId: 'second' });
    one.off('job:added', listener, { scope: 'cluster' });
    await queue.add(1, { jobId: 'third' });
    expect(told).toEqual(['first', 'second']);
    // The others forget the interest within 20 s, and then send nothing more.
    await world.clock.advance('21s');
    sent.length = 0;
    await queue.add(1, { jobId: 'last' });
    expect(events(sent)).toEqual([]);
  });

  it('once, whichever process is first', async () => {
    const [one, two] = [world.engine(), world.engine()];
    const told: string[] = [];
    one.once('job:added', ({ id }) => told.push(id), { scope: 'cluster' });
    const off = one.once('job:added', ({ id }) => told.push(`off ${id}`), { scope: 'cluster' });
    await start(one, two);
    await world.clock.settle();
    off();
    await two.producer('q').add(1, { jobId: 'a' });
    await one.producer('q').add(1, { jobId: 'b' });
    await two.producer('q').add(1, { jobId: 'c' });
    expect(told).toEqual(['a']);
  });

  it('and its errors are logged and change nothing', async () => {
    const [one, two] = [world.engine(), world.engine()];
    const told: string[] = [];
    one.on(
      'job:added',
      () => {
        throw new Error('the listener broke');
      },
      { scope: 'cluster' },
    );
    one.on('job:added', () => Promise.reject(new Error('the listener broke later')), { scope: 'cluster' });
    one.on('job:added', ({ id }) => told.push(id), { scope: 'cluster' });
    await start(one, two);
    await world.clock.settle();
    await two.producer('q').add(1, { jobId: 'a' });
    await world.clock.settle();
    expect(told).toEqual(['a']);
    const lines = world.log.matching('error', /a listener of "job:added" threw/);
    expect(lines.map(({ context }) => context.error)).toEqual(['the listener broke', 'the listener broke later']);
  });
});

describe('the interest of a process', () => {
  it('costs one message when it begins and one every 5 s, whatever it is in', async () => {
    const { backend, sent } = recorded();
    const one = world.engine({}, { backend });
    await start(one, world.engine());
    await world.clock.settle();
    expect(interests(sent)).toEqual([]);
    for (const event of ['job:added', 'job:start', 'job:success'] as const) {
      one.on(event, () => undefined, { scope: 'cluster' });
    }
    await world.clock.advance('4s');
    expect(interests(sent)).toEqual([
      { kind: 'interest', process: one.owner, events: ['job:added', 'job:start', 'job:success'], ttlMs: 15_000 },
    ]);
    await world.clock.advance('11s');
    expect(interests(sent)).toHaveLength(4);
  });

  it('reaches a process that starts later within 5 s', async () => {
    const one = world.engine();
    const told: string[] = [];
    one.on('job:added', ({ id }) => told.push(id), { scope: 'cluster' });
    await start(one);
    await world.clock.advance('1s');
    const late = world.engine();
    await start(late);
    await world.clock.advance('5s');
    await late.producer('q').add(1, { jobId: 'a' });
    expect(told).toEqual(['a']);
  });

  it('is forgotten 15 s after the process that told it died', async () => {
    const { backend, sent } = recorded();
    const [one, two] = [world.engine(), world.engine({}, { backend })];
    one.on('job:added', () => undefined, { scope: 'cluster' });
    await start(one, two);
    await world.clock.advance('1s');
    const queue = two.queue({ name: 'q' });
    await queue.add(1);
    expect(events(sent)).toHaveLength(1);
    await one.stop();
    await world.clock.advance('16s');
    sent.length = 0;
    await queue.add(1);
    expect(events(sent)).toEqual([]);
  });

  it('in the end of jobs of one queue is told of no other', async () => {
    const { backend, sent } = recorded();
    const [one, two] = [world.engine(), world.engine({}, { backend })];
    await start(one, two);
    two.worker({ topic: 'a', handler: () => 1 });
    two.worker({ topic: 'b', handler: () => 1 });
    const job = await one.producer('a').add(1, { delay: '3s' });
    const done = job.waitUntilFinished();
    await world.clock.advance('1s');
    await one.producer('b').add(1);
    await world.clock.advance('1s');
    expect(events(sent)).toEqual([]);
    await world.clock.advance('2s');
    expect(await done).toBe(1);
    expect(events(sent)).toMatchObject([{ event: 'job:success', payload: { queue: 'a', id: job.id } }]);
  });

  it('in one wait after another is told about every 5 s, not each time', async () => {
    const { backend, sent } = recorded();
    const one = world.engine({}, { backend });
    await start(one);
    const queues = ['a', 'b'].map((name) => one.queue<number, number>({ name, handler: ({ data }) => data }));
    for (let n = 0; n < 50; n += 1) {
      for (const queue of queues) await world.passUntil((await queue.add(n)).waitUntilFinished(), '100ms');
      await world.clock.advance('100ms');
    }
    expect(interests(sent).length).toBeLessThanOrEqual(5);
  });
});

describe('hints', () => {
  it('that cannot be sent are reported once, and change nothing', async () => {
    const { signals } = world.backend;
    const broken: Backend = {
      ...world.backend,
      signals: {
        listen: signals.listen.bind(signals),
        passOn: signals.passOn.bind(signals),
        broadcast: signals.broadcast.bind(signals),
        send: (process, message) =>
          message.kind === 'event' ? Promise.reject(new Error('the bus is down')) : signals.send(process, message),
      },
    };
    const [one, two] = [world.engine(), world.engine({}, { backend: broken })];
    one.on('job:added', () => undefined, { scope: 'cluster' });
    await start(one, two);
    await world.clock.settle();
    const queue = two.queue({ name: 'q' });
    for (let n = 0; n < 20; n += 1) await queue.add(n);
    expect(await queue.count()).toBe(20);
    expect(world.log.matching('error', /cluster events: the bus is down/)).toHaveLength(1);
  });

  it('before a bus that does not answer do not pile up', async () => {
    const { signals } = world.backend;
    let waiting = 0;
    const stuck: Backend = {
      ...world.backend,
      signals: {
        listen: signals.listen.bind(signals),
        passOn: signals.passOn.bind(signals),
        broadcast: signals.broadcast.bind(signals),
        send: (process, message) => {
          if (message.kind !== 'event') return signals.send(process, message);
          waiting += 1;
          return new Promise(() => undefined);
        },
      },
    };
    const [one, two] = [world.engine(), world.engine({}, { backend: stuck })];
    one.on('job:added', () => undefined, { scope: 'cluster' });
    await start(one, two);
    await world.clock.settle();
    await two.queue({ name: 'q' }).addBulk(Array.from({ length: 3_000 }, (_, data) => ({ data })));
    expect(waiting).toBe(1_000);
  });

  it('that are no events, or of nobody here, are ignored', async () => {
    const one = world.engine();
    const told: unknown[] = [];
    one.on('job:added', (event) => told.push(event), { scope: 'cluster' });
    await start(one);
    const { signals } = world.backend;
    const from = 'stranger';
    await signals.send(one.owner, { kind: 'event', from, event: 'job:added', payload: null });
    await signals.send(one.owner, { kind: 'event', from, event: '__proto__', payload: {} });
    await signals.send(one.owner, { kind: 'event', from: one.owner, event: 'job:added', payload: {} });
    await signals.send(one.owner, { kind: 'interest', process: from, events: 'all', ttlMs: 5 } as never);
    await signals.send(one.owner, { kind: 'interest', process: from, events: ['job:added'], ttlMs: NaN });
    await one.queue({ name: 'q' }).add(1);
    expect(told).toHaveLength(1);
    expect(world.log.matching('error', /./)).toEqual([]);
  });
});

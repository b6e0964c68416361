import { afterEach, describe, expect, it } from '@jest/globals';
import {
  cron,
  defineQueue,
  EngineStateError,
  InvalidOptionsError,
  ModuleNotAvailableError,
  OqronKit,
  queue,
  queueModule,
  schedule,
  webhook,
  worker,
  type OqronConfig,
} from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { RecordingLogger } from '../support/recording-logger.js';
import { failureOf, thrownBy } from '../support/until.js';

let clock = new VirtualClock();

function init(config: OqronConfig = {}) {
  clock = new VirtualClock();
  return OqronKit.init({ config: { logger: false, ...config }, parts: { clock } });
}

afterEach(() => OqronKit.stop());

describe('OqronKit', () => {
  it('runs what queue() and worker() defined before and after init', async () => {
    const seen: unknown[] = [];
    const before = queue<{ n: number }>({ name: 'facade.before', handler: ({ data }) => seen.push(data.n) });
    await init();
    const Contract = defineQueue<{ n: number }>('facade.after');
    const handle = worker(Contract, { handler: ({ data }) => seen.push(data.n * 10) });
    const after = queue(Contract);
    expect(handle).toEqual({ topic: 'facade.after' });
    await before.add({ n: 1 });
    await after.add({ n: 2 });
    await clock.settle();
    expect(seen.sort()).toEqual([1, 20]);
  });

  it('gives every engine that it starts what was defined, and each a store of its own', async () => {
    const seen: unknown[] = [];
    const jobs = queue<string>({ name: 'facade.twice', handler: ({ data }) => seen.push(data) });
    const first = await init();
    await jobs.add('first');
    await clock.settle();
    await OqronKit.stop();
    const second = await init();
    expect(second).not.toBe(first);
    expect(await jobs.count()).toBe(0);
    await jobs.add('second');
    await clock.settle();
    expect(seen).toEqual(['first', 'second']);
  });

  it('replaces a definition that is made again', async () => {
    const seen: string[] = [];
    for (const version of ['one', 'two']) {
      queue({ name: 'facade.again', handler: () => seen.push(version) });
    }
    const log = new RecordingLogger();
    await init({ logger: log });
    expect(log.matching('warn', /facade\.again/)).toEqual([]);
    queue({ name: 'facade.again', handler: () => seen.push('three') });
    const jobs = queue({ name: 'facade.again', handler: () => seen.push('four') });
    await jobs.add(1);
    await clock.settle();
    expect(seen).toEqual(['four']);
    expect(OqronKit.engine.definitions().filter(({ name }) => name === 'facade.again')).toHaveLength(1);
  });

  it('has no engine and no configuration before init and after stop, and says so', async () => {
    const jobs = queue({ name: 'facade.early' });
    const check = async (): Promise<void> => {
      expect(thrownBy(() => OqronKit.engine)).toBeInstanceOf(EngineStateError);
      expect(() => OqronKit.getConfig()).toThrow(/call OqronKit\.init\(\) first/);
      const error = await failureOf(jobs.add(1));
      expect(error).toBeInstanceOf(EngineStateError);
      expect(error.message).toMatch(/queue "facade\.early".*call OqronKit\.init\(\) before adding jobs/);
    };
    await check();
    await init({ project: 'shop' });
    expect(OqronKit.getConfig()).toMatchObject({ project: 'shop' });
    expect(OqronKit.engine.health().state).toBe('started');
    await OqronKit.stop();
    await check();
  });

  it('can be stopped before init, twice, and at once', async () => {
    await OqronKit.stop();
    await init();
    await Promise.all([OqronKit.stop(), OqronKit.stop()]);
    await OqronKit.stop();
    await init();
    expect(OqronKit.engine.health().state).toBe('started');
  });

  it('refuses a second init until it is stopped', async () => {
    await init();
    const error = await failureOf(init());
    expect(error).toBeInstanceOf(EngineStateError);
    expect(error.message).toMatch(/has been called already; call stop\(\) first/);
    await OqronKit.stop();
    await init();
  });

  it('keeps no engine when init fails, so that it can be called again', async () => {
    expect(await failureOf(init({ project: '' }))).toBeInstanceOf(InvalidOptionsError);
    expect(
      await failureOf(init({ mode: 'hybrid-db', redis: 'redis://localhost', postgres: 'postgresql://localhost' })),
    ).toBeInstanceOf(ModuleNotAvailableError);
    const failing = OqronKit.init({
      config: { logger: false },
      parts: {
        backend: {
          store: undefined as never,
          signals: undefined as never,
          open: () => Promise.reject(new Error('no server')),
          close: () => Promise.resolve(),
        },
      },
    });
    expect((await failureOf(failing)).message).toBe('no server');
    expect(() => OqronKit.engine).toThrow(EngineStateError);
    await init();
  });

  it('listens to SIGINT and SIGTERM while it runs, and to nothing when told not to', async () => {
    const listeners = (): number[] => [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
    const [int, term] = listeners() as [number, number];
    await init();
    expect(listeners()).toEqual([int + 1, term + 1]);
    await OqronKit.stop();
    expect(listeners()).toEqual([int, term]);
    await init({ shutdown: { enabled: false } });
    expect(listeners()).toEqual([int, term]);
    await OqronKit.stop();
    await init({ shutdown: { signals: ['SIGTERM'] } });
    expect(listeners()).toEqual([int, term + 1]);
  });

  it('publishes only with queueModule({ consume: false })', async () => {
    let runs = 0;
    const jobs = queue({ name: 'facade.publish', handler: () => (runs += 1) });
    await init({ modules: [queueModule({ consume: false })] });
    await jobs.add(1);
    await clock.advance('1m');
    expect(runs).toBe(0);
    expect(await jobs.count('waiting')).toBe(1);
  });
});

describe('what has not landed', () => {
  it.each<[string, () => unknown]>([
    ['cron()', cron],
    ['schedule()', schedule],
    ['webhook()', webhook],
  ])('can be imported, and says so when it is called: %s', (name, call) => {
    const error = thrownBy<ModuleNotAvailableError>(call);
    expect(error).toBeInstanceOf(ModuleNotAvailableError);
    expect(error.code).toBe('MODULE_NOT_AVAILABLE');
    expect(error.message).toContain(name);
  });
});

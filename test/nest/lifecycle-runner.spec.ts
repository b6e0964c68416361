import { Injectable, Module, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, EngineStateError, InvalidOptionsError, OqronEngine, type Backend } from 'oqronkit';
import { InjectQueue, OqronModule, OqronRunner, Worker, type OqronModuleOptions, type QueueOf } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { failureOf, gate } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Work = defineQueue<string>('work');

@Injectable()
class Works {
  readonly began: string[] = [];
  readonly ended: string[] = [];
  constructor(@InjectQueue(Work) readonly queue: QueueOf<typeof Work>) {}

  @Worker(Work)
  async run(data: string): Promise<void> {
    this.began.push(data);
    await world.clock.sleep('5s');
    this.ended.push(data);
  }
}

const app = (options: OqronModuleOptions = {}) => ({
  imports: [OqronModule.forRoot(options)],
  providers: [Works],
});

/** What a promise has come to by now. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const waiting = Symbol('waiting');
  try {
    const winner = await Promise.race([promise, new Promise((next) => setImmediate(next, waiting))]);
    return winner === waiting ? 'waiting' : 'resolved';
  } catch (error) {
    return `rejected: ${(error as Error).message}`;
  }
}

/** A backend that opens only when it is allowed to. */
function shy(allowed: () => Promise<void>): Backend {
  const memory = createMemoryBackend({ clock: world.clock });
  return { ...memory, open: () => allowed() };
}

const table = (): string[] => world.logger.lines.filter((line) => line.startsWith('log OqronExplorer '));

describe('autoStart: false', () => {
  it('runs nothing until start() is called, and then what was added meanwhile', async () => {
    const nest = await world.start(app({ autoStart: false }));
    const runner = nest.get(OqronRunner);
    await nest.get(Works).queue.add('early');
    await world.clock.advance('1m');
    expect(nest.get(Works).began).toEqual([]);
    expect(nest.get(OqronEngine).health().state).toBe('new');
    expect(table()).toEqual([]);
    await runner.start();
    await world.clock.settle();
    expect(nest.get(Works).began).toEqual(['early']);
    expect(table()).toHaveLength(1);
  });

  it('finds what is wrong with handlers at bootstrap all the same', async () => {
    @Injectable()
    class Bad {
      @Worker('two words')
      run(): void {}
    }
    const nest = await world.compile({ imports: [OqronModule.forRoot({ autoStart: false })], providers: [Bad] });
    expect(await failureOf(nest.init())).toBeInstanceOf(InvalidOptionsError);
  });

  it('comes from the factory of forRootAsync too', async () => {
    const useFactory = (): OqronModuleOptions => ({ autoStart: false });
    const nest = await world.start({ imports: [OqronModule.forRootAsync({ useFactory })] });
    expect(nest.get(OqronEngine).health().state).toBe('new');
  });

  it('has to be true or false', async () => {
    const options = { autoStart: 'no', enhancers: { guard: true }, project: 7 } as unknown as OqronModuleOptions;
    const { problems } = await failureOf<InvalidOptionsError>(world.compile(app(options)));
    expect(problems).toEqual([
      expect.stringMatching(/^autoStart: /),
      expect.stringMatching(/^enhancers: .*guard/),
      expect.stringMatching(/^project: /),
    ]);
  });
});

describe('OqronRunner.start', () => {
  it('is idempotent, also while it is under way, and after the start of the application', async () => {
    const nest = await world.start(app({ autoStart: false }));
    const runner = nest.get(OqronRunner);
    const events: string[] = [];
    nest.get(OqronEngine).on('system:ready', () => events.push('ready'));
    await Promise.all([runner.start(), runner.start()]);
    await runner.start();
    expect(events).toEqual(['ready']);
    expect(table()).toHaveLength(1);
  });

  it('that fails leaves no timer, keeps the application, and may be tried again', async () => {
    let fails = true;
    const backend = shy(() => (fails ? Promise.reject(new Error('no server')) : Promise.resolve()));
    const nest = await world.start(app({ autoStart: false }), { backend });
    const runner = nest.get(OqronRunner);
    expect((await failureOf(runner.start())).message).toBe('no server');
    expect(world.clock.pendingTimers).toBe(0);
    fails = false;
    await runner.start();
    await nest.get(Works).queue.add('now');
    await world.clock.settle();
    expect(nest.get(Works).began).toEqual(['now']);
  });

  it('is refused when the application closes', async () => {
    const nest = await world.start(app());
    const runner = nest.get(OqronRunner);
    await world.close(nest);
    const error = await failureOf(runner.start());
    expect(error).toBeInstanceOf(EngineStateError);
    expect(error.message).toBe('OqronRunner.start: the application was closed');
  });

  it('works before the application is ready: handlers are found then', async () => {
    @Injectable()
    class Impatient implements OnModuleInit {
      constructor(
        @InjectQueue(Work) readonly queue: QueueOf<typeof Work>,
        readonly runner: OqronRunner,
      ) {}

      async onModuleInit(): Promise<void> {
        await this.runner.start();
        await this.queue.add('at once');
      }
    }
    const nest = await world.start({ ...app(), providers: [Works, Impatient] });
    await world.clock.settle();
    expect(nest.get(Works).began).toEqual(['at once']);
    expect(table()).toHaveLength(1);
  });
});

describe('OqronRunner.stop', () => {
  it('lets running jobs end, claims no more, keeps producers open; start() goes on', async () => {
    const nest = await world.start(app());
    const [runner, works] = [nest.get(OqronRunner), nest.get(Works)];
    await works.queue.add('one');
    await works.queue.add('two');
    await world.clock.advance('1s');
    const stopping = runner.stop();
    await world.clock.advance('10s');
    await stopping;
    await works.queue.add('three');
    await world.clock.advance('1m');
    expect(works.ended).toEqual(['one']);
    expect(nest.get(OqronEngine).health().state).toBe('drained');
    await runner.start();
    await world.clock.advance('1m');
    expect(works.ended).toEqual(['one', 'two', 'three']);
    // Handlers were found once: an engine keeps its definitions.
    expect(world.logger.lines.filter((line) => line.startsWith('warn '))).toEqual([]);
  });

  it('without start, and twice, does nothing', async () => {
    const nest = await world.start(app({ autoStart: false }));
    const runner = nest.get(OqronRunner);
    await runner.stop();
    await runner.stop();
    await runner.start();
    await Promise.all([runner.stop(), runner.stop()]);
    expect(nest.get(OqronEngine).health().state).toBe('drained');
  });

  it('called during a start stops what that started', async () => {
    const door = gate();
    const nest = await world.start(app({ autoStart: false }), { backend: shy(() => door.opened) });
    const runner = nest.get(OqronRunner);
    const starting = runner.start();
    const stopping = runner.stop();
    door.open();
    await Promise.all([starting, stopping]);
    expect(nest.get(OqronEngine).health().state).toBe('drained');
  });
});

describe('OqronRunner.ready', () => {
  it('resolves when the engine has started, and at once if it has', async () => {
    const nest = await world.compile(app());
    const runner = nest.get(OqronRunner);
    const ready = runner.ready();
    expect(await stateOf(ready)).toBe('waiting');
    await nest.init();
    expect(await stateOf(ready)).toBe('resolved');
    expect(await stateOf(runner.ready())).toBe('resolved');
  });

  it('waits again after stop()', async () => {
    const runner = (await world.start(app())).get(OqronRunner);
    await runner.stop();
    const ready = runner.ready();
    expect(await stateOf(ready)).toBe('waiting');
    await runner.start();
    expect(await stateOf(ready)).toBe('resolved');
  });

  it('rejects with the error of a start that failed, and follows the next one', async () => {
    let fails = true;
    const backend = shy(() => (fails ? Promise.reject(new Error('no server')) : Promise.resolve()));
    const runner = (await world.start(app({ autoStart: false }), { backend })).get(OqronRunner);
    const before = runner.ready();
    await failureOf(runner.start());
    expect(await stateOf(before)).toBe('rejected: no server');
    expect(await stateOf(runner.ready())).toBe('rejected: no server');
    fails = false;
    const starting = runner.start();
    const ready = runner.ready();
    await starting;
    expect(await stateOf(ready)).toBe('resolved');
  });

  it('rejects when the application cannot start, and when it is closed before the start', async () => {
    const broken = await world.compile(app(), { backend: shy(() => Promise.reject(new Error('no server'))) });
    await failureOf(broken.init());
    expect(await stateOf(broken.get(OqronRunner).ready())).toBe('rejected: no server');
    const nest = await world.start(app({ autoStart: false }));
    const runner = nest.get(OqronRunner);
    const ready = runner.ready();
    await world.close(nest);
    expect(await stateOf(ready)).toBe('rejected: OqronRunner.ready: the application was closed');
    expect(await stateOf(runner.ready())).toBe('rejected: OqronRunner.ready: the application was closed');
  });
});

describe('closing', () => {
  it('during the start waits for it, then ends what it started', async () => {
    const door = gate();
    const nest = await world.compile(app(), { backend: shy(() => door.opened) });
    const starting = nest.init();
    const closing = world.close(nest);
    door.open();
    await starting;
    await closing;
    expect(nest.get(OqronEngine).health().state).toBe('stopped');
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('drains an engine that was started past the runner before other modules are destroyed', async () => {
    const endedBefore: string[] = [];
    @Injectable()
    class Observer implements OnModuleDestroy {
      constructor(readonly works: Works) {}

      onModuleDestroy(): void {
        endedBefore.push(...this.works.ended);
      }
    }
    @Module({ providers: [Works, Observer] })
    class WorksModule {}
    const nest = await world.start({ imports: [WorksModule, OqronModule.forRoot({ autoStart: false })] });
    const engine = nest.get(OqronEngine);
    await engine.start();
    await engine.producer(Work).add('one');
    await world.clock.advance('1s');
    await world.close(nest);
    expect(endedBefore).toEqual(['one']);
    expect(engine.health().state).toBe('stopped');
  });

  it('by itself after a bootstrap that failed for a handler: producers may have opened connections', async () => {
    @Injectable()
    class Bad implements OnModuleInit {
      constructor(@InjectQueue(Work) readonly queue: QueueOf<typeof Work>) {}

      async onModuleInit(): Promise<void> {
        await this.queue.add('x');
      }

      @Worker('two words')
      run(): void {}
    }
    const nest = await world.compile({ imports: [OqronModule.forRoot()], providers: [Bad] });
    await failureOf(nest.init());
    expect(nest.get(OqronEngine).health().state).toBe('stopped');
    expect(world.clock.pendingTimers).toBe(0);
  });
});

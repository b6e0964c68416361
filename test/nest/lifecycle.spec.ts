import {
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, EngineStateError, OqronEngine, type JobAbortedError, type JobContext } from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type QueueOf } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: NestWorld;
/** What happened, in order. */
let course: string[];
beforeEach(() => {
  world = new NestWorld();
  course = [];
});
afterEach(() => world.end());

const Report = defineQueue<string>('report');
const Follow = defineQueue<string>('follow');

/** As an ORM's module has it: connects in its init hook, disconnects in its destroy hook. */
@Injectable()
class Database implements OnModuleInit, OnModuleDestroy {
  open = false;

  async onModuleInit(): Promise<void> {
    await new Promise(setImmediate);
    this.open = true;
    course.push('database open');
  }

  onModuleDestroy(): void {
    this.open = false;
    course.push('database closed');
  }

  write(text: string): void {
    if (!this.open) throw new Error(`the database is closed: ${text}`);
    course.push(`wrote ${text}`);
  }
}

@Module({ providers: [Database], exports: [Database] })
class DatabaseModule {}

@Injectable()
class Reports {
  constructor(
    readonly database: Database,
    @InjectQueue(Follow) readonly follow: QueueOf<typeof Follow>,
  ) {}

  @Worker(Report)
  async run(data: string): Promise<void> {
    course.push(`begin ${data}`);
    await world.clock.sleep('5s');
    this.database.write(data);
    await this.follow.add(`after ${data}`);
  }
}

@Module({ imports: [DatabaseModule], providers: [Reports] })
class ReportsModule {}

const imports = () => [DatabaseModule, ReportsModule, OqronModule.forRoot({ shutdown: { timeout: '30s' } })];

describe('the start', () => {
  it('waits for onApplicationBootstrap: a job added in onModuleInit runs after every onModuleInit is over', async () => {
    @Injectable()
    class Early implements OnModuleInit {
      constructor(@InjectQueue(Report) readonly reports: QueueOf<typeof Report>) {}

      async onModuleInit(): Promise<void> {
        await this.reports.add('early');
        await world.clock.settle();
        course.push('added');
      }
    }
    @Injectable()
    class Slow implements OnModuleInit {
      async onModuleInit(): Promise<void> {
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
        course.push('slow init over');
      }
    }
    await world.start({ imports: imports(), providers: [Early, Slow] });
    await world.clock.settle();
    expect(course.at(-1)).toBe('begin early');
    expect(course.filter((step) => step.startsWith('begin'))).toHaveLength(1);
    expect(course).toEqual(expect.arrayContaining(['added', 'slow init over', 'database open']));
  });

  it('has not happened in an application that is only compiled: adding works, nothing runs', async () => {
    const nest = await world.compile({ imports: imports() });
    const engine = nest.get(OqronEngine);
    await engine.producer(Report).add('x');
    await world.clock.advance('1m');
    expect(course).toEqual([]);
    expect(engine.health().state).toBe('new');
  });

  it('that fails leaves nothing behind, and the application can be closed', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const broken = { ...backend, open: () => Promise.reject(new Error('no server')) };
    const nest = await world.compile({ imports: imports() }, { backend: broken });
    expect((await failureOf(nest.init())).message).toBe('no server');
    expect(world.clock.pendingTimers).toBe(0);
    await world.close(nest);
  });
});

describe('the end', () => {
  it('lets running jobs finish before what they use is destroyed, and takes no new ones', async () => {
    const nest = await world.start({ imports: imports() });
    const reports = nest.get(OqronEngine).producer(Report);
    await reports.add('one');
    await reports.add('two');
    await world.clock.advance('1s');
    await world.close(nest);
    expect(course).toEqual(['database open', 'begin one', 'wrote one', 'database closed']);
  });

  it('keeps producers open while jobs drain, and in the hooks of every module; connections close last', async () => {
    const memory = createMemoryBackend({ clock: world.clock });
    const added: unknown[] = [];
    const backend = wrapBackend(memory, (operation, args, run) => {
      if (operation === 'enqueue') added.push(args[1]);
      return run();
    });
    @Injectable()
    class Goodbye implements OnModuleDestroy, OnApplicationShutdown {
      constructor(@InjectQueue(Follow) readonly follow: QueueOf<typeof Follow>) {}

      async onModuleDestroy(): Promise<void> {
        await this.follow.add('in onModuleDestroy');
        course.push('goodbye');
      }

      async onApplicationShutdown(): Promise<void> {
        await this.follow.add('in onApplicationShutdown');
        course.push('shut down');
      }
    }
    @Module({ providers: [Goodbye] })
    class GoodbyeModule {}
    const nest = await world.start({ imports: [GoodbyeModule, ...imports()] }, { backend });
    const engine = nest.get(OqronEngine);
    const follow = nest.get<QueueOf<typeof Follow>>('OqronQueue_follow', { strict: false });
    await engine.producer(Report).add('one');
    await world.clock.advance('1s');
    await world.close(nest);
    expect(added).toEqual(['report', 'follow', 'follow', 'follow']);
    expect(course.indexOf('wrote one')).toBeLessThan(course.indexOf('goodbye'));
    expect(course.at(-1)).toBe('shut down');
    expect((await memory.store.admin.counts('follow')).waiting).toBe(3);
    expect(await failureOf(follow.add('too late'))).toBeInstanceOf(EngineStateError);
    expect(engine.health().state).toBe('stopped');
  });

  it('tells a handler that takes too long to stop, hands its job back, and ends all the same', async () => {
    @Injectable()
    class Endless {
      @Worker('endless', { abortGraceMs: '2s' })
      async run(_data: unknown, ctx: JobContext): Promise<void> {
        ctx.signal.addEventListener('abort', () => course.push((ctx.signal.reason as JobAbortedError).kind));
        await world.clock.sleep('1y');
      }
    }
    const memory = createMemoryBackend({ clock: world.clock });
    const nest = await world.start(
      { imports: [OqronModule.forRoot({ shutdown: { timeout: '10s' } })], providers: [Endless] },
      { backend: memory },
    );
    const { id } = await nest.get(OqronEngine).producer('endless').add(1);
    await world.clock.advance('1s');
    const before = world.clock.monotonic();
    await world.close(nest);
    expect(world.clock.monotonic() - before).toBeLessThanOrEqual(13_000);
    expect(course).toEqual(['shutdown']);
    expect(await memory.store.admin.get('endless', id)).toMatchObject({ status: 'waiting', attempt: 0 });
  });

  it('may be asked for twice, and before the start', async () => {
    const nest = await world.start({ imports: imports() });
    await Promise.all([nest.close(), nest.close()]);
    await world.close(nest);
    const never = await world.compile({ imports: imports() });
    await world.close(never);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('of the Nest path is left to Nest: no signal handlers of its own', async () => {
    const events = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2', 'beforeExit', 'exit', 'uncaughtException'];
    const counts = (): number[] => events.map((event) => process.listenerCount(event));
    const before = counts();
    const nest = await world.start({ imports: imports() });
    expect(counts()).toEqual(before);
    await world.close(nest);
    expect(counts()).toEqual(before);
  });
});

describe('hooks of providers', () => {
  it('may use what runs: a job is run as soon as onApplicationBootstrap of the engine is over', async () => {
    @Injectable()
    class Late implements OnApplicationBootstrap {
      constructor(@InjectQueue(Report) readonly reports: QueueOf<typeof Report>) {}

      async onApplicationBootstrap(): Promise<void> {
        await this.reports.add('from bootstrap');
      }
    }
    @Module({ providers: [Late] })
    class LateModule {}
    await world.start({ imports: [LateModule, ...imports()] });
    await world.clock.advance('6s');
    expect(course).toEqual(['database open', 'begin from bootstrap', 'wrote from bootstrap']);
  });
});

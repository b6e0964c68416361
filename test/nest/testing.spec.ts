import { Controller, Get, Inject, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  OqronEngine,
  queueModule,
  systemClock,
  workerModule,
  type JobContext,
  type OqronConfig,
} from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type QueueOf } from 'oqronkit/nestjs';
import {
  createMemoryBackend,
  OqronTester,
  OqronTestingModule,
  TestKitError,
  VirtualClock,
  withOqronTesting,
} from 'oqronkit/nestjs/testing';
import { failureOf } from '../support/until.js';

interface Mail {
  readonly to: string;
}
const Welcome = defineQueue<Mail, string>('welcome');

const apps: TestingModule[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function started(app: TestingModule): Promise<TestingModule> {
  apps.push(app);
  await app.init();
  return app;
}

@Injectable()
class SignUp {
  constructor(@InjectQueue(Welcome) private readonly welcome: QueueOf<typeof Welcome>) {}

  async signUp(to: string): Promise<void> {
    await this.welcome.add({ to }, { delay: '1h' });
  }
}

@Controller('sign-up')
class SignUpController {
  constructor(private readonly service: SignUp) {}

  @Get()
  signUp(): Promise<void> {
    return this.service.signUp('ada@example.com');
  }
}

@Injectable()
class WelcomeWorker {
  readonly sent: string[] = [];

  @Worker(Welcome)
  send({ to }: Mail, ctx: JobContext<Mail>): string {
    if (to === 'nobody') throw new RangeError('nobody is there');
    this.sent.push(to);
    return `sent to ${to} in attempt ${ctx.attempt}`;
  }
}

@Module({ providers: [SignUp, WelcomeWorker], controllers: [SignUpController] })
class WelcomeModule {}

/** Nobody listens there: an application that connects fails. */
const MODES: readonly OqronConfig[] = [
  { mode: 'redis', redis: 'redis://127.0.0.1:1' },
  { mode: 'db', postgres: 'postgresql://nobody@127.0.0.1:1/none' },
  { mode: 'hybrid-db', redis: 'redis://127.0.0.1:1', postgres: 'postgresql://nobody@127.0.0.1:1/none' },
  { mode: 'default' },
];

function appModule(config: OqronConfig): object {
  @Module({ imports: [WelcomeModule, OqronModule.forRoot({ project: 'shop', ...config })] })
  class AppModule {}
  return AppModule;
}

const builderOf = (module: object) => Test.createTestingModule({ imports: [module as never] });

describe('withOqronTesting', () => {
  it.each(MODES)('runs an application of the mode $mode in memory on a virtual clock', async (config) => {
    const app = await started(await withOqronTesting(builderOf(appModule(config))).compile());
    const tester = app.get(OqronTester);
    await app.get(SignUpController).signUp();
    expect(tester.enqueued(Welcome)).toMatchObject([{ data: { to: 'ada@example.com' }, status: 'delayed' }]);
    expect(app.get(WelcomeWorker).sent).toEqual([]);
    await tester.advance('1h');
    expect(app.get(WelcomeWorker).sent).toEqual(['ada@example.com']);
    expect(app.get(OqronEngine).health()).toMatchObject({ backend: 'memory', state: 'started' });
    expect(app.get(OqronEngine).config.project).toBe('shop');
  });

  it('overrides options that a factory made, and keeps the others', async () => {
    @Module({
      imports: [
        WelcomeModule,
        OqronModule.forRootAsync({
          useFactory: () => ({
            mode: 'redis' as const,
            redis: 'redis://127.0.0.1:1',
            project: 'async',
            environment: 'staging',
            liveness: { port: 1 },
          }),
        }),
      ],
    })
    class AppModule {}
    const app = await started(await withOqronTesting(builderOf(AppModule), { environment: 'test' }).compile());
    expect(app.get(OqronEngine).config).toMatchObject({ project: 'async', environment: 'test' });
    expect(await app.get(OqronTester).run(Welcome, { to: 'grace' })).toBe('sent to grace in attempt 1');
  });

  it('keeps the modules that the application selects: one that only adds runs nothing', async () => {
    const modules = [queueModule({ consume: false })];
    const app = await started(await withOqronTesting(builderOf(appModule({ modules }))).compile());
    const tester = app.get(OqronTester);
    await app.get(SignUp).signUp('ada');
    await tester.advance('2h');
    expect(app.get(WelcomeWorker).sent).toEqual([]);
    expect(tester.enqueued(Welcome)).toHaveLength(1);
    const error = await failureOf(tester.run(Welcome, { to: 'ada' }));
    expect(error).toBeInstanceOf(TestKitError);
    expect(error.message).toContain('the worker module is not selected');
  });

  it('selects others when it is told to', async () => {
    const modules = [queueModule({ consume: false })];
    const app = await started(
      await withOqronTesting(builderOf(appModule({ modules })), { modules: [queueModule(), workerModule()] }).compile(),
    );
    expect(await app.get(OqronTester).run(Welcome, { to: 'ada' })).toBe('sent to ada in attempt 1');
  });

  it('lets two applications share their jobs, as two processes do', async () => {
    const clock = new VirtualClock();
    const backend = createMemoryBackend({ clock });
    const make = async (config: OqronConfig) =>
      started(await withOqronTesting(builderOf(appModule(config)), { clock, backend }).compile());
    const api = await make({ modules: [queueModule({ consume: false })] });
    const workers = await make({ modules: [workerModule()] });
    await api.get(SignUp).signUp('ada');
    await api.get(OqronTester).advance('1h');
    expect(workers.get(WelcomeWorker).sent).toEqual(['ada']);
    expect(api.get(WelcomeWorker).sent).toEqual([]);
    expect(workers.get(OqronTester)).not.toBe(api.get(OqronTester));
    expect(workers.get(OqronTester).enqueued()).toEqual([]);
  });

  it('works with a real clock', async () => {
    const app = await started(
      await withOqronTesting(builderOf(appModule(MODES[0] ?? {})), { clock: systemClock }).compile(),
    );
    expect(app.get(OqronTester).clock).toBeUndefined();
    expect(await app.get(OqronTester).run(Welcome, { to: 'ada' })).toBe('sent to ada in attempt 1');
  });

  it('hears of jobs that are added as the application starts', async () => {
    @Injectable()
    class Early implements OnApplicationBootstrap {
      constructor(@InjectQueue(Welcome) readonly welcome: QueueOf<typeof Welcome>) {}

      async onApplicationBootstrap(): Promise<void> {
        await this.welcome.add({ to: 'early' });
      }
    }
    @Module({ providers: [Early], imports: [OqronModule.forRoot()] })
    class AppModule {}
    const app = await started(await withOqronTesting(builderOf(AppModule)).compile());
    expect(app.get(OqronTester).enqueued(Welcome)).toHaveLength(1);
  });

  it('says what to do before the application has been started', async () => {
    const app = await withOqronTesting(builderOf(appModule({}))).compile();
    apps.push(app);
    expect((await failureOf(app.get(OqronTester).drain())).message).toContain('await app.init()');
  });

  it('ends with a job that sleeps on the clock: close() lets the time pass', async () => {
    @Injectable()
    class Sleeper {
      constructor(private readonly tester: OqronTester) {}

      @Worker('sleep')
      async run(): Promise<void> {
        await this.tester.clock?.sleep('10s');
      }
    }
    @Module({ providers: [Sleeper] })
    class SleepModule {}
    const app = await Test.createTestingModule({ imports: [SleepModule, OqronTestingModule.forRoot()] }).compile();
    await app.init();
    const tester = app.get(OqronTester);
    const job = await app.get(OqronEngine).producer('sleep').add({});
    await tester.waitFor(job, 'active');
    await app.close();
    expect(tester.clock?.monotonic()).toBeGreaterThanOrEqual(10_000);
    expect(tester.clock?.pendingTimers).toBe(0);
  });
});

describe('OqronTestingModule', () => {
  it('takes the place of forRoot for a feature module, and gives the tester to whoever injects it', async () => {
    @Injectable()
    class Helper {
      constructor(
        readonly tester: OqronTester,
        @Inject(OqronEngine) readonly engine: OqronEngine,
      ) {}
    }
    const app = await started(
      await Test.createTestingModule({
        imports: [WelcomeModule, OqronTestingModule.forRoot({ defaultJobOptions: { attempts: 1 } })],
        providers: [Helper],
      }).compile(),
    );
    const { tester, engine } = app.get(Helper);
    expect(tester).toBe(app.get(OqronTester));
    expect(engine.config.defaultJobOptions).toEqual({ attempts: 1 });
    const error = await failureOf(tester.run(Welcome, { to: 'nobody' }));
    expect(error).toBeInstanceOf(RangeError);
    await app.get(SignUp).signUp('ada');
    await tester.advance('1h');
    await tester.drain();
    expect(app.get(WelcomeWorker).sent).toEqual(['ada']);
  });
});

import { Inject, Injectable, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  InvalidOptionsError,
  ModuleNotAvailableError,
  OqronEngine,
  type Queue as OqronQueue,
} from 'oqronkit';
import {
  getQueueToken,
  InjectOqron,
  InjectQueue,
  OQRON_CLOCK,
  OqronModule,
  OqronRunner,
  Worker,
  type OqronModuleOptions,
  type OqronOptionsFactory,
  type QueueOf,
} from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Mail = defineQueue<{ to: string }, string>('mail', { priority: 7 });

@Injectable()
class Mailer {
  readonly sent: string[] = [];

  @Worker(Mail)
  send({ to }: { to: string }): string {
    this.sent.push(to);
    return `sent to ${to}`;
  }
}

@Injectable()
class Producers {
  @InjectQueue(Mail) readonly byProperty!: QueueOf<typeof Mail>;

  constructor(
    @InjectQueue(Mail) readonly byContract: QueueOf<typeof Mail>,
    @InjectQueue('mail') readonly byName: OqronQueue<{ to: string }, string>,
    @InjectQueue('unheard-of') readonly other: OqronQueue,
    @InjectOqron() readonly engine: OqronEngine,
  ) {}
}

describe('@InjectQueue and @InjectOqron', () => {
  it('inject the same queue by contract, by name, into parameters and properties; the contract counts', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Producers, Mailer] });
    const producers = nest.get(Producers);
    expect(producers.byName).toBe(producers.byContract);
    expect(producers.byProperty).toBe(producers.byContract);
    expect(producers.engine).toBe(nest.get(OqronEngine));
    const jobs = [
      await producers.byContract.add({ to: 'a' }),
      await producers.byName.add({ to: 'b' }),
      await producers.byProperty.add({ to: 'c' }),
    ];
    expect(jobs.map(({ priority }) => priority)).toEqual([7, 7, 7]);
    await world.clock.settle();
    expect(nest.get(Mailer).sent).toEqual(['a', 'b', 'c']);
  });

  it('need no consumer: a queue that nobody here runs can be injected, and costs nothing', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Producers] });
    const { other } = nest.get(Producers);
    expect((await other.add(1)).queueName).toBe('unheard-of');
    expect(nest.get(OqronEngine).definitions()).toEqual([]);
  });

  it('work in every module, without importing anything there', async () => {
    @Module({ providers: [Producers], exports: [Producers] })
    class Deep {}
    @Module({ imports: [Deep] })
    class Feature {}
    const nest = await world.start({ imports: [Feature, OqronModule.forRoot()] });
    expect(nest.get(Producers, { strict: false }).byContract.name).toBe('mail');
  });

  it('say what is missing when the module is not imported', async () => {
    const compiling = failureOf(world.compile({ providers: [Producers] }));
    expect((await compiling).message).toMatch(/OqronQueue_mail/);
  });
});

describe('a test', () => {
  it('replaces a queue by its token', async () => {
    const added: unknown[] = [];
    const fake = { name: 'mail', add: (data: unknown) => added.push(data) };
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Producers] }, {}, (builder) =>
      builder.overrideProvider(getQueueToken(Mail)).useValue(fake),
    );
    await nest.get(Producers).byContract.add({ to: 'ada' });
    expect(added).toEqual([{ to: 'ada' }]);
    expect(getQueueToken('mail')).toBe(getQueueToken(Mail));
  });

  it('replaces parts of the engine: clock, randomness, backend', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Producers] }, { backend });
    const at = world.clock.now();
    const { id, createdAt } = await nest.get(Producers).byContract.add({ to: 'ada' });
    expect(createdAt).toBe(at);
    expect((await backend.store.admin.get('mail', id))?.data).toBe('{"to":"ada"}');
    expect(nest.get<unknown>(OQRON_CLOCK)).toBe(world.clock);
  });
});

describe('forRoot', () => {
  it('takes the configuration of an engine', async () => {
    const nest = await world.start({
      imports: [OqronModule.forRoot({ project: 'shop', environment: 'test', defaultJobOptions: { priority: 3 } })],
    });
    const engine = nest.get(OqronEngine);
    expect(engine.config).toMatchObject({ project: 'shop', environment: 'test' });
    expect((await engine.producer('q').add(1)).priority).toBe(3);
  });

  it('refuses a bad configuration with every problem when the application is made', async () => {
    const config = { projekt: 'x', tags: 'y', shutdown: { timeout: -1 } } as unknown as OqronModuleOptions;
    const error = await failureOf<InvalidOptionsError>(world.compile({ imports: [OqronModule.forRoot(config)] }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.problems).toHaveLength(3);
    const hybrid = { mode: 'hybrid-db', redis: 'redis://localhost', postgres: 'postgresql://localhost' } as const;
    expect(await failureOf(world.compile({ imports: [OqronModule.forRoot(hybrid)] }))).toBeInstanceOf(
      ModuleNotAvailableError,
    );
  });

  it('imported twice is an error that says so, wherever the imports are', async () => {
    @Module({ imports: [OqronModule.forRoot({ project: 'a' })] })
    class Feature {}
    const nest = await world.compile({ imports: [Feature, OqronModule.forRoot({ project: 'b' })] });
    const error = await failureOf(nest.init());
    expect(error.message).toContain('OqronModule.forRoot() is imported more than once');
    expect(error.message).toContain('Import it once, last in your root module.');
  });

  it('writes its log through the logger of the application', async () => {
    @Injectable()
    class Failing {
      @Worker('failing', { retries: { max: 0 } })
      run(): void {
        throw new Error('no route');
      }
    }
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Failing] });
    await nest.get(OqronEngine).producer('failing').add(1);
    await world.clock.settle();
    const lines = world.logger.lines.filter((line) => line.startsWith('warn '));
    expect(lines).toEqual([expect.stringMatching(/attempt 1 failed: no route/)]);
  });
});

describe('forRootAsync', () => {
  @Injectable()
  class Settings implements OqronOptionsFactory {
    readonly project = 'from-settings';

    createOqronOptions(): OqronModuleOptions {
      return { project: this.project };
    }
  }

  @Module({ providers: [Settings], exports: [Settings] })
  class SettingsModule {}

  it.each<[string, () => Parameters<typeof OqronModule.forRootAsync>[0]]>([
    [
      'useFactory',
      () => ({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: async (settings: Settings) => ({ project: settings.project }),
      }),
    ],
    ['useClass', () => ({ useClass: Settings })],
    ['useExisting', () => ({ imports: [SettingsModule], useExisting: Settings })],
  ])('gets its options by %s', async (_title, options) => {
    const nest = await world.start({ imports: [OqronModule.forRootAsync(options())], providers: [Producers, Mailer] });
    expect(nest.get(OqronEngine).config.project).toBe('from-settings');
    const { byContract } = nest.get(Producers);
    const { id } = await byContract.add({ to: 'ada' });
    await world.clock.settle();
    expect((await byContract.getJob(id))?.returnValue).toBe('sent to ada');
  });

  it('fails the application when the factory fails', async () => {
    const options = { useFactory: () => Promise.reject<OqronModuleOptions>(new Error('no secrets today')) };
    const error = await failureOf(world.compile({ imports: [OqronModule.forRootAsync(options)] }));
    expect(error.message).toBe('no secrets today');
  });

  it('refuses what the factory answers when it is wrong', async () => {
    const useFactory = () => ({ mode: 'mongo' }) as unknown as OqronModuleOptions;
    const error = await failureOf(world.compile({ imports: [OqronModule.forRootAsync({ useFactory })] }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
  });
});

describe('two applications in one process', () => {
  it('do not see each other', async () => {
    const make = () => ({ imports: [OqronModule.forRoot()], providers: [Producers, Mailer] });
    const one = await world.start(make());
    const two = await world.start(make());
    const { id } = await one.get(Producers).byContract.add({ to: 'ada' }, { jobId: 'x' });
    await world.clock.advance('1m');
    expect(one.get(Mailer).sent).toEqual(['ada']);
    expect(two.get(Mailer).sent).toEqual([]);
    expect(await two.get(Producers).byContract.getJob(id)).toBeUndefined();
    expect(one.get(OqronRunner)).not.toBe(two.get(OqronRunner));
    await world.close(one);
    expect((await two.get(Producers).byContract.add({ to: 'bob' }, { jobId: 'x' })).created).toBe(true);
  });

  it('share jobs through one backend, and know nothing else of each other', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    @Injectable()
    class Holder {
      constructor(@Inject(OqronEngine) readonly engine: OqronEngine) {}
    }
    const imports = () => [OqronModule.forRoot()];
    const one = await world.start({ imports: imports(), providers: [Producers, Holder] }, { backend });
    const two = await world.start({ imports: imports(), providers: [Mailer, Holder] }, { backend });
    await one.get(Producers).byContract.add({ to: 'ada' });
    await world.clock.settle();
    expect(two.get(Mailer).sent).toEqual(['ada']);
    expect(one.get(Holder).engine.definitions()).toEqual([]);
  });
});

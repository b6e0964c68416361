import { Inject, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidOptionsError, OqronEngine, type Clock, type OqronConfig } from 'oqronkit';
import {
  OQRON_CLOCK,
  OQRON_MODULE_OPTIONS,
  OQRON_OPTION_OVERRIDES,
  OqronModule,
  Worker,
  type OqronModuleOptions,
} from 'oqronkit/nestjs';
import { createMemoryBackend, VirtualClock } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const projectOf = (nest: { get(token: typeof OqronEngine): OqronEngine }): string | undefined =>
  nest.get(OqronEngine).config.project;

@Injectable()
class Secrets {
  readonly project = 'from-secrets';
}

describe('extraProviders', () => {
  it('can be injected by the factory of the options, and by each other', async () => {
    const nest = await world.start({
      imports: [
        OqronModule.forRootAsync({
          extraProviders: [Secrets, { provide: 'PROJECT', inject: [Secrets], useFactory: (of: Secrets) => of.project }],
          inject: ['PROJECT'],
          useFactory: (project: string) => ({ project }),
        }),
      ],
    });
    expect(projectOf(nest)).toBe('from-secrets');
  });

  it('go into forRoot too, are no option of the engine, and are destroyed after the last job', async () => {
    const course: string[] = [];
    class Pool implements OnModuleDestroy {
      onModuleDestroy(): void {
        course.push('pool closed');
      }
    }
    @Injectable()
    class Slow {
      @Worker('slow')
      async run(): Promise<void> {
        await world.clock.sleep('5s');
        course.push('ran');
      }
    }
    const imports = [OqronModule.forRoot({ project: 'shop', isGlobal: true, extraProviders: [Pool] })];
    const nest = await world.start({ imports, providers: [Slow] });
    expect(nest.get(Pool, { strict: false })).toBeInstanceOf(Pool);
    expect(nest.get<OqronModuleOptions>(OQRON_MODULE_OPTIONS)).toEqual({ project: 'shop' });
    await nest.get(OqronEngine).producer('slow').add(1);
    await world.clock.advance('1s');
    await world.close(nest);
    expect(course).toEqual(['ran', 'pool closed']);
  });
});

describe('provideInjectionTokensFrom', () => {
  it('brings what a dynamic module of the user was given to the factory of the options', async () => {
    @Module({})
    class Jobs {
      static forRoot(project: string) {
        const providers = [
          { provide: 'BASE', useValue: project },
          { provide: 'PROJECT', inject: ['BASE'], useFactory: (base: string) => `${base}-jobs` },
        ];
        return {
          module: Jobs,
          providers,
          imports: [
            OqronModule.forRootAsync({
              provideInjectionTokensFrom: providers,
              inject: ['PROJECT'],
              useFactory: (name: string) => ({ project: name }),
            }),
          ],
        };
      }
    }
    expect(projectOf(await world.start({ imports: [Jobs.forRoot('shop')] }))).toBe('shop-jobs');
  });
});

describe('overrideProvider', () => {
  it('of OQRON_MODULE_OPTIONS replaces the options, whatever the application names', async () => {
    const redis: OqronConfig = { mode: 'redis', redis: 'redis://127.0.0.1:1', project: 'production' };
    const nest = await world.start({ imports: [OqronModule.forRoot(redis)] }, {}, (builder) =>
      builder.overrideProvider(OQRON_MODULE_OPTIONS).useValue({ project: 'test', autoStart: false }),
    );
    const engine = nest.get(OqronEngine);
    expect(engine.config).toMatchObject({ project: 'test' });
    expect(engine.config).not.toHaveProperty('autoStart');
    expect(engine.health()).toMatchObject({ state: 'new', backend: 'memory' });
  });

  it('of OQRON_OPTION_OVERRIDES replaces some of them, those of a factory too', async () => {
    const useFactory = (): OqronModuleOptions => ({ project: 'shop', environment: 'production' });
    const nest = await world.start({ imports: [OqronModule.forRootAsync({ useFactory })] }, {}, (builder) =>
      builder.overrideProvider(OQRON_OPTION_OVERRIDES).useValue({ environment: 'test', autoStart: false }),
    );
    expect(nest.get(OqronEngine).config).toMatchObject({ project: 'shop', environment: 'test' });
    expect(nest.get(OqronEngine).health().state).toBe('new');
  });

  it('of OQRON_BACKEND replaces the store of any mode, without a connection', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const db: OqronConfig = { mode: 'db', postgres: 'postgresql://nobody@127.0.0.1:1/none' };
    const nest = await world.start({ imports: [OqronModule.forRoot(db)] }, { backend });
    const { id } = await nest.get(OqronEngine).producer('q').add(1);
    expect(await backend.store.admin.get('q', id)).toMatchObject({ status: 'waiting' });
  });

  it('of OQRON_CLOCK and OQRON_RANDOM replaces time and chance, also for those who inject them', async () => {
    @Injectable()
    class Watch {
      constructor(@Inject(OQRON_CLOCK) readonly clock: Clock) {}
    }
    const ids: string[] = [];
    const random = { next: () => 0.5, bytes: (n: number) => new Uint8Array(n).fill(7) };
    for (const _ of [1, 2]) {
      const clock = new VirtualClock();
      const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Watch] }, { clock, random });
      expect(nest.get(Watch).clock).toBe(clock);
      ids.push((await nest.get(OqronEngine).producer('q').add(1)).id);
    }
    expect(ids[0]).toBe(ids[1]);
  });

  it('of OqronEngine replaces all of it', async () => {
    const engine = new OqronEngine({ project: 'mine', logger: false }, { clock: world.clock });
    const nest = await world.start({ imports: [OqronModule.forRoot()] }, {}, (builder) =>
      builder.overrideProvider(OqronEngine).useValue(engine),
    );
    expect(projectOf(nest)).toBe('mine');
    expect(engine.health().state).toBe('started');
  });
});

describe('a factory of options', () => {
  it.each([[undefined], [null]])('that answers %s is an error: it would start an engine in memory', async (nothing) => {
    const useFactory = () => nothing as unknown as OqronModuleOptions;
    const error = await failureOf(world.compile({ imports: [OqronModule.forRootAsync({ useFactory })] }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain(`The options are ${String(nothing)}, where an object was expected.`);
  });
});

import { Inject, Injectable, Module, Scope, type Type } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, OqronEngine } from 'oqronkit';
import { Handler, OqronModule, Queue, Worker, type HandlerDecorator } from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Encode = defineQueue<{ file: string }, string>('encode');

@Injectable()
class Config {
  reads = 0;

  get(key: 'ENCODERS' | 'SENDERS'): number {
    this.reads += 1;
    return { ENCODERS: 7, SENDERS: 3 }[key];
  }
}

const app = (...providers: Type[]) => ({ imports: [OqronModule.forRoot({})], providers: [Config, ...providers] });

const concurrencies = (engine: OqronEngine): Record<string, number | undefined> =>
  Object.fromEntries(engine.definitions().map(({ kind, name, concurrency }) => [`${kind} ${name}`, concurrency]));

async function problemsOf(...providers: Type[]): Promise<readonly string[]> {
  const error = await failureOf<InvalidOptionsError>((await world.compile(app(...providers))).init());
  expect(error).toBeInstanceOf(InvalidOptionsError);
  return error.problems;
}

describe('options of a decorator', () => {
  it('come from dependency injection, at once or later, for @Worker and @Queue on methods and @Worker on classes', async () => {
    @Injectable()
    class Handlers {
      @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.get('ENCODERS') }) })
      encode({ file }: { file: string }): string {
        return file;
      }

      @Queue('later', {
        inject: [Config],
        useFactory: async (config) => Promise.resolve({ concurrency: config.get('SENDERS') }),
      })
      later(): void {}

      @Worker('alone', { useFactory: () => ({ concurrency: 9 }) })
      alone(): void {}
    }
    @Injectable()
    @Worker('named', { inject: [Config], useFactory: (config) => ({ concurrency: config.get('SENDERS') + 1 }) })
    class Named {
      @Handler('welcome')
      welcome(): string {
        return 'welcome';
      }
    }
    const nest = await world.start(app(Handlers, Named));
    const engine = nest.get(OqronEngine);
    expect(concurrencies(engine)).toEqual({
      'worker encode': 7,
      'queue later': 3,
      'worker alone': 9,
      'worker named': 4,
    });
    const queue = engine.producer('named');
    const { id } = await queue.add('welcome', {});
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe('welcome');
  });

  it('are made once, when the application starts, whatever runs then', async () => {
    @Injectable()
    class Handlers {
      @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.get('ENCODERS') }) })
      encode({ file }: { file: string }): string {
        return file;
      }
    }
    const nest = await world.compile(app(Handlers));
    expect(nest.get(Config).reads).toBe(0);
    await nest.init();
    for (let n = 0; n < 20; n += 1) await nest.get(OqronEngine).producer(Encode).add({ file: 'a' });
    await world.clock.settle();
    expect(nest.get(Config).reads).toBe(1);
  });

  it('may say the queue too, and then meet the contracts of @Handler', async () => {
    @Injectable()
    class Handlers {
      @Worker({ useFactory: () => ({ topic: 'topic-of-settings', concurrency: 2 }) })
      run(): void {}

      @Queue({ inject: ['NAME'], useFactory: (name: string) => ({ name, concurrency: 3 }) })
      queue(): void {}
    }
    @Worker({ useFactory: () => ({ topic: 'encode', concurrency: 4 }) })
    class Named {
      @Handler('default')
      run(): void {}
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      providers: [Handlers, Named, { provide: 'NAME', useValue: 'name-of-settings' }],
    });
    expect(concurrencies(nest.get(OqronEngine))).toEqual({
      'worker topic-of-settings': 2,
      'queue name-of-settings': 3,
      'worker encode': 4,
    });
  });

  it('get what the module of their class sees, though another has the same token; else what any module has', async () => {
    @Injectable()
    class One {
      @Worker('one', { inject: ['CONCURRENCY'], useFactory: (concurrency: number) => ({ concurrency }) })
      run(): void {}
    }
    @Injectable()
    class Two {
      @Worker('two', { inject: ['CONCURRENCY'], useFactory: (concurrency: number) => ({ concurrency }) })
      run(): void {}
    }
    @Injectable()
    class Three {
      @Worker('three', { inject: ['CONCURRENCY'], useFactory: (concurrency: number) => ({ concurrency }) })
      run(): void {}
    }
    @Injectable()
    class Far {
      @Worker('far', { inject: [Config, 'HIDDEN'], useFactory: (_config, concurrency: number) => ({ concurrency }) })
      run(): void {}
    }
    @Module({ providers: [{ provide: 'CONCURRENCY', useValue: 4 }], exports: ['CONCURRENCY'] })
    class Shared {}
    @Module({ providers: [One, { provide: 'CONCURRENCY', useFactory: async () => Promise.resolve(1) }] })
    class A {}
    @Module({ providers: [Two, { provide: 'CONCURRENCY', useValue: 2 }] })
    class B {}
    @Module({ providers: [Three], imports: [Shared] })
    class C {}
    @Module({ providers: [{ provide: 'HIDDEN', useValue: 8 }, Config] })
    class Hidden {}
    @Module({ providers: [Far] })
    class D {}
    const nest = await world.start({ imports: [C, A, D, B, Hidden, OqronModule.forRoot({})] });
    expect(concurrencies(nest.get(OqronEngine))).toEqual({
      'worker one': 1,
      'worker two': 2,
      'worker three': 4,
      'worker far': 8,
    });
  });

  it('may do without what is optional', async () => {
    @Injectable()
    class Handlers {
      @Worker('optional', {
        inject: [
          { token: 'MISSING', optional: true },
          { token: Config, optional: true },
        ],
        useFactory: (missing, config) => ({ concurrency: missing === undefined ? config?.get('SENDERS') : 1 }),
      })
      run(): void {}
    }
    const nest = await world.start(app(Handlers));
    expect(concurrencies(nest.get(OqronEngine))).toEqual({ 'worker optional': 3 });
  });

  it('of a request-scoped class come from dependency injection as well', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {
      @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.get('ENCODERS') }) })
      encode({ file }: { file: string }): string {
        return file;
      }
    }
    expect(concurrencies((await world.start(app(Scoped))).get(OqronEngine))).toEqual({ 'worker encode': 7 });
  });

  it('that are replaced in a test come from what replaces them', async () => {
    @Injectable()
    class Handlers {
      @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.get('ENCODERS') }) })
      encode({ file }: { file: string }): string {
        return file;
      }
    }
    const nest = await world.start(app(Handlers), {}, (builder) =>
      builder.overrideProvider(Config).useValue({ get: () => 11 }),
    );
    expect(concurrencies(nest.get(OqronEngine))).toEqual({ 'worker encode': 11 });
  });
});

describe('a mistake in them', () => {
  /** As JavaScript writes them. */
  const LooseWorker = Worker as unknown as (...args: unknown[]) => HandlerDecorator<never, unknown>;

  it('is reported at start with all the others, names Class.method, and says what to do', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Tenant {}
    @Injectable()
    class NeedsTenant {
      constructor(@Inject(Tenant) readonly tenant: Tenant) {}
    }
    class Unheard {}
    @Injectable()
    class Bad {
      @Worker('unknown', { inject: [Unheard, Config, 'TEXT'], useFactory: () => ({}) })
      unknown(): void {}

      @Worker('scoped', { inject: [Tenant], useFactory: () => ({}) })
      scoped(): void {}

      @Worker('below', { inject: [NeedsTenant], useFactory: () => ({}) })
      below(): void {}

      @Worker('throws', {
        useFactory: () => {
          throw new TypeError('ENCODERS is not set');
        },
      })
      throws(): void {}

      @Worker('rejects', { useFactory: async () => Promise.reject(new Error('no vault')) })
      rejects(): void {}

      @LooseWorker('nothing', { useFactory: () => undefined })
      nothing(): void {}

      @LooseWorker('text', { useFactory: () => 'fast' })
      text(): void {}

      @Worker('invalid', { useFactory: () => ({ concurrency: 0 }) })
      invalid(): void {}

      @Worker('typo', { useFactory: () => ({ concurrency: 1, conccurency: 2 }) })
      typo(): void {}

      @LooseWorker('both', { useFactory: () => ({}), concurrency: 5 })
      both(): void {}

      @LooseWorker('not-a-function', { inject: [Config], useFactory: { concurrency: 5 } })
      notAFunction(): void {}

      @LooseWorker({ useFactory: () => ({ concurrency: 5 }) })
      nowhere(): void {}

      @LooseWorker('circular', { inject: [undefined], useFactory: () => ({}) })
      circular(): void {}
    }
    const problems = await problemsOf(Tenant, NeedsTenant, Bad);
    expect(problems).toEqual([
      expect.stringMatching(
        /^Bad\.unknown: @Worker injects Unheard for its options, and no module provides it\.\n\nPotential solutions:\n- Is Unheard a provider\? Add it to RootTestModule/,
      ),
      expect.stringMatching(/^Bad\.unknown: @Worker injects TEXT for its options, and no module provides it\./),
      expect.stringMatching(/^Bad\.scoped: @Worker injects Tenant for its options, and that is request-scoped/),
      expect.stringMatching(/^Bad\.below: @Worker injects NeedsTenant for its options, and that is request-scoped/),
      expect.stringMatching(/^Bad\.throws: useFactory of @Worker threw TypeError: ENCODERS is not set\n/),
      expect.stringMatching(/^Bad\.rejects: useFactory of @Worker threw Error: no vault\n/),
      expect.stringMatching(/^Bad\.nothing: useFactory of @Worker returned undefined\./),
      expect.stringMatching(/^Bad\.text: useFactory of @Worker returned "fast"\./),
      expect.stringMatching(/^Bad\.invalid: concurrency: expected a whole number/),
      expect.stringMatching(/^Bad\.typo: unknown option "conccurency", did you mean "concurrency"\?/),
      expect.stringMatching(/^Bad\.both: @Worker has `useFactory` or `inject`, and options beside them: concurrency\./),
      expect.stringMatching(/^Bad\.notAFunction: @Worker needs a function `useFactory`/),
      expect.stringMatching(/^Bad\.nowhere: the options of @Worker have no topic/),
      expect.stringMatching(/^Bad\.circular: @Worker injects undefined[^]*two files may import each other/),
    ]);
  });

  it('is found in rules that only the whole configuration knows, with its place', async () => {
    @Injectable()
    class Bad {
      @Worker(Encode, { useFactory: () => ({ lockTtlMs: 1_000, heartbeatMs: 5_000 }) })
      encode({ file }: { file: string }): string {
        return file;
      }

      @Worker('fine', { concurrency: 0 })
      other(): void {}
    }
    expect(await problemsOf(Bad)).toEqual([
      expect.stringMatching(/^Bad\.other: concurrency/),
      expect.stringMatching(/^Bad\.encode: lockTtlMs 1000 is below heartbeatMs 5000/),
    ]);
  });

  it('hides no other: two handlers of one queue are told of even when the options of one cannot be made', async () => {
    @Injectable()
    class One {
      @Worker(Encode, { useFactory: async () => Promise.reject(new Error('no vault')) })
      encode({ file }: { file: string }): string {
        return file;
      }
    }
    @Injectable()
    @Worker(Encode, { useFactory: () => ({ concurrency: 0 }) })
    class Two {}
    expect(await problemsOf(One, Two)).toEqual([
      expect.stringMatching(/^One\.encode: useFactory of @Worker threw Error: no vault/),
      expect.stringMatching(/^Two carries @Worker for "encode", and none of its methods carries @Handler/),
      expect.stringMatching(/^Two handlers are registered for worker "encode": One\.encode and Two\./),
      expect.stringMatching(/^Two: concurrency: expected a whole number/),
    ]);
  });

  it('leaves nothing started behind', async () => {
    @Injectable()
    class Bad {
      @Worker('throws', { useFactory: async () => Promise.reject(new Error('no vault')) })
      throws(): void {}
    }
    const nest = await world.compile(app(Bad));
    await failureOf(nest.init());
    expect(nest.get(OqronEngine).health()).toMatchObject({ state: 'stopped', running: 0 });
    expect(world.clock.pendingTimers).toBe(0);
  });
});

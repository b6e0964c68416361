import { LazyModuleLoader } from '@nestjs/core';
import { Controller, Injectable, Module, Scope, type Type } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, OqronEngine, type JobContext } from 'oqronkit';
import { Handler, InjectQueue, OnJob, OqronModule, Queue, Worker, type QueueOf } from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Double = defineQueue<{ n: number }, number>('double');

@Injectable()
class Doubler {
  factor = 2;

  @Worker(Double, { concurrency: 3 })
  async double(data: { n: number }, ctx: JobContext<{ n: number }>): Promise<number> {
    ctx.progress(50, 'half way');
    return data.n * this.factor;
  }
}

@Injectable()
class Sender {
  constructor(@InjectQueue(Double) readonly queue: QueueOf<typeof Double>) {}
}

const app = (...providers: Type[]) => ({ imports: [OqronModule.forRoot({})], providers });

/** What an engine of an application runs, as `Class.method` lines of its bootstrap table. */
const table = (): string[] =>
  world.logger.lines.flatMap((line) =>
    line.startsWith('log OqronExplorer ') ? [line.slice(18).replace(/ +/g, ' ')] : [],
  );

describe('a decorated method', () => {
  it('runs the jobs of a contract with payload and context, as a method of its provider', async () => {
    const nest = await world.start(app(Doubler, Sender));
    nest.get(Doubler).factor = 3;
    const { queue } = nest.get(Sender);
    const { id } = await queue.add({ n: 7 });
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 21, progressPercent: 50 });
    expect(table()).toEqual(['Doubler.double {worker double} concurrency 3']);
  });

  it('is retried when it throws, like any handler', async () => {
    @Injectable()
    class Flaky {
      @Worker(Double, { retries: { max: 1, strategy: 'fixed', baseDelay: '1s' } })
      run(_data: { n: number }, { attempt }: JobContext<{ n: number }>): number {
        if (attempt === 1) throw new Error('not yet');
        return attempt;
      }
    }
    const { queue } = (await world.start(app(Flaky, Sender))).get(Sender);
    const { id } = await queue.add({ n: 1 });
    await world.clock.advance('2s');
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', returnValue: 2, attemptMade: 2 });
  });

  it('is found on controllers too', async () => {
    @Controller('videos')
    class Videos {
      @Worker(Double)
      double({ n }: { n: number }): number {
        return n + 100;
      }
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      controllers: [Videos],
      providers: [Sender],
    });
    const { queue } = nest.get(Sender);
    const { id } = await queue.add({ n: 1 });
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe(101);
  });

  it('is found in any module, and on providers made by factories and values', async () => {
    class Made {
      @Queue('made-by-factory')
      run(): string {
        return 'factory';
      }
    }
    class Given {
      @Queue('given-as-value')
      run(): string {
        return 'value';
      }
    }
    @Module({
      providers: [
        { provide: 'MADE', useFactory: () => new Made() },
        { provide: 'GIVEN', useValue: new Given() },
        { provide: 'ALIAS', useExisting: 'MADE' },
      ],
    })
    class Feature {}
    await world.start({ imports: [Feature, OqronModule.forRoot({})] });
    expect(table()).toEqual([
      'Made.run {queue made-by-factory} concurrency 5',
      'Given.run {queue given-as-value} concurrency 5',
    ]);
  });

  it('is inherited, and not where a subclass overrides it without a decorator', async () => {
    abstract class Base {
      prefix = 'base';

      @Queue('inherited')
      run(): string {
        return `inherited by ${this.prefix}`;
      }

      @Queue('overridden')
      other(): string {
        return 'never';
      }
    }
    @Injectable()
    class Derived extends Base {
      override prefix = 'derived';

      override other(): string {
        return 'no handler any more';
      }
    }
    const nest = await world.start(app(Derived));
    expect(table()).toEqual(['Derived.run {queue inherited} concurrency 5']);
    const queue = nest.get(OqronEngine).producer('inherited');
    const { id } = await queue.add(1);
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe('inherited by derived');
  });

  it('may stand beside others in one class, each with its own queue', async () => {
    @Injectable()
    class Many {
      @Queue('one', { concurrency: 2 })
      one(): string {
        return 'one';
      }

      @Worker('two')
      two(): string {
        return 'two';
      }

      @Worker({ topic: 'three', concurrency: 4 })
      three(): string {
        return 'three';
      }

      notDecorated(): void {}

      get four(): never {
        throw new Error('a getter must not be called');
      }
    }
    const nest = await world.start(app(Many));
    expect(table()).toEqual([
      'Many.one {queue one} concurrency 2',
      'Many.two {worker two} concurrency 1',
      'Many.three {worker three} concurrency 4',
    ]);
    const results: unknown[] = [];
    for (const name of ['one', 'two', 'three']) {
      const queue = nest.get(OqronEngine).producer(name);
      const { id } = await queue.add(1);
      await world.clock.settle();
      results.push((await queue.getJob(id))?.returnValue);
    }
    expect(results).toEqual(['one', 'two', 'three']);
  });
});

describe('what the explorer meets in an application', () => {
  it.each([
    ['a plain object', () => ({ double: () => 1 })],
    ['an object without a prototype', () => Object.create(null) as object],
    ['a class', () => class Fake {}],
    ['null', () => null],
    ['a proxy that has everything', () => new Proxy({}, { get: () => () => new Error('a mock was called') })],
  ])('is %s in place of a provider: no handler, and no crash', async (_title, make) => {
    const nest = await world.start(app(Doubler, Sender), {}, (builder) =>
      builder.overrideProvider(Doubler).useValue(make()),
    );
    expect(table()).toEqual([]);
    const { id } = await nest.get(Sender).queue.add({ n: 1 });
    await world.clock.settle();
    expect(await nest.get(Sender).queue.getJob(id)).toMatchObject({ status: 'waiting' });
  });

  it('is a class, or an instance, in place of a provider: its own handlers count', async () => {
    class Tripler {
      @Worker(Double)
      triple({ n }: { n: number }): number {
        return n * 3;
      }
    }
    for (const override of [{ useClass: Tripler }, { useValue: new Tripler() }]) {
      const nest = await world.start(app(Doubler, Sender), {}, (builder) => {
        const overridden = builder.overrideProvider(Doubler);
        return 'useClass' in override ? overridden.useClass(override.useClass) : overridden.useValue(override.useValue);
      });
      const { queue } = nest.get(Sender);
      const { id } = await queue.add({ n: 7 });
      await world.clock.settle();
      expect((await queue.getJob(id))?.returnValue).toBe(21);
    }
  });

  it('is getters, of instances too, that must not be called, whatever their names are', async () => {
    let calls = 0;
    @Injectable()
    class Lazy extends Doubler {
      constructor() {
        super();
        Object.defineProperty(this, 'connection', { enumerable: true, get: () => (calls += 1) });
      }

      get client(): number {
        return (calls += 1);
      }
    }
    const nest = await world.start(app(Lazy, Sender));
    const { queue } = nest.get(Sender);
    const { id } = await queue.add({ n: 7 });
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe(14);
    expect(calls).toBe(0);
  });

  it('is one instance under several tokens: it is one host, in the module of its class', async () => {
    @Injectable()
    class One {
      @Worker(Double, { inject: ['CONCURRENCY'], useFactory: (concurrency: number) => ({ concurrency }) })
      double({ n }: { n: number }): number {
        return n * 2;
      }
    }
    @Module({ providers: [One, { provide: 'CONCURRENCY', useValue: 3 }], exports: [One] })
    class Home {}
    @Module({
      imports: [Home],
      providers: [
        { provide: 'MADE', inject: [One], useFactory: (one: One) => one },
        { provide: 'ALIAS', useExisting: One },
        { provide: 'CONCURRENCY', useValue: 9 },
      ],
    })
    class Other {}
    for (const imports of [
      [Other, Home],
      [Home, Other],
    ]) {
      await world.start({ imports: [...imports, OqronModule.forRoot({})] });
      expect(table().pop()).toBe('One.double {worker double} concurrency 3');
    }
  });

  it.each([
    ['request-scoped', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ])('is a %s class and its alias: one handler, and an instance for each job', async (_title, scope) => {
    const instances = new Set<object>();
    @Injectable({ scope })
    class Scoped {
      @Worker(Double)
      run(): number {
        instances.add(this);
        return instances.size;
      }
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      providers: [{ provide: 'ALIAS', useExisting: Scoped }, Scoped, Sender],
    });
    expect(table()).toEqual(['Scoped.run {worker double} concurrency 1']);
    const { queue } = nest.get(Sender);
    await queue.add({ n: 1 });
    const { id } = await queue.add({ n: 2 });
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe(2);
  });

  it('is a module that is loaded lazily, later: its handlers are not found', async () => {
    @Module({ providers: [Doubler] })
    class Late {}
    const nest = await world.start(app(Sender));
    await nest.get(LazyModuleLoader).load(() => Late);
    const { queue } = nest.get(Sender);
    const { id } = await queue.add({ n: 1 });
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'waiting' });
  });
});

describe('a mistake in the decorators', () => {
  it('names both classes when two handle the same queue, and starts nothing', async () => {
    @Injectable()
    class First {
      @Worker(Double)
      run(): number {
        return 1;
      }
    }
    @Injectable()
    class Second {
      @Worker('double')
      go(): number {
        return 2;
      }
    }
    const nest = await world.compile(app(First, Second));
    const error = await failureOf<InvalidOptionsError>(nest.init());
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('Two handlers are registered for worker "double": First.run and Second.go.');
    expect(error.message).toContain('Potential solutions:');
    expect(nest.get(OqronEngine).health()).toMatchObject({ state: 'stopped', running: 0 });
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('is found when one class is provided by two modules', async () => {
    @Module({ providers: [Doubler] })
    class A {}
    @Module({ providers: [Doubler] })
    class B {}
    const nest = await world.compile({ imports: [A, B, OqronModule.forRoot({})] });
    expect((await failureOf(nest.init())).message).toMatch(
      /Doubler\.double \(A\) and Doubler\.double \(B\)\.\n[^]*provide it once/,
    );
  });

  it('is found when a class and one that extends it are both provided', async () => {
    @Injectable()
    class Tripler extends Doubler {
      override factor = 3;
    }
    const nest = await world.compile(app(Doubler, Tripler));
    expect((await failureOf(nest.init())).message).toMatch(
      /Doubler\.double and Tripler\.double\.\n[^]*One class extends the other/,
    );
  });

  it('is reported with all the others, each with its place', async () => {
    @Injectable()
    class Bad {
      @Queue('two words')
      name(): void {}

      @Worker('ok', { concurrency: 0, timeout: 'soon' as '1s' })
      options(): void {}
    }
    @Injectable()
    class Worse {
      @Handler('welcome')
      run(): void {}
    }
    const nest = await world.compile(app(Bad, Worse));
    const { problems } = await failureOf<InvalidOptionsError>(nest.init());
    expect(problems).toEqual([
      expect.stringMatching(/^Bad\.name: .*"two words" is not a name/),
      expect.stringMatching(/^Bad\.options: timeout: expected ms/),
      expect.stringMatching(/^Bad\.options: concurrency: expected a whole number/),
      expect.stringMatching(/^Worse has @Handler on Worse\.run, and no @Worker/),
    ]);
  });

  it('that gives one method two queues is refused where it is written', () => {
    expect(() => {
      class Twice {
        @Queue('a')
        @Worker('b')
        run(): void {}
      }
      return Twice;
    }).toThrow(/Twice\.run carries more than one of @Queue, @Worker and @Handler/);
  });

  it('that stands on something else than a method is refused where it is written', () => {
    const key = Symbol('run');
    const places = [
      () => {
        class Static {
          @Queue('a')
          static run(): void {}
        }
        return Static;
      },
      () => {
        class Getter {
          @Queue('a')
          get run(): () => void {
            return () => undefined;
          }
        }
        return Getter;
      },
      () => {
        class Symbolic {
          @OnJob('fail')
          [key](): void {}
        }
        return Symbolic;
      },
    ];
    const messages = places.map((place) => {
      try {
        return place().name;
      } catch (error) {
        return (error as TypeError).message.split(' is ')[0];
      }
    });
    expect(messages).toEqual(['Static.run', 'Getter.run', 'Symbolic.Symbol(run)']);
  });
});

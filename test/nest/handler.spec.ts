import { Controller, Injectable, Module, Scope, type Type } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  InvalidOptionsError,
  OqronEngine,
  queueModule,
  workerModule,
  type JobAbortedError,
  type JobContext,
} from 'oqronkit';
import {
  Handler,
  InjectQueue,
  OqronModule,
  Queue,
  Worker,
  type OqronModuleOptions,
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

interface Welcome {
  to: string;
}
interface Reset {
  to: string;
  token: string;
}

const Mail = defineQueue<{ welcome: Welcome; reset: Reset }, string>('mail');

@Injectable()
@Worker(Mail, { concurrency: 3 })
class Mailer {
  greeting = 'Welcome';

  @Handler(Mail, 'welcome')
  async welcome({ to }: Welcome, ctx: JobContext<Welcome>): Promise<string> {
    ctx.progress(50, 'half way');
    return `${this.greeting}, ${to} (${ctx.name} ${ctx.data.to})`;
  }

  @Handler('reset')
  reset({ to, token }: Reset): string {
    return `${to}: ${token}`;
  }

  notDecorated(): void {}
}

@Injectable()
class Sender {
  constructor(@InjectQueue(Mail) readonly mail: QueueOf<typeof Mail>) {}
}

const app = (...providers: Type[]) => ({ imports: [OqronModule.forRoot({})], providers });

/** The lines of the bootstrap table. */
const table = (): string[] =>
  world.logger.lines.flatMap((line) =>
    line.startsWith('log OqronExplorer ') ? [line.slice(18).replace(/ +/g, ' ')] : [],
  );

async function problemsOf(...providers: Type[]): Promise<readonly string[]> {
  const error = await failureOf<InvalidOptionsError>((await world.compile(app(...providers))).init());
  expect(error).toBeInstanceOf(InvalidOptionsError);
  return error.problems;
}

describe('a class with @Worker', () => {
  it("`defineQueue<{ welcome: W; reset: R }>('mail')` types `add('welcome', w)` and `@Handler('welcome')`: each method runs the jobs of its name", async () => {
    const nest = await world.start(app(Mailer, Sender));
    nest.get(Mailer).greeting = 'Hello';
    const { mail } = nest.get(Sender);
    const welcome = await mail.add('welcome', { to: 'ada' });
    const reset = await mail.add('reset', { to: 'grace', token: 't0k3n' });
    await world.clock.settle();
    expect(await mail.getJob(welcome.id)).toMatchObject({
      status: 'completed',
      returnValue: 'Hello, ada (welcome ada)',
      progressPercent: 50,
    });
    expect(await mail.getJob(reset.id)).toMatchObject({ status: 'completed', returnValue: 'grace: t0k3n' });
  });

  it('is one consumer, with the options of its @Worker and one line in the bootstrap table', async () => {
    const nest = await world.start(app(Mailer));
    expect(table()).toEqual(['Mailer {worker mail} concurrency 3, names welcome, reset']);
    expect(nest.get(OqronEngine).definitions()).toEqual([
      expect.objectContaining({ kind: 'worker', name: 'mail', concurrency: 3, handlers: ['welcome', 'reset'] }),
    ]);
  });

  it('a job with a name that this process does not know is released (attempt refunded, 5 s), with an error in the log that lists the known names (a rolling deploy gets through)', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const first = await world.start(app(Mailer, Sender), { backend });
    const { mail } = first.get(Sender);
    const { id } = await mail.add('goodbye', { welcome: { to: 'ada' }, reset: { to: 'ada', token: 't' } });
    await world.clock.settle();
    expect(await mail.getJob(id)).toMatchObject({ status: 'delayed', attemptMade: 0 });
    const told = world.logger.lines.filter((line) => line.includes('no handler for the name "goodbye"'));
    expect(told).toEqual([expect.stringMatching(/^error .*known names: "welcome", "reset"/)]);

    @Injectable()
    @Worker(Mail)
    class Newer {
      @Handler('goodbye')
      goodbye(): string {
        return 'bye';
      }
    }
    await world.close(first);
    const second = await world.start(app(Newer, Sender), { backend });
    await world.clock.advance('5s');
    expect(await second.get(Sender).mail.getJob(id)).toMatchObject({ status: 'completed', returnValue: 'bye' });
  });

  it('runs jobs that were added without a name in its method for the name `default`', async () => {
    @Injectable()
    @Worker('plain')
    class Plain {
      @Handler('default')
      run({ n }: { n: number }): number {
        return n + 1;
      }
    }
    const queue = (await world.start(app(Plain))).get(OqronEngine).producer<{ n: number }>('plain');
    const { id } = await queue.add({ n: 1 });
    await world.clock.settle();
    expect((await queue.getJob(id))?.returnValue).toBe(2);
  });

  it('takes a topic, or options that have one, in place of the contract, and may be a controller', async () => {
    @Controller('one')
    @Worker('one', { concurrency: 2 })
    class One {
      @Handler('a')
      a(): void {}
    }
    @Worker({ topic: 'two', concurrency: 4 })
    class Two {
      @Handler('b')
      b(): void {}
    }
    await world.start({ imports: [OqronModule.forRoot({})], controllers: [One], providers: [Two] });
    expect(table().toSorted()).toEqual([
      'One {worker one} concurrency 2, names a',
      'Two {worker two} concurrency 4, names b',
    ]);
  });

  it('is retried, with hooks and all, like any worker', async () => {
    const succeeded: unknown[] = [];
    @Injectable()
    @Worker(Mail, {
      retries: { max: 1, strategy: 'fixed', baseDelay: '1s' },
      hooks: { onSuccess: (job, result) => succeeded.push([job.name, result]) },
    })
    class Flaky {
      @Handler(Mail, 'welcome')
      welcome({ to }: Welcome, { attempt }: JobContext<Welcome>): string {
        if (attempt === 1) throw new Error('not yet');
        return to;
      }
    }
    const { mail } = (await world.start(app(Flaky, Sender))).get(Sender);
    const { id } = await mail.add('welcome', { to: 'ada' });
    await world.clock.advance('2s');
    expect(await mail.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 2 });
    expect(succeeded).toEqual([['welcome', 'ada']]);
  });

  it('is inherited with its methods, and not the method that a subclass overrides without a decorator', async () => {
    @Injectable()
    class Polite extends Mailer {
      override greeting = 'Dear';

      override reset(): string {
        return 'no handler any more';
      }

      @Handler('goodbye')
      goodbye(): string {
        return 'bye';
      }
    }
    @Worker('letters', { concurrency: 2 })
    class Letters extends Mailer {
      // The contract of the method above is of another queue.
      @Handler('welcome')
      override async welcome({ to }: Welcome): Promise<string> {
        return Promise.resolve(`letter to ${to}`);
      }
    }
    const nest = await world.start(app(Polite, Letters, Sender));
    expect(table()).toEqual([
      'Polite {worker mail} concurrency 3, names goodbye, welcome',
      'Letters {worker letters} concurrency 2, names welcome, reset',
    ]);
    const { mail } = nest.get(Sender);
    const { id } = await mail.add('welcome', { to: 'ada' });
    await world.clock.settle();
    expect((await mail.getJob(id))?.returnValue).toBe('Dear, ada (welcome ada)');
  });

  it('may have methods with a @Queue or @Worker of their own besides', async () => {
    @Injectable()
    @Worker(Mail)
    class Both {
      @Handler(Mail, 'welcome')
      welcome(): string {
        return 'welcome';
      }

      @Queue('other')
      other(): string {
        return 'other';
      }
    }
    await world.start(app(Both));
    expect(table()).toEqual([
      'Both.other {queue other} concurrency 5',
      'Both {worker mail} concurrency 1, names welcome',
    ]);
  });

  it.each([
    ['request-scoped', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ])('that is %s runs each job with an instance of its own', async (_title, scope) => {
    const instances = new Set<object>();
    @Injectable({ scope })
    @Worker(Mail)
    class Scoped {
      @Handler('welcome')
      welcome(): number {
        instances.add(this);
        return instances.size;
      }
    }
    const { mail } = (await world.start(app(Scoped, Sender))).get(Sender);
    await mail.add('welcome', { to: 'ada' });
    const { id } = await mail.add('welcome', { to: 'grace' });
    await world.clock.settle();
    expect(await mail.getJob(id)).toMatchObject({ status: 'completed', returnValue: 2 });
  });

  it('polls nothing where its module is not selected, and is listed as inactive', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const start = (modules: NonNullable<OqronModuleOptions['modules']>) =>
      world.start({ imports: [OqronModule.forRoot({ modules })], providers: [Mailer, Sender] }, { backend });
    const api = await start([queueModule({ consume: false })]);
    expect(table()).toEqual(['Mailer {worker mail} inactive: the worker module is not selected']);
    const { mail } = api.get(Sender);
    const { id } = await mail.add('welcome', { to: 'ada' });
    await world.clock.advance('1m');
    expect(await mail.count('waiting')).toBe(1);
    const worker = await start([workerModule()]);
    await world.clock.settle();
    expect(await mail.getJob(id)).toMatchObject({
      status: 'completed',
      workerId: worker.get(OqronEngine).owner,
    });
  });

  it('lets running jobs end when the application closes, or tells them to and hands them back', async () => {
    const told: unknown[] = [];
    @Injectable()
    @Worker(Mail, { concurrency: 2 })
    class Slow {
      @Handler(Mail, 'welcome')
      async welcome(): Promise<string> {
        await world.clock.sleep('3s');
        return 'done';
      }

      @Handler(Mail, 'reset')
      async reset(_data: Reset, { signal }: JobContext<Reset>): Promise<string> {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        told.push((signal.reason as JobAbortedError).kind);
        throw signal.reason;
      }
    }
    const backend = createMemoryBackend({ clock: world.clock });
    const nest = await world.start(
      { imports: [OqronModule.forRoot({ shutdown: { timeout: '10s' } })], providers: [Slow, Sender] },
      { backend },
    );
    const { mail } = nest.get(Sender);
    const short = await mail.add('welcome', { to: 'ada' });
    const long = await mail.add('reset', { to: 'ada', token: 't' });
    await world.clock.settle();
    await world.close(nest);
    expect(told).toEqual(['shutdown']);
    const { mail: after } = (await world.start(app(Sender), { backend })).get(Sender);
    expect(await after.getJob(short.id)).toMatchObject({ status: 'completed', returnValue: 'done' });
    expect(await after.getJob(long.id)).toMatchObject({ status: 'waiting', attemptMade: 0 });
  });
});

describe('a mistake with @Handler', () => {
  it('is a class with @Worker that has no such method', async () => {
    @Injectable()
    @Worker(Mail)
    class Empty {
      welcome(): void {}
    }
    expect(await problemsOf(Empty)).toEqual([
      expect.stringMatching(
        /^Empty carries @Worker for "mail", and none of its methods carries @Handler\.\n[^]*solutions/,
      ),
    ]);
  });

  it('is a class that has such methods and no @Worker', async () => {
    @Injectable()
    class Lost {
      @Handler('welcome')
      welcome(): void {}

      @Handler('reset')
      reset(): void {}
    }
    expect(await problemsOf(Lost)).toEqual([
      expect.stringMatching(/^Lost has @Handler on Lost\.welcome, Lost\.reset, and no @Worker[^]*on the class Lost\./),
    ]);
  });

  it('is one name on two methods', async () => {
    @Injectable()
    @Worker(Mail)
    class Twins {
      @Handler(Mail, 'welcome')
      first(): string {
        return '1';
      }

      @Handler('welcome')
      second(): string {
        return '2';
      }
    }
    expect(await problemsOf(Twins)).toEqual([
      expect.stringMatching(
        /^Two handlers are registered for "welcome" of worker "mail": Twins\.first and Twins\.second\./,
      ),
    ]);
  });

  it('is a contract of another queue than that of the class', async () => {
    @Injectable()
    @Worker('post')
    class Elsewhere {
      @Handler(Mail, 'welcome')
      welcome(): string {
        return '1';
      }
    }
    expect(await problemsOf(Elsewhere)).toEqual([
      expect.stringMatching(
        /^Elsewhere\.welcome carries @Handler for the queue "mail", and Elsewhere is a worker of "post"\./,
      ),
    ]);
  });

  it('is a second worker of the queue, be it a class or a method', async () => {
    @Injectable()
    class Method {
      @Worker(Mail)
      run(): string {
        return '1';
      }
    }
    expect(await problemsOf(Mailer, Method)).toEqual([
      expect.stringMatching(/^Two handlers are registered for worker "mail": Mailer and Method\.run\./),
    ]);
  });

  it('is one class in two modules', async () => {
    @Module({ providers: [Mailer] })
    class A {}
    @Module({ providers: [Mailer] })
    class B {}
    const nest = await world.compile({ imports: [A, B, OqronModule.forRoot({})] });
    expect((await failureOf(nest.init())).message).toMatch(/Mailer \(A\) and Mailer \(B\)\.\n[^]*provide it once/);
  });

  it('is reported with all the others, each with its place, and starts nothing', async () => {
    @Injectable()
    @Worker(Mail, { concurrency: 0, timeout: 'soon' as '1s' })
    class Bad {
      @Handler('two words')
      name(): void {}
    }
    @Injectable()
    class Lost {
      @Handler('welcome')
      welcome(): void {}
    }
    const nest = await world.compile(app(Bad, Lost));
    const { problems } = await failureOf<InvalidOptionsError>(nest.init());
    expect(problems).toEqual([
      expect.stringMatching(/^Bad\.name: .*"two words" is not a name/),
      expect.stringMatching(/^Bad: timeout: expected ms/),
      expect.stringMatching(/^Bad: concurrency: expected a whole number/),
      expect.stringMatching(/^Lost has @Handler on Lost\.welcome/),
    ]);
    expect(nest.get(OqronEngine).health()).toMatchObject({ state: 'stopped', running: 0 });
  });

  it('is refused where it is written when a method has another decorator, or a class two', () => {
    expect(() => {
      class Twice {
        @Handler('a')
        @Handler('b')
        run(): void {}
      }
      return Twice;
    }).toThrow(/Twice\.run carries more than one of @Queue, @Worker and @Handler/);
    expect(() => {
      class Mixed {
        @Handler('a')
        @Worker('b')
        run(): void {}
      }
      return Mixed;
    }).toThrow(/Mixed\.run carries more than one of/);
    expect(() => {
      @Worker('a')
      @Worker('b')
      class Both {}
      return Both;
    }).toThrow(/Both carries more than one @Worker\./);
  });
});

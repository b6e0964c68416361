import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  CanActivate,
  Catch,
  Controller,
  HttpException,
  Injectable,
  Module,
  Scope,
  UnauthorizedException,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { AsyncLocalStorage } from 'node:async_hooks';
import { NonRetryableError, OqronEngine, ReleaseError, type JobContext } from 'oqronkit';
import { isOqronContext, OnJob, OqronExecutionContext, OqronModule, Worker } from 'oqronkit/nestjs';
import { map, of, type Observable } from 'rxjs';
import { OqronInvoker } from '../../lib/nestjs/invocation/oqron.invoker.js';
import { jobAfter } from '../support/nest-jobs.js';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

/** What the enhancers of a test wrote down. */
@Injectable()
class Book {
  readonly lines: string[] = [];
}

@Injectable()
class ClassGuard implements CanActivate {
  constructor(private readonly book: Book) {}

  canActivate(context: ExecutionContext): boolean {
    this.book.lines.push(`class guard ${context.getType()} ${context.getClass().name}.${context.getHandler().name}`);
    return true;
  }
}

@Injectable()
class MethodGuard implements CanActivate {
  constructor(private readonly book: Book) {}

  canActivate(context: ExecutionContext): boolean {
    this.book.lines.push('method guard');
    return OqronExecutionContext.create(context).getPayload<{ deny?: boolean }>()?.deny !== true;
  }
}

@Injectable()
class Around implements NestInterceptor {
  constructor(private readonly book: Book) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const job = OqronExecutionContext.create(context);
    this.book.lines.push(
      `before ${job.getQueue()} ${job.getJob().attempt} ${job.getSignal().aborted} ${job.isEvent()}`,
    );
    return next.handle().pipe(
      map((value) => {
        this.book.lines.push('after');
        return `[${String(value)}]`;
      }),
    );
  }
}

@Injectable()
class Trim implements PipeTransform {
  constructor(private readonly book: Book) {}

  transform(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || !('to' in value)) return value;
    this.book.lines.push('pipe');
    return { ...value, to: String(value.to).trim() };
  }
}

@Injectable()
@UseGuards(ClassGuard)
class Mailer {
  constructor(private readonly book: Book) {}

  @Worker('mail', { retries: { max: 2, strategy: 'fixed', baseDelay: 0 } })
  @UseGuards(MethodGuard)
  @UseInterceptors(Around)
  @UsePipes(Trim)
  send(mail: { to: string }, ctx: JobContext): string {
    this.book.lines.push(`method ${mail.to} ${ctx.name}`);
    return mail.to;
  }
}

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const app = (...providers: Type[]) => ({ imports: [OqronModule.forRoot({})], providers: [Book, ...providers] });

/** A worker of the queue `x` whose method does what is asked for. */
function worker(run: (ctx: JobContext) => unknown, ...decorators: (ClassDecorator & MethodDecorator)[]): Type {
  @Injectable()
  class Some {
    @Worker('x', { retries: { max: 2, strategy: 'fixed', baseDelay: '1s' } })
    run(_data: unknown, ctx: JobContext): unknown {
      return run(ctx);
    }
  }
  for (const decorate of decorators) decorate(Some);
  return Some;
}

/** What became of a job of the queue `x`. */
async function outcome(run: (ctx: JobContext) => unknown, ...decorators: (ClassDecorator & MethodDecorator)[]) {
  const nest = await world.start(app(worker(run, ...decorators)));
  return jobAfter(world, nest, 'x', { n: 1 });
}

describe('enhancers on a handler', () => {
  it('run as in HTTP: guards of class and method, interceptors, pipes, method, and back; with what they inject', async () => {
    const nest = await world.start(app(Mailer));
    const job = await jobAfter(world, nest, 'mail', { to: ' ada ' });
    expect(job).toMatchObject({ status: 'completed', returnValue: '[ada]', data: { to: ' ada ' } });
    expect(nest.get(Book).lines).toEqual([
      'class guard oqron Mailer.send',
      'method guard',
      'before mail 1 false false',
      'pipe',
      'method ada default',
      'after',
    ]);
  });

  it('a guard that refuses fails the job at once, with its own name in the error', async () => {
    const nest = await world.start(app(Mailer));
    expect(await jobAfter(world, nest, 'mail', { to: 'ada', deny: true })).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { name: 'ForbiddenException', message: 'Forbidden resource: MethodGuard refused Mailer.send' },
    });
    expect(nest.get(Book).lines).toEqual(['class guard oqron Mailer.send', 'method guard']);
  });

  it('a guard may throw an error of its own', async () => {
    class Locked implements CanActivate {
      canActivate(): Promise<boolean> {
        return Promise.reject(new UnauthorizedException('no token'));
      }
    }
    expect(await outcome(() => 1, UseGuards(Locked))).toMatchObject({
      status: 'failed',
      error: { message: 'no token' },
    });
  });

  it('can be overridden in tests', async () => {
    const nest = await world.start(app(Mailer), {}, (builder) =>
      builder.overrideGuard(MethodGuard).useValue({ canActivate: () => true }),
    );
    expect(await jobAfter(world, nest, 'mail', { to: 'ada', deny: true })).toMatchObject({ returnValue: '[ada]' });
    expect(nest.get(Book).lines).not.toContain('method guard');
  });

  it('work on controllers, with the dependencies of their module', async () => {
    @Controller('c')
    @UseGuards(ClassGuard)
    class Both {
      @Worker('both')
      run(): string {
        return 'ran';
      }
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      controllers: [Both],
      providers: [Book],
    });
    expect(await jobAfter(world, nest, 'both', {})).toMatchObject({ returnValue: 'ran' });
    expect(nest.get(Book).lines).toEqual(['class guard oqron Both.run']);
  });

  it.each([
    ['singleton', Scope.DEFAULT],
    ['transient', Scope.TRANSIENT],
    ['request-scoped', Scope.REQUEST],
  ])('a %s guard has what it injects', async (_title, scope) => {
    const made: unknown[] = [];
    @Injectable({ scope })
    class Guard implements CanActivate {
      constructor(private readonly book: Book) {
        made.push(this);
      }

      canActivate(): boolean {
        this.book.lines.push('guard');
        return true;
      }
    }
    const nest = await world.start(app(worker(() => 1, UseGuards(Guard))));
    await jobAfter(world, nest, 'x', {});
    const before = made.length;
    await jobAfter(world, nest, 'x', {});
    expect(nest.get(Book).lines).toEqual(['guard', 'guard']);
    expect(made).toHaveLength(scope === Scope.REQUEST ? before + 1 : before);
  });

  it('take their dependencies from the module of the handler, where two modules provide one class', async () => {
    @Injectable()
    class Named implements CanActivate {
      constructor(private readonly book: Book) {}

      canActivate(): boolean {
        this.book.lines.push('called');
        return true;
      }
    }
    abstract class Base {
      run(): string {
        return 'ran';
      }
    }
    @Injectable()
    @UseGuards(Named)
    class A extends Base {
      @Worker('a')
      override run(): string {
        return 'a';
      }
    }
    @Injectable()
    @UseGuards(Named)
    class B extends Base {
      @Worker('b')
      override run(): string {
        return 'b';
      }
    }
    @Module({ providers: [A, Book], exports: [Book] })
    class ModuleA {}
    @Module({ providers: [B, Book] })
    class ModuleB {}
    const nest = await world.start({ imports: [ModuleA, ModuleB, OqronModule.forRoot({})] });
    await jobAfter(world, nest, 'b', {});
    expect(nest.select(ModuleB).get(Book, { strict: true }).lines).toEqual(['called']);
    expect(nest.select(ModuleA).get(Book, { strict: true }).lines).toEqual([]);
  });

  it('an interceptor may answer an observable of its own, and what it sets up reaches the handler', async () => {
    const storage = new AsyncLocalStorage<string>();
    class WithStore implements NestInterceptor {
      intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
        return storage.run('tenant 7', () => next.handle());
      }
    }
    class Cached implements NestInterceptor {
      intercept(): Observable<unknown> {
        return of('cached');
      }
    }
    const seen = await outcome(async () => Promise.resolve(storage.getStore()), UseInterceptors(WithStore));
    expect(seen.returnValue).toBe('tenant 7');
    await world.end();
    expect((await outcome(() => 'real', UseInterceptors(Cached))).returnValue).toBe('cached');
  });

  it('cost nothing where there are none: the method is called as it is', async () => {
    const nest = await world.start(
      app(
        Mailer,
        worker(() => 'value'),
      ),
    );
    const wrappers = nest.get(DiscoveryService, { strict: false }).getProviders();
    const invoker = nest.get(OqronInvoker, { strict: false });
    const handlerOf = (name: string, method: string) =>
      invoker.handler(wrappers.find((wrapper) => wrapper.name === name) as (typeof wrappers)[number], method);
    const ctx = { data: { to: 'ada' } } as JobContext;
    expect(handlerOf('Some', 'run')(ctx)).toBe('value');
    const wrapped = handlerOf('Mailer', 'send')(ctx) as Promise<unknown>;
    expect(wrapped).toBeInstanceOf(Promise);
    // It is no context of a job that runs.
    expect(await failureOf(wrapped)).toMatchObject({ code: 'NO_JOB' });
  });
});

describe('a filter on a handler', () => {
  function filter(
    answer: (thrown: unknown, host: ArgumentsHost) => unknown,
    ...types: Type[]
  ): ClassDecorator & MethodDecorator {
    @Catch(...types)
    class Some implements ExceptionFilter {
      catch(thrown: unknown, host: ArgumentsHost): unknown {
        return answer(thrown, host);
      }
    }
    return UseFilters(Some);
  }
  const boom = () => {
    throw new Error('boom');
  };

  it('makes what it answers the result of the job', async () => {
    const types: string[] = [];
    const handled = filter((thrown, host) => {
      types.push(host.getType());
      return `handled ${(thrown as Error).message} of ${OqronExecutionContext.create(host).getQueue()}`;
    });
    expect(await outcome(boom, handled)).toMatchObject({ status: 'completed', returnValue: 'handled boom of x' });
    expect(types).toEqual(['oqron']);
  });

  it.each([
    ['at once', () => undefined],
    ['later', () => Promise.resolve(undefined)],
  ])('that answers nothing (%s) has only looked at the error: the attempt fails with it', async (_title, answer) => {
    const seen: unknown[] = [];
    const looking = filter((thrown) => {
      seen.push((thrown as Error).message);
      return answer();
    });
    expect(await outcome(boom, looking)).toMatchObject({ status: 'delayed', error: { message: 'boom' } });
    expect(seen).toEqual(['boom']);
    // The engine has one line about it; Nest's own would be a second.
    expect(world.logger.lines.filter((line) => line.includes('boom'))).toHaveLength(1);
  });

  it('may throw another error, and catches only its types', async () => {
    class Known extends Error {}
    const mapped = filter((thrown) => {
      throw new NonRetryableError(`mapped ${(thrown as Error).message}`);
    }, Known);
    const known = await outcome(() => {
      throw new Known('k');
    }, mapped);
    expect(known).toMatchObject({ status: 'failed', attemptMade: 1, error: { message: 'mapped k' } });
    await world.end();
    expect(await outcome(boom, mapped)).toMatchObject({ status: 'delayed', error: { message: 'boom' } });
  });

  it('sees what guards and pipes throw', async () => {
    class No implements CanActivate {
      canActivate = () => false;
    }
    expect(
      await outcome(
        () => 1,
        UseGuards(No),
        filter(() => 'not allowed, not needed'),
      ),
    ).toMatchObject({
      status: 'completed',
      returnValue: 'not allowed, not needed',
    });
  });

  it('is not asked when the handler hands the job back', async () => {
    const release = () => {
      throw new ReleaseError('1m');
    };
    expect(
      await outcome(
        release,
        filter(() => 'swallowed'),
      ),
    ).toMatchObject({ status: 'delayed', attemptMade: 0 });
  });

  it('is not asked when the job was told to stop: an interruption is no result', async () => {
    const waiting = (ctx: JobContext) =>
      new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)));
    const type = worker(
      waiting,
      filter(() => 'swallowed'),
    );
    const nest = await world.start({
      imports: [OqronModule.forRoot({ shutdown: { timeout: '1s' } })],
      providers: [type],
    });
    const ended: string[] = [];
    const engine = nest.get(OqronEngine);
    engine.on('job:success', () => ended.push('success'));
    engine.on('job:released', ({ reason }) => ended.push(reason));
    await engine.producer('x').add({});
    await world.clock.settle();
    await world.close(nest);
    expect(ended).toEqual(['shutdown']);
  });
});

describe('an HttpException', () => {
  const thrown = (status: number) => () => {
    throw new HttpException(`status ${status}`, status);
  };

  it.each([400, 401, 403, 404, 409, 410, 422, 451])('with status %i fails the job at once', async (status) => {
    expect(await outcome(thrown(status))).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { message: `status ${status}` },
    });
  });

  it.each([408, 425, 429, 500, 502, 503])('with status %i is retried as usual', async (status) => {
    expect(await outcome(thrown(status))).toMatchObject({ status: 'delayed', attemptMade: 1 });
  });

  it('is one wherever it comes from: a promise, a hook, a handler with enhancers', async () => {
    const later = await outcome(() => Promise.reject(new BadRequestException('later')));
    expect(later).toMatchObject({ status: 'failed', attemptMade: 1 });
    await world.end();
    const wrapped = await outcome(() => Promise.reject(new BadRequestException('wrapped')), UseInterceptors(Around));
    expect(wrapped).toMatchObject({ status: 'failed', attemptMade: 1, error: { message: 'wrapped' } });
    await world.end();
    @Injectable()
    class Hooked {
      @Worker('x', {
        hooks: {
          beforeRun: () => {
            throw new BadRequestException('hook');
          },
        },
      })
      run(): void {}
    }
    const nest = await world.start(app(Hooked));
    expect(await jobAfter(world, nest, 'x', {})).toMatchObject({ status: 'failed', error: { message: 'hook' } });
  });

  it('is itself in hooks, and readable in the record', async () => {
    const failed: unknown[] = [];
    @Injectable()
    class Hooked {
      @Worker('x', { hooks: { onFail: (_job, error) => failed.push(error) } })
      run(): void {
        throw new BadRequestException(['a is too short', 'b is missing']);
      }
    }
    const nest = await world.start(app(Hooked));
    const job = await jobAfter(world, nest, 'x', {});
    expect(job.error).toMatchObject({
      name: 'BadRequestException',
      message: 'Bad Request: a is too short; b is missing',
    });
    expect(failed).toEqual([expect.any(BadRequestException)]);
  });

  it.each([
    [
      'errors of class-validator',
      [{ property: 'to', value: 'secret', constraints: { isEmail: 'to is no address' } }],
      'Bad Request: to is no address',
    ],
    ['other reasons', [{ code: 7 }, null], 'Bad Request: {"code":7}; null'],
    ['an object of its own', { code: 'E7' }, '{"code":"E7"}'],
    ['a text', 'no such thing', 'no such thing'],
  ])('says what its response says: %s', async (_title, response, message) => {
    const job = await outcome(() => Promise.reject(new BadRequestException(response)));
    expect(job.error?.message).toBe(message);
  });
});

describe('enhancers on a listener', () => {
  it('run for its events, and know that there is no job', async () => {
    const seen: unknown[] = [];
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const event = OqronExecutionContext.create(context);
        let problem: unknown;
        try {
          event.getJob();
        } catch (error) {
          problem = (error as { code: string }).code;
        }
        seen.push([isOqronContext(context), event.isEvent(), event.getQueue(), problem]);
        return event.getPayload<{ name: string }>().name !== 'deny';
      }
    }
    @Injectable()
    class Listener {
      @OnJob('success')
      @UseGuards(Guard)
      done(event: { name: string }): void {
        seen.push(event.name);
      }
    }
    const nest = await world.start(
      app(
        Listener,
        worker(() => 1),
      ),
    );
    await jobAfter(world, nest, 'x', {}, { name: 'allow' });
    expect(await jobAfter(world, nest, 'x', {}, { name: 'deny' })).toMatchObject({ status: 'completed' });
    expect(seen).toEqual([[true, true, 'x', 'NO_JOB'], 'allow', [true, true, 'x', 'NO_JOB']]);
    expect(world.logger.lines.filter((line) => line.includes('Guard refused Listener.done'))).toHaveLength(1);
  });
});

describe('OqronExecutionContext', () => {
  it('refuses the context of a request', async () => {
    const http = { getType: () => 'http', getArgByIndex: () => undefined } as unknown as ArgumentsHost;
    expect(isOqronContext(http)).toBe(false);
    const problem = await failureOf(Promise.resolve().then(() => OqronExecutionContext.create(http)));
    expect(problem.message).toMatch(/of type "http". Ask isOqronContext/);
  });
});

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Inject,
  Injectable,
  Module,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, ExternalContextCreator } from '@nestjs/core';
import { IsEmail } from 'class-validator';
import type { JobContext } from 'oqronkit';
import { isOqronContext, JOB_REF, OnJob, OqronModule, Worker, type OqronModuleOptions } from 'oqronkit/nestjs';
import { map, type Observable } from 'rxjs';
import { jobAfter } from '../support/nest-jobs.js';
import { NestWorld } from '../support/nest-world.js';

const seen: string[] = [];

/** What an application puts around its HTTP handlers. */
class HttpGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    seen.push(`guard ${context.getType()}`);
    // As a guard that looks for a token and finds none.
    return isOqronContext(context) && context.getClass().name !== 'Refused';
  }
}
class HttpInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    seen.push('interceptor');
    return next.handle().pipe(map((value) => ({ wrapped: value })));
  }
}
class HttpPipe implements PipeTransform {
  transform(value: unknown): unknown {
    seen.push('pipe');
    return value;
  }
}
@Catch()
class HttpFilter implements ExceptionFilter {
  catch(): unknown {
    seen.push('filter');
    return 'handled';
  }
}

@Injectable()
class Plain {
  @Worker('plain')
  run(data: { fail?: boolean }): string {
    if (data.fail) throw new Error('boom');
    return 'ran';
  }

  @OnJob('success')
  heard(): void {
    seen.push('heard');
  }
}

@Injectable()
class Refused {
  @Worker('refused')
  run(): string {
    return 'ran';
  }
}

const GLOBAL: Provider[] = [
  { provide: APP_GUARD, useClass: HttpGuard },
  { provide: APP_INTERCEPTOR, useClass: HttpInterceptor },
  { provide: APP_PIPE, useClass: HttpPipe },
  { provide: APP_FILTER, useClass: HttpFilter },
];

let world: NestWorld;
beforeEach(() => {
  seen.length = 0;
  world = new NestWorld();
});
afterEach(() => world.end());

const start = (options: OqronModuleOptions, ...providers: Provider[]) =>
  world.start({ imports: [OqronModule.forRoot(options)], providers: [Plain, Refused, ...providers] });

describe('global enhancers', () => {
  it('do not touch jobs: what is written for requests would refuse them for ever', async () => {
    const nest = await start({}, ...GLOBAL);
    expect(await jobAfter(world, nest, 'refused', {})).toMatchObject({ status: 'completed', returnValue: 'ran' });
    expect(await jobAfter(world, nest, 'plain', { fail: true })).toMatchObject({ error: { message: 'boom' } });
    expect(seen).toEqual(['heard']);
  });

  it('do not touch jobs whose handlers have enhancers of their own either', async () => {
    @Injectable()
    class Guarded {
      @Worker('guarded')
      @UseGuards({ canActivate: () => true })
      @UsePipes({ transform: (value: unknown) => value })
      @UseInterceptors({ intercept: (_context: unknown, next: CallHandler) => next.handle() })
      @UseFilters({ catch: () => undefined })
      run(): string {
        return 'ran';
      }
    }
    const nest = await start({}, Guarded, ...GLOBAL);
    expect((await jobAfter(world, nest, 'guarded', {})).returnValue).toBe('ran');
    expect(seen).toEqual(['heard']);
  });

  it('do not touch them when they were set on the application', async () => {
    const module = await world.compile({ imports: [OqronModule.forRoot({})], providers: [Refused] });
    const http = module.createNestApplication({ logger: false });
    http.useGlobalGuards(new HttpGuard());
    await http.init();
    expect(await jobAfter(world, http, 'refused', {})).toMatchObject({ returnValue: 'ran' });
    expect(seen).toEqual([]);
    await http.close();
  });

  it('run with `enhancers: { global: true }`, for listeners too', async () => {
    const nest = await start({ enhancers: { global: true } }, ...GLOBAL);
    expect((await jobAfter(world, nest, 'plain', {})).returnValue).toEqual({ wrapped: 'ran' });
    // Two parameters of the handler, one of the listener.
    expect(seen).toEqual(['guard oqron', 'interceptor', 'pipe', 'pipe', 'guard oqron', 'interceptor', 'pipe', 'heard']);
    seen.length = 0;
    expect((await jobAfter(world, nest, 'refused', {})).returnValue).toBe('handled');
    expect(seen).toContain('filter');
  });

  it('on the application run with it too', async () => {
    const module = await world.compile({
      imports: [OqronModule.forRoot({ enhancers: { global: true } })],
      providers: [Refused],
    });
    const http = module.createNestApplication({ logger: false });
    http.useGlobalGuards(new HttpGuard());
    await http.init();
    expect(await jobAfter(world, http, 'refused', {})).toMatchObject({
      status: 'failed',
      error: { message: 'Forbidden resource: HttpGuard refused Refused.run' },
    });
    await http.close();
  });

  it('a global ValidationPipe validates the payloads of plain handlers then', async () => {
    class Mail {
      @IsEmail()
      to!: string;
    }
    @Injectable()
    class Mailer {
      @Worker('mail')
      run(mail: Mail, ctx: JobContext): string {
        return `${mail.to} ${mail instanceof Mail} ${ctx.id.length > 0}`;
      }
    }
    const pipe = { provide: APP_PIPE, useValue: new ValidationPipe({ transform: true }) };
    const nest = await start({ enhancers: { global: true } }, Mailer, pipe);
    expect((await jobAfter(world, nest, 'mail', { to: 'ada@example.com' })).returnValue).toBe(
      'ada@example.com true true',
    );
    expect(await jobAfter(world, nest, 'mail', { to: 'ada' })).toMatchObject({
      status: 'failed',
      attemptMade: 1,
      error: { message: 'Bad Request: to must be an email' },
    });
  });

  it('that are request-scoped are made for each job, with what they inject', async () => {
    let made = 0;
    @Injectable()
    class Helper {
      readonly name = 'helper';
    }
    @Injectable()
    class ScopedGuard implements CanActivate {
      constructor(
        private readonly helper: Helper,
        @Inject(JOB_REF) private readonly job: JobContext<{ n: number }>,
      ) {
        made += 1;
      }

      canActivate(): boolean {
        seen.push(`${this.helper.name} ${this.job.data.n}`);
        return this.job.data.n !== 2;
      }
    }
    @Module({ providers: [Helper, { provide: APP_GUARD, useClass: ScopedGuard, scope: Scope.REQUEST }] })
    class Auth {}
    const nest = await world.start({
      imports: [Auth, OqronModule.forRoot({ enhancers: { global: true } })],
      providers: [Refused],
    });
    expect((await jobAfter(world, nest, 'refused', { n: 1 })).status).toBe('completed');
    expect((await jobAfter(world, nest, 'refused', { n: 2 })).status).toBe('failed');
    expect(seen).toEqual(['helper 1', 'helper 2']);
    expect(made).toBe(2);
  });
});

describe('the option `enhancers`', () => {
  const guards = () => seen.push('guard') > 0;
  @Injectable()
  @UseGuards({ canActivate: guards })
  @UsePipes({ transform: (value: unknown) => (seen.push('pipe'), value) })
  @UseInterceptors({ intercept: (_context: unknown, next: CallHandler) => (seen.push('interceptor'), next.handle()) })
  @UseFilters({ catch: () => (seen.push('filter'), 'handled') })
  class Full {
    @Worker('full')
    run(_data: unknown): string {
      throw new Error('boom');
    }
  }

  it.each<[OqronModuleOptions['enhancers'], string[]]>([
    [undefined, ['guard', 'interceptor', 'pipe', 'filter']],
    [true, ['guard', 'interceptor', 'pipe', 'filter']],
    [false, ['pipe']],
    [{ guards: false }, ['interceptor', 'pipe', 'filter']],
    [{ interceptors: false }, ['guard', 'pipe', 'filter']],
    [{ filters: false }, ['guard', 'interceptor', 'pipe']],
  ])('%j', async (enhancers, expected) => {
    const nest = await world.start({
      imports: [OqronModule.forRoot(enhancers === undefined ? {} : { enhancers })],
      providers: [Full],
    });
    await jobAfter(world, nest, 'full', {});
    expect([...new Set(seen)]).toEqual(expected);
  });
});

describe('a version of Nest that keeps its enhancers in another way', () => {
  it('stops the start instead of letting global guards eat jobs', async () => {
    const module = await failing();
    expect(module).toMatch(/keeps its enhancers in another way \(guardsContextCreator\): update oqronkit/);
  });

  async function failing(): Promise<string> {
    const other = Object.create(ExternalContextCreator.prototype) as object;
    const source = { getGlobalMetadata: () => [] };
    Object.assign(other, {
      interceptorsContextCreator: source,
      pipesContextCreator: source,
      filtersContextCreator: source,
    });
    const { OqronInvoker } = await import('../../lib/nestjs/invocation/oqron.invoker.js');
    try {
      return String(new OqronInvoker(other as ExternalContextCreator, {}));
    } catch (error) {
      return (error as Error).message;
    }
  }
});

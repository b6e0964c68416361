import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  Module,
  Scope,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import { ContextIdFactory, type ContextId, type ContextIdStrategy, type HostComponentInfo } from '@nestjs/core';
import { JobContext, OqronEngine } from 'oqronkit';
import { Ctx, Handler, InjectQueue, JOB_REF, OnJob, OqronModule, Payload, Worker } from 'oqronkit/nestjs';
import type { Observable } from 'rxjs';
import { jobAfter } from '../support/nest-jobs.js';
import { NestWorld } from '../support/nest-world.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const start = (...providers: Provider[]) => world.start({ imports: [OqronModule.forRoot({})], providers });

interface Ask {
  readonly n: number;
}

/** Knows the job that it was made for. */
@Injectable({ scope: Scope.REQUEST })
class PerJob {
  static made = 0;
  readonly number = (PerJob.made += 1);

  constructor(@Inject(JOB_REF) readonly job: JobContext<Ask>) {}
}

beforeEach(() => {
  PerJob.made = 0;
});

describe('a handler that needs something request-scoped', () => {
  it('is made for each job, with the job as JOB_REF', async () => {
    const hosts = new Set<unknown>();
    @Injectable()
    class Host {
      constructor(readonly own: PerJob) {}

      @Worker('x')
      run(ask: Ask, ctx: JobContext<Ask>): unknown {
        hosts.add(this);
        return [ask.n, this.own.job === ctx, this.own.job.data.n, this.own.number];
      }
    }
    const nest = await start(Host, PerJob);
    expect((await jobAfter(world, nest, 'x', { n: 1 })).returnValue).toEqual([1, true, 1, 1]);
    expect((await jobAfter(world, nest, 'x', { n: 2 })).returnValue).toEqual([2, true, 2, 2]);
    expect(hosts.size).toBe(2);
  });

  it('has its enhancers and parameters, which may be scoped as well', async () => {
    const lines: unknown[] = [];
    @Injectable()
    class Guard implements CanActivate {
      constructor(private readonly own: PerJob) {}

      canActivate(): boolean {
        lines.push(['guard', this.own.job.data.n]);
        return this.own.job.data.n !== 13;
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Pipe implements PipeTransform {
      constructor(private readonly own: PerJob) {}

      transform(value: number): number {
        return value * 10 + this.own.number;
      }
    }
    @Injectable()
    class Interceptor implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        lines.push(['interceptor', context.getClass().name]);
        return next.handle();
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    @UseGuards(Guard)
    class Host {
      constructor(private readonly own: PerJob) {}

      @Worker('x')
      @UseInterceptors(Interceptor)
      run(@Payload('n', Pipe) n: number, @Ctx() ctx: JobContext): unknown {
        return [n, this.own.number, ctx.attempt];
      }
    }
    const nest = await start(Host, PerJob);
    // One PerJob for host, guard and pipe of a job.
    expect((await jobAfter(world, nest, 'x', { n: 4 })).returnValue).toEqual([41, 1, 1]);
    expect((await jobAfter(world, nest, 'x', { n: 5 })).returnValue).toEqual([52, 2, 1]);
    expect(await jobAfter(world, nest, 'x', { n: 13 })).toMatchObject({ status: 'failed', attemptMade: 1 });
    expect(lines.slice(0, 2)).toEqual([
      ['guard', 4],
      ['interceptor', 'Host'],
    ]);
  });

  it('is made anew for each attempt, and a failure to make it is a failed attempt', async () => {
    let tries = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Shaky {
      constructor() {
        tries += 1;
        if (tries === 1) throw new Error('no connection');
      }
    }
    @Injectable()
    class Host {
      constructor(readonly shaky: Shaky) {}

      @Worker('x', { retries: { max: 1, strategy: 'fixed', baseDelay: '1s' } })
      run(): string {
        return 'ran';
      }
    }
    const nest = await start(Host, Shaky);
    const failed = await jobAfter(world, nest, 'x', {});
    expect(failed).toMatchObject({ status: 'delayed', error: { message: 'no connection' } });
    await world.clock.advance('1s');
    expect(await nest.get(OqronEngine).producer('x').getJob(failed.id)).toMatchObject({
      status: 'completed',
      returnValue: 'ran',
      attemptMade: 2,
    });
  });

  it('may be a class with @Handler methods, a controller, or transient', async () => {
    @Injectable({ scope: Scope.REQUEST })
    @Worker('named')
    class Named {
      constructor(private readonly own: PerJob) {}

      @Handler('a')
      a(): number {
        return this.own.number;
      }
    }
    @Controller('c')
    class Routes {
      constructor(private readonly own: PerJob) {}

      @Worker('routes')
      run(): number {
        return this.own.number;
      }
    }
    let transients = 0;
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      readonly number = (transients += 1);

      @Worker('transient')
      run(): number {
        return this.number;
      }
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      controllers: [Routes],
      providers: [Named, PerJob, Transient],
    });
    expect((await jobAfter(world, nest, 'named', {}, { name: 'a' })).returnValue).toBe(1);
    expect((await jobAfter(world, nest, 'routes', {})).returnValue).toBe(2);
    const first = (await jobAfter(world, nest, 'transient', {})).returnValue as number;
    expect((await jobAfter(world, nest, 'transient', {})).returnValue).toBe(first + 1);
  });

  it('comes from its own module where two have it under one token', async () => {
    abstract class Base {
      constructor(
        @Inject('NAME') private readonly name: string,
        private readonly own: PerJob,
      ) {}

      protected told(): unknown {
        return [this.constructor.name, this.name, this.own.job.data.n];
      }
    }
    @Injectable()
    class OfA extends Base {
      @Worker('a')
      run(): unknown {
        return this.told();
      }
    }
    @Injectable()
    class OfB extends Base {
      @Worker('b')
      run(): unknown {
        return this.told();
      }
    }
    const name = (value: string) => ({ provide: 'NAME', useValue: value });
    @Module({ providers: [PerJob, name('a'), { provide: 'HOST', useClass: OfA }] })
    class A {}
    @Module({ providers: [PerJob, name('b'), { provide: 'HOST', useClass: OfB }] })
    class B {}
    const nest = await world.start({ imports: [A, B, OqronModule.forRoot({})] });
    expect((await jobAfter(world, nest, 'a', { n: 1 })).returnValue).toEqual(['OfA', 'a', 1]);
    expect((await jobAfter(world, nest, 'b', { n: 2 })).returnValue).toEqual(['OfB', 'b', 2]);
  });

  it('may add jobs: queues are injected as ever', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Host {
      constructor(
        @InjectQueue('y') private readonly next: { add(data: unknown): Promise<unknown> },
        private readonly own: PerJob,
      ) {}

      @Worker('x')
      async run(): Promise<void> {
        await this.next.add({ n: this.own.job.data.n + 1 });
      }

      @Worker('y')
      last({ n }: Ask): void {
        ended.push(n);
      }
    }
    const ended: number[] = [];
    const nest = await start(Host, PerJob);
    await jobAfter(world, nest, 'x', { n: 1 });
    await world.clock.settle();
    expect(ended).toEqual([2]);
  });
});

describe('a listener that needs something request-scoped', () => {
  it('is made for each event, with the event as JOB_REF', async () => {
    const heard: unknown[] = [];
    @Injectable({ scope: Scope.REQUEST })
    class Listener {
      constructor(@Inject(JOB_REF) private readonly event: { id: string }) {}

      @OnJob('success')
      done(@Payload('id') id: string): void {
        heard.push([id, this.event.id === id]);
      }
    }
    @Injectable()
    class Plain {
      @Worker('x')
      run(): void {}
    }
    const nest = await start(Listener, Plain);
    const { id } = await jobAfter(world, nest, 'x', {});
    await world.clock.settle();
    expect(heard).toEqual([[id, true]]);
  });
});

describe('durable providers', () => {
  interface TenantJob {
    readonly tenant: string;
  }

  /** A context per tenant, for what is durable. */
  class ByTenant implements ContextIdStrategy {
    readonly tenants = new Map<string, ContextId>();

    attach(contextId: ContextId, request: unknown) {
      const tenant = request instanceof JobContext ? (request.data as TenantJob).tenant : undefined;
      if (tenant === undefined) return () => contextId;
      const shared = this.tenants.get(tenant) ?? ContextIdFactory.create();
      this.tenants.set(tenant, shared);
      return {
        resolve: (info: HostComponentInfo) => (info.isTreeDurable ? shared : contextId),
        payload: { tenant },
      };
    }
  }

  @Injectable({ scope: Scope.REQUEST, durable: true })
  class TenantDb {
    static made = 0;
    readonly number = (TenantDb.made += 1);

    constructor(@Inject(JOB_REF) readonly request: TenantJob) {}
  }

  beforeEach(() => {
    TenantDb.made = 0;
    ContextIdFactory.apply(new ByTenant());
  });
  afterEach(() => ContextIdFactory.apply(undefined as unknown as ContextIdStrategy));

  it('are made once for each tenant, and get what the strategy says of it', async () => {
    const hosts = new Set<unknown>();
    @Injectable()
    class Host {
      constructor(private readonly db: TenantDb) {}

      @Worker('x')
      run(): unknown {
        hosts.add(this);
        return [this.db.number, this.db.request];
      }
    }
    const nest = await start(Host, TenantDb);
    const answers: unknown[] = [];
    for (const tenant of ['a', 'a', 'b', 'a']) answers.push((await jobAfter(world, nest, 'x', { tenant })).returnValue);
    expect(answers).toEqual([
      [1, { tenant: 'a' }],
      [1, { tenant: 'a' }],
      [2, { tenant: 'b' }],
      [1, { tenant: 'a' }],
    ]);
    expect(hosts.size).toBe(2);
  });

  it('stand beside what is made for each job', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Own {
      constructor(@Inject(JOB_REF) readonly job: JobContext<TenantJob>) {}
    }
    const requests = new Set<unknown>();
    @Injectable()
    class Host {
      constructor(
        private readonly db: TenantDb,
        private readonly own: Own,
      ) {}

      @Worker('x')
      run(_data: unknown, ctx: JobContext): unknown {
        requests.add(this.db.request);
        return [this.db.number, this.own.job === ctx];
      }
    }
    const nest = await start(Host, Own, TenantDb);
    const answers: unknown[] = [];
    for (const tenant of ['a', 'a', 'b']) answers.push((await jobAfter(world, nest, 'x', { tenant })).returnValue);
    expect(answers).toEqual([
      [1, true],
      [1, true],
      [2, true],
    ]);
    // Whatever tells it of its tenant must not be a job: it outlives that.
    expect([...requests].map((request) => request instanceof JobContext)).toEqual([false, false]);
    expect([...requests]).toEqual([{ tenant: 'a' }, { tenant: 'b' }]);
  });
});

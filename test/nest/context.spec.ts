import {
  Body,
  Controller,
  Injectable,
  Module,
  Post,
  Scope,
  type INestApplication,
  type MiddlewareConsumer,
  type NestModule,
  type Type,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defineQueue,
  OqronContext,
  OqronEngine,
  type JobContext,
  type OqronInstrumentation,
  type RunningJob,
} from 'oqronkit';
import {
  correlationMiddleware,
  InjectQueue,
  Instrumentation,
  OqronCorrelationMiddleware,
  OqronModule,
  Queue,
  type QueueOf,
} from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';
import { failureOf, until } from '../support/until.js';

const Orders = defineQueue<{ left: number }>('orders');

/** What the handlers saw. */
let seen: { correlationId: string | undefined; current: boolean }[] = [];
beforeEach(() => {
  seen = [];
});

@Injectable()
class Handlers {
  constructor(@InjectQueue(Orders) private readonly orders: QueueOf<typeof Orders>) {}

  @Queue(Orders)
  async order({ left }: { left: number }, ctx: JobContext<{ left: number }>): Promise<void> {
    seen.push({ correlationId: ctx.correlationId, current: OqronContext.current() === ctx });
    await Promise.resolve();
    if (left > 1) await this.orders.add({ left: left - 1 });
    else if (left > 0) await ctx.spawnChild(Orders, { left: left - 1 });
  }
}

@Controller()
class Api {
  constructor(@InjectQueue(Orders) private readonly orders: QueueOf<typeof Orders>) {}

  @Post('orders')
  async add(@Body() body: { left: number }): Promise<{ id: string | undefined }> {
    await Promise.resolve();
    return { id: (await this.orders.add({ left: body.left })).correlationId };
  }
}

@Module({ controllers: [Api], providers: [Handlers], imports: [OqronModule.forRoot({ logger: false })] })
class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(OqronCorrelationMiddleware).forRoutes('{*path}');
  }
}

describe.each(['Express', 'Fastify'])('OqronCorrelationMiddleware on %s', (platform) => {
  let app: INestApplication;
  beforeEach(async () => {
    const compiled: TestingModule = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app =
      platform === 'Express'
        ? compiled.createNestApplication({ logger: false })
        : compiled.createNestApplication(new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
  });
  afterEach(() => app.close());

  async function post(headers: Record<string, string>): Promise<{ id: string; header: string | null }> {
    const answer = await fetch(`${await app.getUrl()}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ left: 2 }),
    });
    const { id } = (await answer.json()) as { id: string };
    return { id, header: answer.headers.get('x-correlation-id') };
  }

  it('carries the id of the request through add to the handler, and to the jobs which that adds', async () => {
    expect(await post({ 'x-correlation-id': 'req-7' })).toEqual({ id: 'req-7', header: 'req-7' });
    await until('the last job', () => seen.length === 3);
    expect(seen).toEqual([1, 2, 3].map(() => ({ correlationId: 'req-7', current: true })));
  });

  it('takes x-request-id too, and makes an id of its own in place of one that is not safe', async () => {
    expect((await post({ 'x-request-id': 'r1' })).id).toBe('r1');
    for (const bad of ['<script>', 'a b', 'x'.repeat(129)]) {
      const { id, header } = await post({ 'x-correlation-id': bad });
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(header).toBe(id);
    }
    const [one, two] = await Promise.all([post({}), post({})]);
    expect(one.id).not.toBe(two.id);
  });
});

it('correlationMiddleware reads other headers, and answers with another or none', () => {
  const sent: [string, string][] = [];
  const res = { setHeader: (name: string, value: string) => void sent.push([name, value]) };
  const ids: unknown[] = [];
  const next = (): void => void ids.push(OqronContext.correlationId());
  const options = { headers: ['X-Trace'], respondWith: 'x-trace', newId: () => 'new' };
  correlationMiddleware(options)({ headers: { 'x-trace': 'one' } }, res, next);
  correlationMiddleware({ ...options, respondWith: false })({ headers: { 'x-correlation-id': 'two' } }, res, next);
  expect(ids).toEqual(['one', 'new']);
  expect(sent).toEqual([['x-trace', 'one']]);
});

describe('@Instrumentation', () => {
  let world: NestWorld;
  beforeEach(() => {
    world = new NestWorld();
  });
  afterEach(() => world.end());

  @Injectable()
  class Journal {
    readonly lines: string[] = [];
  }

  @Instrumentation()
  class Watch implements OqronInstrumentation {
    constructor(private readonly journal: Journal) {}

    wrap(job: RunningJob, next: () => Promise<unknown>): Promise<unknown> {
      this.journal.lines.push(`run ${job.queueName}`);
      return next();
    }
  }

  @Instrumentation()
  class Headers implements OqronInstrumentation {
    readonly onEnqueue: OqronInstrumentation['onEnqueue'] = (job) => {
      job.headers['by'] = 'headers';
    };
  }

  @Injectable()
  class Early {
    constructor(@InjectQueue(Orders) private readonly orders: QueueOf<typeof Orders>) {}

    async onModuleInit(): Promise<void> {
      await this.orders.add({ left: 0 });
    }
  }

  @Injectable()
  class Reader {
    readonly headers: unknown[] = [];

    @Queue(Orders)
    read(_order: object, ctx: JobContext): void {
      this.headers.push(ctx.headers);
    }
  }

  const metadata = { imports: [OqronModule.forRoot()], providers: [Early, Reader, Journal, Watch, Headers] };

  it('gives providers to the engine, with what they inject, before the first job is added', async () => {
    const app = await world.start(metadata);
    await world.clock.advance('1s');
    expect(app.get(Reader).headers).toEqual([{ by: 'headers' }]);
    expect(app.get(Journal).lines).toEqual(['run orders']);
  });

  it('can be overridden like any provider', async () => {
    const lines: string[] = [];
    const fake: OqronInstrumentation = { wrap: (job, next) => (lines.push(`fake ${job.id}`), next()) };
    const app = await world.start(metadata, {}, (builder) => builder.overrideProvider(Watch).useValue(fake));
    await world.clock.advance('1s');
    expect(app.get(Journal).lines).toEqual([]);
    expect(lines).toHaveLength(1);
  });

  it('stands beside the option of the module', async () => {
    const jobs: string[] = [];
    const instrumentation: OqronInstrumentation = { wrap: (job, next) => (jobs.push(job.name), next()) };
    const app = await world.start({ ...metadata, imports: [OqronModule.forRoot({ instrumentation })] });
    await world.clock.advance('1s');
    expect(jobs).toEqual(['default']);
    expect(app.get(Journal).lines).toEqual(['run orders']);
  });

  it('has to be a singleton', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}

    @Instrumentation()
    class Scoped implements OqronInstrumentation {
      readonly name = 'scoped';
      constructor(readonly dependency: PerRequest) {}
    }
    const types: Type[] = [PerRequest, Scoped];
    const error = await failureOf(world.start({ imports: [OqronModule.forRoot()], providers: types }));
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(error.message).toContain('Scoped carries @Instrumentation');
  });

  it('watches no other application', async () => {
    const app = await world.start(metadata);
    const other = await world.start({ imports: [OqronModule.forRoot({ project: 'other' })], providers: [Reader] });
    await world.clock.advance('1s');
    await other.get(OqronEngine).producer(Orders).add({ left: 0 });
    await world.clock.advance('1s');
    expect(other.get(Reader).headers).toEqual([{}]);
    expect(app.get(Journal).lines).toHaveLength(1);
  });
});

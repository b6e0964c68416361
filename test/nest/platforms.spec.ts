import {
  Controller,
  Get,
  Injectable,
  Module,
  Param,
  type INestApplication,
  type INestApplicationContext,
  type MiddlewareConsumer,
  type NestMiddleware,
  type NestModule,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { defineQueue, OqronEngine } from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type QueueOf } from 'oqronkit/nestjs';
import { until } from '../support/until.js';

const Echo = defineQueue<string, string>('echo');
const Hits = defineQueue<string>('hits', { priority: 5 });

@Injectable()
class Echoes {
  readonly seen: string[] = [];

  @Worker(Echo)
  run(text: string): string {
    this.seen.push(text);
    return text.toUpperCase();
  }
}

@Controller()
class Jobs {
  constructor(@InjectQueue(Echo) readonly echoes: QueueOf<typeof Echo>) {}

  @Get('echo/:text')
  async add(@Param('text') text: string): Promise<{ id: string }> {
    return { id: (await this.echoes.add(text)).id };
  }

  @MessagePattern('echo')
  async byMessage(text: string): Promise<string> {
    return (await this.echoes.add(text)).id;
  }
}

/** Nest finds middleware last of all, and its queues have to be there. */
@Injectable()
class CountHits implements NestMiddleware {
  constructor(@InjectQueue(Hits) readonly hits: QueueOf<typeof Hits>) {}

  use(_request: unknown, _response: unknown, next: (error?: unknown) => void): void {
    this.hits.add('hit').then(() => next(), next);
  }
}

@Module({ imports: [OqronModule.forRoot()], controllers: [Jobs], providers: [Echoes] })
class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(CountHits).forRoutes(Jobs);
  }
}

const quiet = { logger: false } as const;

let app: INestApplicationContext | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function ran(nest: INestApplicationContext, id: string): Promise<unknown> {
  const queue = nest.get(OqronEngine).producer(Echo);
  const job = await until('the job to be done', async () => {
    const read = await queue.getJob(id);
    return read?.status === 'completed' ? read : undefined;
  });
  return job.returnValue;
}

async function hits(nest: INestApplicationContext): Promise<number[]> {
  const queue = nest.get(OqronEngine).producer('hits');
  const { jobs } = await queue.getJobs({ status: 'waiting' });
  return jobs.map(({ priority }) => priority);
}

describe('on an HTTP platform', () => {
  it.each<[string, () => Promise<INestApplication>]>([
    ['Express', () => NestFactory.create(AppModule, quiet)],
    ['Fastify', () => NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), quiet)],
  ])('%s: a route adds a job, a worker beside it runs it, middleware adds others', async (_name, create) => {
    const nest = await create();
    app = nest;
    await nest.listen(0, '127.0.0.1');
    const { id } = (await (await fetch(`${await nest.getUrl()}/echo/hello`)).json()) as { id: string };
    expect(await ran(nest, id)).toBe('HELLO');
    expect(await hits(nest)).toEqual([5]);
  });
});

describe('without HTTP', () => {
  it('an application context runs jobs, and ends', async () => {
    const nest = await NestFactory.createApplicationContext(AppModule, quiet);
    app = nest;
    const { id } = await nest.get(OqronEngine).producer(Echo).add('quiet');
    expect(await ran(nest, id)).toBe('QUIET');
    await nest.close();
    expect(nest.get(OqronEngine).health().state).toBe('stopped');
  });

  it('a microservice adds jobs from messages and runs them', async () => {
    const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } } as const;
    const nest = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, { ...options, ...quiet });
    app = nest;
    await nest.listen();
    expect(await echoByMessage(nest, portOf(nest.unwrap()))).toBe('BY MESSAGE');
  });
});

describe('a hybrid application', () => {
  it('adds jobs from requests and messages, and has one engine for both', async () => {
    const nest = await NestFactory.create(AppModule, quiet);
    app = nest;
    const service = nest.connectMicroservice<MicroserviceOptions>({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
    });
    await nest.startAllMicroservices();
    await nest.listen(0, '127.0.0.1');
    const { id } = (await (await fetch(`${await nest.getUrl()}/echo/web`)).json()) as { id: string };
    expect(await ran(nest, id)).toBe('WEB');
    expect(await echoByMessage(nest, portOf(service.unwrap()))).toBe('BY MESSAGE');
    expect(nest.get(Echoes).seen).toEqual(['web', 'by message']);
    expect(nest.get(OqronEngine).definitions()).toHaveLength(1);
  });
});

/** Sends a message over TCP whose handler adds a job; answers the job's result. */
async function echoByMessage(nest: INestApplicationContext, port: number): Promise<unknown> {
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  try {
    return await ran(nest, await firstValueFrom(client.send<string>('echo', 'by message')));
  } finally {
    await client.close();
  }
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as { port: number }).port;
}

import {
  Controller,
  Global,
  Injectable,
  Module,
  Scope,
  type DynamicModule,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, OqronEngine, queueModule } from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type OqronModuleOptions, type QueueOf } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';

let world: NestWorld;
/** What happened, in order. */
let course: string[];
beforeEach(() => {
  world = new NestWorld();
  course = [];
});
afterEach(() => world.end());

const Orders = defineQueue<number>('orders');
const Invoices = defineQueue<number>('invoices');

/** As the documentation of Prisma has it. */
@Injectable()
class PrismaService implements OnModuleDestroy {
  connected = true;

  async onModuleDestroy(): Promise<void> {
    await new Promise(setImmediate);
    this.connected = false;
    course.push('disconnected');
  }

  write(text: string): void {
    if (!this.connected) throw new Error('the database is disconnected');
    course.push(`wrote ${text}`);
  }
}

@Module({ providers: [PrismaService], exports: [PrismaService] })
class PrismaModule {}

@Injectable()
class OrderWorker {
  constructor(
    readonly prisma: PrismaService,
    @InjectQueue(Invoices) readonly invoices: QueueOf<typeof Invoices>,
  ) {}

  @Worker(Orders, { concurrency: 2, retries: { max: 0 } })
  async run(n: number): Promise<void> {
    course.push(`begin ${n}`);
    await world.clock.sleep('5s');
    await this.invoices.add(n);
    this.prisma.write(`order ${n}`);
  }
}

@Module({ imports: [PrismaModule], providers: [OrderWorker] })
class OrdersModule {}

const oqron = (): DynamicModule => OqronModule.forRoot({ shutdown: { timeout: '30s' } });

/** Closes an application while two of its three jobs run; answers what the store has then. */
async function closeWhileRunning(metadata: ModuleMetadata) {
  const backend = createMemoryBackend({ clock: world.clock });
  const nest = await world.start(metadata, { backend });
  await nest
    .get(OqronEngine)
    .producer(Orders)
    .addBulk([1, 2, 3].map((data) => ({ data })));
  await world.clock.advance('1s');
  await world.close(nest);
  return backend.store.admin;
}

const warnings = (): string[] => world.logger.lines.filter((line) => line.startsWith('warn OqronModule '));

describe('a module that disconnects in onModuleDestroy', () => {
  it.each<[string, () => ModuleMetadata]>([
    ['imported by the module of the worker', () => ({ imports: [OrdersModule, oqron()] })],
    ['imported by the module of the worker, which comes later', () => ({ imports: [oqron(), OrdersModule] })],
    ['imported by the root module', () => ({ imports: [PrismaModule, oqron()], providers: [OrderWorker] })],
  ])('%s is destroyed after the last job, which could still add others', async (_title, metadata) => {
    const admin = await closeWhileRunning(metadata());
    expect(course).toEqual(['begin 1', 'begin 2', 'wrote order 1', 'wrote order 2', 'disconnected']);
    expect(await admin.counts('orders')).toMatchObject({ completed: 2, waiting: 1 });
    expect(await admin.counts('invoices')).toMatchObject({ waiting: 2 });
    expect(warnings()).toEqual([]);
  });

  it('that is imported after OqronModule is destroyed before, and the bootstrap said so', async () => {
    const admin = await closeWhileRunning({ imports: [oqron(), PrismaModule], providers: [OrderWorker] });
    expect(course).toEqual(['begin 1', 'begin 2', 'disconnected']);
    expect(await admin.counts('orders')).toMatchObject({ completed: 0, failed: 2 });
    expect(warnings()).toEqual([
      expect.stringContaining('PrismaService.onModuleDestroy (PrismaModule) would run before'),
    ]);
    expect(warnings()[0]).toContain('Import OqronModule.forRoot() last in the root module');
  });
});

describe('the warning of the order', () => {
  @Module({ imports: [OrdersModule, OqronModule.forRoot()] })
  class CoreModule {}
  @Module({})
  class Hooked implements OnModuleDestroy {
    onModuleDestroy(): void {}
  }
  @Controller()
  class HookedController implements OnModuleDestroy {
    onModuleDestroy(): void {}
  }
  @Module({ controllers: [HookedController], providers: [{ provide: 'POOL', useValue: new Hooked() }] })
  class ManyModule {}

  it.each<[string, () => ModuleMetadata, string]>([
    [
      'a provider of the root module',
      () => ({ imports: [PrismaModule, oqron()], providers: [OrderWorker, Hooked] }),
      'Hooked.onModuleDestroy (RootTestModule)',
    ],
    ['a module class', () => ({ imports: [OrdersModule, oqron(), Hooked] }), 'Hooked.onModuleDestroy (Hooked)'],
    [
      'everything that is nearer than a nested forRoot',
      () => ({ imports: [CoreModule, Hooked] }),
      'Hooked.onModuleDestroy (Hooked)',
    ],
    [
      'controllers and values',
      () => ({ imports: [OrdersModule, oqron(), ManyModule] }),
      'Hooked.onModuleDestroy (ManyModule), HookedController.onModuleDestroy (ManyModule)',
    ],
  ])('names %s', async (_title, metadata, places) => {
    await world.start(metadata());
    expect(warnings()).toEqual([
      expect.stringContaining(`on shutdown, ${places} would run before running jobs have ended`),
    ]);
  });

  @Global()
  @Module({ providers: [{ provide: 'CACHE', useFactory: () => new Hooked() }] })
  class GlobalModule {}
  @Injectable()
  class Closing implements OnApplicationShutdown {
    onApplicationShutdown(): void {}
  }
  @Injectable({ scope: Scope.REQUEST })
  class PerRequest implements OnModuleDestroy {
    onModuleDestroy(): void {}
  }
  @Module({
    providers: [
      Closing,
      PerRequest,
      { provide: 'ALIAS', useExisting: PrismaService },
      { provide: 'NONE', useValue: null },
    ],
    imports: [PrismaModule],
  })
  class HarmlessModule {}

  it.each<[string, () => ModuleMetadata]>([
    ['a global module', () => ({ imports: [OrdersModule, oqron(), GlobalModule] })],
    [
      'hooks of the phase after, scoped classes, aliases and what is deeper',
      () => ({ imports: [OrdersModule, oqron(), HarmlessModule] }),
    ],
    [
      'an application that only adds jobs',
      () => ({ imports: [OqronModule.forRoot({ modules: [queueModule({ consume: false })] }), OrdersModule, Hooked] }),
    ],
    ['an application without handlers', () => ({ imports: [oqron(), Hooked] })],
  ])('does not come for %s', async (_title, metadata) => {
    await world.start(metadata());
    expect(warnings()).toEqual([]);
  });
});

describe('the hint that shutdown hooks are off', () => {
  const { NODE_ENV } = process.env;
  const app = (options: OqronModuleOptions = {}) => ({ imports: [OrdersModule, OqronModule.forRoot(options)] });
  const listener = (): void => undefined;
  beforeEach(() => {
    process.env.NODE_ENV = 'production';
  });
  afterEach(() => {
    process.removeListener('SIGTERM', listener);
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  });

  it('comes once, some seconds after the start', async () => {
    await world.start(app());
    await world.clock.advance('4s');
    expect(warnings()).toEqual([]);
    await world.clock.advance('1h');
    expect(warnings()).toEqual([expect.stringContaining('Call app.enableShutdownHooks()')]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['app.enableShutdownHooks()', async () => (await world.start(app())).enableShutdownHooks()],
    ['a handler of its own', async () => process.on('SIGTERM', listener) && world.start(app())],
    ['shutdown: { enabled: false }', () => world.start(app({ shutdown: { enabled: false } }))],
    ['no handlers', () => world.start(app({ modules: [] }))],
    ['an end before', async () => world.close(await world.start(app()))],
    ['a test', () => ((process.env.NODE_ENV = 'test'), world.start(app()))],
  ])('does not come with %s', async (_title, start) => {
    await start();
    await world.clock.advance('1h');
    expect(warnings()).toEqual([]);
  });
});

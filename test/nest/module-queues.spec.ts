import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, OqronEngine, type Queue } from 'oqronkit';
import {
  getQueueToken,
  Handler,
  InjectOqron,
  InjectQueue,
  OqronModule,
  OqronRunner,
  Queue as OqronQueue,
  Worker,
  type QueueOf,
} from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Mail = defineQueue<{ to: string }>('mail', { priority: 7 });

@Injectable()
class Sender {
  constructor(@InjectQueue(Mail) readonly mail: QueueOf<typeof Mail>) {}
}

@Injectable()
class Support {
  constructor(@InjectOqron() readonly engine: OqronEngine) {}
}

function feature(imports: DynamicModule['imports'], providers: Type[] = [Sender]): Type {
  @Module({ imports: imports ?? [], providers, exports: providers })
  class Feature {}
  return Feature;
}

describe('isGlobal: false', () => {
  const local = () => OqronModule.forRoot({ isGlobal: false });

  it('leaves queues to those who import them, and says so', async () => {
    const error = await failureOf(world.compile({ imports: [feature([]), local()] }));
    expect(error.message).toContain('"OqronQueue_mail"');
  });

  it.each<[string, (oqron: DynamicModule) => DynamicModule['imports']]>([
    ['OqronModule.forFeature', () => [OqronModule.forFeature([Mail])]],
    ['OqronModule', () => [OqronModule]],
    ['the module that forRoot answered', (oqron) => [oqron]],
  ])('queues come with %s', async (_title, importsOf) => {
    const oqron = local();
    const nest = await world.start({ imports: [feature(importsOf(oqron)), oqron] });
    const { mail } = nest.get(Sender);
    expect((await mail.add({ to: 'ada' })).priority).toBe(7);
    expect(nest.get(OqronEngine).health().state).toBe('started');
  });

  it('still has one engine, everywhere', async () => {
    const nest = await world.start({ imports: [feature([OqronModule], [Support]), local()] });
    expect(nest.get(Support).engine).toBe(nest.get(OqronEngine));
    expect(nest.get(OqronRunner, { each: true })).toHaveLength(1);
  });

  it('is said beside the factory of forRootAsync too', async () => {
    const oqron = OqronModule.forRootAsync({ isGlobal: false, useFactory: () => ({ project: 'shop' }) });
    expect((await failureOf(world.compile({ imports: [feature([]), oqron] }))).message).toContain('OqronQueue_mail');
  });
});

describe('forFeature', () => {
  it('provides queues that no @InjectQueue names, to factories and by names made at run time', async () => {
    const Unnamed = defineQueue<number>('only-in-a-factory', { priority: 3 });
    const tenant = `tenant-${['a', 'b'].join('-')}`;
    const uses = {
      provide: 'USES',
      inject: [getQueueToken(Unnamed), getQueueToken(tenant)],
      useFactory: (...it: Queue[]) => it,
    };
    @Module({ imports: [OqronModule.forFeature([Unnamed, tenant])], providers: [uses] })
    class Feature {}
    const nest = await world.start({ imports: [Feature, OqronModule.forRoot()] });
    const [unnamed, ofTenant] = nest.get<Queue[]>('USES', { strict: false });
    expect((await unnamed?.add(1))?.priority).toBe(3);
    expect(ofTenant?.name).toBe('tenant-a-b');
  });

  it('and @InjectQueue give the same queue, and its token replaces both', async () => {
    const imports = () => [feature([OqronModule.forFeature([Mail, 'mail'])]), OqronModule.forRoot()];
    const nest = await world.start({ imports: imports(), providers: [Sender] });
    const senders = nest.get(Sender, { each: true, strict: false });
    expect(new Set(senders.map(({ mail }) => mail)).size).toBe(1);
    const fake = { name: 'fake' };
    const tested = await world.start({ imports: imports(), providers: [Sender] }, {}, (builder) =>
      builder.overrideProvider(getQueueToken(Mail)).useValue(fake),
    );
    expect(tested.get(Sender, { each: true, strict: false }).map(({ mail }) => mail)).toEqual([fake, fake]);
  });

  it('serves a module that is loaded lazily, whose classes came too late for the global one', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot()] });
    const Late = defineQueue<number>('loaded-late', { priority: 4 });
    @Injectable()
    class LateSender {
      constructor(@InjectQueue(Late) readonly queue: QueueOf<typeof Late>) {}
    }
    const loader = nest.get(LazyModuleLoader);
    expect((await failureOf(loader.load(() => feature([], [LateSender])))).message).toContain('OqronQueue_loaded-late');
    const loaded = await loader.load(() => feature([OqronModule.forFeature([Late])], [LateSender]));
    expect((await loaded.get(LateSender).queue.add(1)).priority).toBe(4);
  });

  it('without forRoot says what is missing', async () => {
    const error = await failureOf(world.compile({ imports: [OqronModule.forFeature([Mail])] }));
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('The queue "mail" is to be injected, and there is no engine');
    expect(error.message).toContain('Import OqronModule.forRoot({ ... }) once, last in your root module.');
  });
});

describe('two contracts of one queue in one application', () => {
  const Other = defineQueue<{ to: string }>('mail', { priority: 9 });
  @Injectable()
  class OtherSender {
    constructor(@InjectQueue(Other) readonly mail: QueueOf<typeof Other>) {}
  }
  const conflict = /The queue "mail" has two different contracts in one application: of (.+) and of (.+)\./;

  it('are an error that names both places', async () => {
    const nest = await world.compile({
      imports: [feature([], [Sender]), OqronModule.forRoot()],
      providers: [OtherSender],
    });
    const { problems } = await failureOf<InvalidOptionsError>(nest.init());
    expect(problems).toEqual([expect.stringMatching(conflict)]);
    const places = conflict.exec(String(problems[0]))?.slice(1);
    expect(places?.toSorted()).toEqual(['OtherSender (RootTestModule)', 'Sender (Feature)']);
    expect(problems[0]).toContain('Potential solutions');
  });

  it('are one also when a forFeature names the other, and come with all other problems', async () => {
    @Module({ imports: [OqronModule.forRoot()] })
    class Twice {}
    const imports = [feature([OqronModule.forFeature([Other])]), Twice, OqronModule.forRoot()];
    const { problems } = await failureOf<InvalidOptionsError>((await world.compile({ imports })).init());
    expect(problems).toEqual([expect.stringContaining('imported more than once'), expect.stringMatching(conflict)]);
  });

  it('are one also when it comes with a module that is loaded later', async () => {
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Sender] });
    const loading = nest.get(LazyModuleLoader).load(() => feature([OqronModule.forFeature([Other])], []));
    expect((await failureOf(loading)).message).toMatch(conflict);
  });

  it.each<[string, () => Type]>([
    [
      'a method with @Worker',
      () => {
        class Runner {
          @Worker(Other)
          run(): void {}
        }
        return Runner;
      },
    ],
    [
      'a class with @Worker',
      () => {
        @Worker(Other)
        class Runner {
          @Handler('welcome')
          run(): void {}
        }
        return Runner;
      },
    ],
    [
      'a method that is inherited',
      () => {
        abstract class Base {
          @OqronQueue(Other)
          run(): void {}
        }
        class Runner extends Base {}
        return Runner;
      },
    ],
  ])('are one also when %s runs the jobs of the other', async (_title, make) => {
    const nest = await world.compile({ imports: [OqronModule.forRoot()], providers: [Sender, make()] });
    const { problems } = await failureOf<InvalidOptionsError>(nest.init());
    expect(problems).toEqual([expect.stringMatching(conflict)]);
    expect(problems[0]).toContain('of Sender (RootTestModule) and of Runner (RootTestModule)');
  });

  it('are none when they say the same, or when one is only a name', async () => {
    const Again = defineQueue<{ to: string }>('mail', { priority: 7 });
    @Injectable()
    class Copy {
      constructor(
        @InjectQueue(Again) readonly mail: QueueOf<typeof Again>,
        @InjectQueue('mail') readonly byName: Queue,
      ) {}
    }
    const nest = await world.start({ imports: [OqronModule.forRoot()], providers: [Sender, Copy] });
    expect(nest.get(Copy).mail).toBe(nest.get(Sender).mail);
    expect(nest.get(Copy).byName).toBe(nest.get(Sender).mail);
  });
});

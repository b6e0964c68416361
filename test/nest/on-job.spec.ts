import { Controller, Injectable, Module, type Type } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, InvalidOptionsError, NonRetryableError, OqronEngine, type JobContext } from 'oqronkit';
import {
  OnJob,
  OqronModule,
  OqronRunner,
  Queue,
  Worker,
  type OnJobDecorator,
  type OnJobEvent,
  type OnJobPayload,
} from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { passUntil } from '../support/pass-until.js';
import { failureOf } from '../support/until.js';

let world: NestWorld;
let heard: unknown[];
beforeEach(() => {
  world = new NestWorld();
  heard = [];
});
afterEach(() => world.end());

const Encode = defineQueue<{ file: string }, string>('encode');

/** Fails once for a file `bad`, for ever for `worse`. */
@Injectable()
class Encoder {
  @Worker(Encode, { retries: { max: 1, strategy: 'fixed', baseDelay: '1s' } })
  run({ file }: { file: string }, ctx: JobContext<{ file: string }>): string {
    ctx.progress(50, 'half way');
    if (file === 'worse') throw new NonRetryableError('no way');
    if (file === 'bad' && ctx.attempt === 1) throw new Error('not yet');
    return `${file}.mp4`;
  }

  @Queue('other')
  other(): string {
    return 'other';
  }
}

const app = (...providers: Type[]) => ({ imports: [OqronModule.forRoot({})], providers: [Encoder, ...providers] });

const runs = async (engine: OqronEngine, ...files: string[]): Promise<void> => {
  for (const file of files) await engine.producer(Encode).add({ file });
  await world.clock.advance('2s');
};

async function problemsOf(...providers: Type[]): Promise<readonly string[]> {
  const error = await failureOf<InvalidOptionsError>((await world.compile(app(...providers))).init());
  expect(error).toBeInstanceOf(InvalidOptionsError);
  return error.problems;
}

describe('@OnJob', () => {
  it('hears of every event of a job, by its name without a prefix, as a method of its provider', async () => {
    @Injectable()
    class Audit {
      prefix = '';

      #heard(name: string, id: string): void {
        heard.push(`${this.prefix}${name} ${id.slice(0, 1)}`);
      }

      @OnJob('added')
      added({ id }: OnJobPayload<'added'>): void {
        this.#heard('added', id);
      }

      @OnJob('start')
      started({ id, attempt }: OnJobPayload<'start'>): void {
        this.#heard(`start ${attempt}`, id);
      }

      @OnJob('progress')
      progress({ id, progress }: OnJobPayload<'progress'>): void {
        this.#heard(`progress ${progress.percent}`, id);
      }

      @OnJob('retry')
      retry({ id, delayMs }: OnJobPayload<'retry'>): void {
        this.#heard(`retry ${delayMs}`, id);
      }

      @OnJob('success', Encode)
      success({ id, result }: OnJobPayload<'success', string>): void {
        this.#heard(`success ${result.toUpperCase()}`, id);
      }

      @OnJob('fail')
      fail({ id, error }: OnJobPayload<'fail'>): void {
        this.#heard(`fail ${error.message}`, id);
      }

      @OnJob('cancelled')
      cancelled({ id }: OnJobPayload<'cancelled'>): void {
        this.#heard('cancelled', id);
      }
    }
    const nest = await world.start(app(Audit));
    nest.get(Audit).prefix = '> ';
    const queue = nest.get(OqronEngine).producer(Encode);
    await queue.add({ file: 'bad' }, { jobId: 'a' });
    await world.clock.advance('2s');
    await queue.add({ file: 'worse' }, { jobId: 'b' });
    await world.clock.advance('2s');
    const late = await queue.add({ file: 'late' }, { jobId: 'c', delay: '1h' });
    await late.cancel();
    await world.clock.settle();
    expect(heard).toEqual([
      '> added a',
      '> start 1 a',
      '> progress 50 a',
      '> retry 1000 a',
      '> start 2 a',
      '> progress 50 a',
      '> success BAD.MP4 a',
      '> added b',
      '> start 1 b',
      '> progress 50 b',
      '> fail no way b',
      '> added c',
      '> cancelled c',
    ]);
  });

  it('hears of other events by the names of the engine, from `system:ready` to `system:stop`', async () => {
    @Injectable()
    class Watch {
      @OnJob('system:ready')
      ready(): void {
        heard.push('ready');
      }

      @OnJob('queue:paused', 'encode')
      paused({ queue }: OnJobPayload<'queue:paused'>): void {
        heard.push(`paused ${queue}`);
      }

      @OnJob('queue:resumed', Encode)
      resumed({ queue }: OnJobPayload<'queue:resumed'>): void {
        heard.push(`resumed ${queue}`);
      }

      @OnJob('system:stop')
      stop(): void {
        heard.push('stop');
      }
    }
    const nest = await world.start(app(Watch));
    const engine = nest.get(OqronEngine);
    await engine.producer('other').pause();
    await engine.producer(Encode).pause();
    await engine.producer(Encode).resume();
    await world.close(nest);
    expect(heard).toEqual(['ready', 'paused encode', 'resumed encode', 'stop']);
  });

  it('hears only of the queue that its contract, name or option says', async () => {
    @Injectable()
    class Some {
      @OnJob('success', Encode)
      byContract({ queue }: OnJobPayload<'success', string>): void {
        heard.push(`contract ${queue}`);
      }

      @OnJob('success', 'other')
      byName({ queue }: OnJobPayload<'success'>): void {
        heard.push(`name ${queue}`);
      }

      @OnJob('success', { queue: Encode })
      byOption({ queue }: OnJobPayload<'success'>): void {
        heard.push(`option ${queue}`);
      }
    }
    const nest = await world.start(app(Some));
    const engine = nest.get(OqronEngine);
    await runs(engine, 'a');
    await engine.producer('other').add(1);
    await world.clock.settle();
    expect(heard).toEqual(['contract encode', 'option encode', 'name other']);
  });

  it('may stand on a method several times, be inherited, and be on controllers', async () => {
    abstract class Base {
      abstract readonly who: string;

      @OnJob('success', Encode)
      @OnJob('fail')
      ended({ id }: OnJobPayload<'success', string> | OnJobPayload<'fail'>): void {
        heard.push(`${this.who} ${id}`);
      }

      @OnJob('success')
      silenced(): void {
        heard.push('never');
      }
    }
    @Injectable()
    class Derived extends Base {
      readonly who = 'derived';

      override silenced(): void {
        heard.push('overridden without a decorator');
      }
    }
    @Controller('events')
    class Events extends Base {
      readonly who = 'controller';

      override silenced(): void {}
    }
    const nest = await world.start({ ...app(Derived), controllers: [Events] });
    const queue = nest.get(OqronEngine).producer(Encode);
    await queue.add({ file: 'fine' }, { jobId: 'a' });
    await queue.add({ file: 'worse' }, { jobId: 'b' });
    await world.clock.settle();
    expect(heard).toEqual(['derived a', 'controller a', 'derived b', 'controller b']);
  });

  it('hurts no job when it throws or rejects: one line in the log says where', async () => {
    @Injectable()
    class Clumsy {
      @OnJob('start')
      start(): void {
        throw new Error('thrown');
      }

      @OnJob('success', Encode)
      async success(): Promise<void> {
        await Promise.resolve();
        throw new Error('rejected');
      }

      @OnJob('success')
      next(): void {
        heard.push('the next one is called');
      }
    }
    const nest = await world.start(app(Clumsy));
    const queue = nest.get(OqronEngine).producer(Encode);
    const { id } = await queue.add({ file: 'a' });
    await world.clock.settle();
    expect(await queue.getJob(id)).toMatchObject({ status: 'completed', attemptMade: 1 });
    expect(heard).toEqual(['the next one is called']);
    expect(world.logger.lines.filter((line) => line.startsWith('error '))).toEqual([
      expect.stringContaining('Clumsy.start, a listener of "job:start", threw: thrown'),
      expect.stringContaining('Clumsy.success, a listener of "job:success", threw: rejected'),
    ]);
  });

  it('is called while the application runs, the last jobs included, and waited for; not before, and not after', async () => {
    @Injectable()
    class Slow {
      @OnJob('success')
      async ended({ id }: OnJobPayload<'success'>): Promise<void> {
        await world.clock.sleep('1s');
        heard.push(id);
      }

      @OnJob('added')
      added({ id }: OnJobPayload<'added'>): void {
        heard.push(`added ${id}`);
      }
    }
    @Injectable()
    class Long {
      @Queue('long')
      async run(): Promise<void> {
        await world.clock.sleep('3s');
      }
    }
    const nest = await world.compile(app(Slow, Long));
    const engine = nest.get(OqronEngine);
    const queue = engine.producer('long');
    await queue.add(1, { jobId: 'early' });
    expect(heard).toEqual([]);
    await nest.init();
    await world.clock.settle();
    await queue.add(2, { jobId: 'late' });
    await world.clock.settle();
    // Both run when it closes.
    await world.close(nest);
    expect(heard).toEqual(['added late', 'early', 'late']);
  });

  it('ends when the application has drained: jobs that are added later are not told', async () => {
    @Injectable()
    class Added {
      @OnJob('added')
      added({ id }: OnJobPayload<'added'>): void {
        heard.push(id);
      }
    }
    /** Its module is closed after ours. */
    @Injectable()
    class Last {
      constructor(private readonly engine: OqronEngine) {}

      async beforeApplicationShutdown(): Promise<void> {
        await this.engine.producer('other').add(1, { jobId: 'last' });
        heard.push('was added');
      }
    }
    const nest = await world.start(app(Added, Last));
    await nest.get(OqronEngine).producer('other').add(1, { jobId: 'first' });
    await world.close(nest);
    expect(heard).toEqual(['first', 'was added']);
  });

  it('is called once for each event after the engine was stopped and started again, and not in between', async () => {
    @Injectable()
    class Added {
      @OnJob('added')
      added({ id }: OnJobPayload<'added'>): void {
        heard.push(id);
      }
    }
    const nest = await world.start(app(Added));
    const runner = nest.get(OqronRunner);
    const queue = nest.get(OqronEngine).producer('other');
    await passUntil(world.clock, runner.stop());
    await queue.add(1, { jobId: 'between' });
    await runner.start();
    await queue.add(1, { jobId: 'again' });
    expect(heard).toEqual(['again']);
  });

  it('hears of one process, or with scope cluster of all of them', async () => {
    @Injectable()
    class Near {
      @OnJob('success', Encode)
      success({ result }: OnJobPayload<'success', string>): void {
        heard.push(`near ${result}`);
      }
    }
    @Injectable()
    class Far {
      @OnJob('success', Encode, { scope: 'cluster' })
      success(event: OnJobPayload<'success', string, 'cluster'>): void {
        heard.push(`far ${event.queue} ${'result' in event}`);
      }
    }
    const backend = createMemoryBackend({ clock: world.clock });
    const modules = { imports: [OqronModule.forRoot({})] };
    await world.start({ ...modules, providers: [Near, Far] }, { backend });
    const worker = await world.start(app(), { backend });
    await world.clock.settle();
    await runs(worker.get(OqronEngine), 'a');
    expect(heard).toEqual(['far encode false']);
  });

  it('of two applications in one process hears only of its own', async () => {
    @Injectable()
    class Mine {
      @OnJob('success')
      success({ queue }: OnJobPayload<'success'>): void {
        heard.push(queue);
      }
    }
    await world.start(app(Mine));
    const other = await world.start(app());
    await runs(other.get(OqronEngine), 'a');
    expect(heard).toEqual([]);
  });

  it('takes its options from dependency injection', async () => {
    @Injectable()
    class Settings {
      readonly watched = 'other';
    }
    @Injectable()
    class Configured {
      @OnJob('success', {
        inject: [Settings],
        useFactory: async ({ watched }) => Promise.resolve({ queue: watched }),
      })
      success({ queue }: OnJobPayload<'success', unknown, 'cluster'>): void {
        heard.push(queue);
      }
    }
    const nest = await world.start(app(Settings, Configured));
    await runs(nest.get(OqronEngine), 'a');
    await nest.get(OqronEngine).producer('other').add(1);
    await world.clock.settle();
    expect(heard).toEqual(['other']);
  });
});

describe('a mistake with @OnJob', () => {
  /** As JavaScript writes it. */
  const Loose = OnJob as (event: string, ...rest: unknown[]) => OnJobDecorator<never>;

  it('is an event that nobody emits, a queue where none is, and whatever options are not', async () => {
    @Injectable()
    class Wrong {
      @OnJob('job:fail' as OnJobEvent)
      prefix(): void {}

      @Loose('sucess')
      typo(): void {}

      @Loose('system:ready', Encode)
      queue(): void {}

      @Loose('error', { scope: 'cluster' })
      error(): void {}

      @Loose('fail', 'two words')
      name(): void {}

      @Loose('fail', { scope: 'world', que: 'x' })
      options(): void {}
    }
    expect(await problemsOf(Wrong)).toEqual([
      expect.stringMatching(/^Wrong\.prefix: @OnJob does not know the event "job:fail"\.\n[^]*Did you mean "fail"\?/),
      expect.stringMatching(/^Wrong\.typo: @OnJob does not know the event "sucess"\.\n[^]*Did you mean "success"\?/),
      expect.stringMatching(/^Wrong\.queue: @OnJob\('system:ready'\) has a queue, and this event belongs to none\./),
      expect.stringMatching(/^Wrong\.error: @OnJob\('error'\) asks for the whole cluster/),
      expect.stringMatching(/^Wrong\.name: queue: "two words" is not a name/),
      "Wrong.options: scope: expected 'process' or 'cluster'",
      'Wrong.options: unknown option "que", did you mean "queue"?',
    ]);
  });

  it('is a class that two modules provide: each event would be told twice', async () => {
    @Injectable()
    class Notifier {
      @OnJob('fail')
      fail(): void {}
    }
    @Module({ providers: [Notifier] })
    class A {}
    @Module({ providers: [Notifier] })
    class B {}
    const nest = await world.compile({ imports: [A, B, OqronModule.forRoot({})] });
    expect((await failureOf(nest.init())).message).toMatch(
      /Notifier\.fail would be called twice for each event: A and B provide its class\./,
    );
  });

  it('is not two instances that factories made of one class', async () => {
    class Notifier {
      constructor(readonly to: string) {}

      @OnJob('success', Encode)
      success(): void {
        heard.push(this.to);
      }
    }
    const nest = await world.start({
      imports: [OqronModule.forRoot({})],
      providers: [
        Encoder,
        { provide: 'MAIL', useFactory: () => new Notifier('mail') },
        { provide: 'CHAT', useFactory: () => new Notifier('chat') },
      ],
    });
    await runs(nest.get(OqronEngine), 'a');
    expect(heard).toEqual(['mail', 'chat']);
  });
});

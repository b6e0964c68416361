import { Injectable } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, queueModule, workerModule } from 'oqronkit';
import { Handler, OnJob, OqronModule, Queue, Worker, type OqronModuleOptions } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Encode = defineQueue<{ file: string }, string>('video-encode');

@Injectable()
class Encoder {
  @Worker(Encode, { concurrency: 2 })
  run({ file }: { file: string }): string {
    return file;
  }

  @OnJob('fail', Encode, { scope: 'cluster' })
  failed(): void {}
}

@Injectable()
@Worker('mail', { concurrency: 10 })
class MailWorker {
  @Handler('welcome')
  welcome(): void {}

  @Handler('reset')
  reset(): void {}
}

@Injectable()
class Cleaner {
  @Queue('gc')
  sweep(): void {}

  @OnJob('queue:paused')
  paused(): void {}
}

const start = (modules?: OqronModuleOptions['modules']) =>
  world.start({
    imports: [OqronModule.forRoot(modules ? { modules } : {})],
    providers: [Encoder, MailWorker, Cleaner],
  });

const table = (): string[] => world.logger.lines.filter((line) => line.startsWith('log OqronExplorer '));

describe('the bootstrap table', () => {
  it('says where each handler is, what it serves, how many at once and which names; then the listeners: all aligned', async () => {
    await start();
    expect(table()).toEqual([
      'log OqronExplorer Encoder.run    {worker video-encode}         concurrency 2',
      'log OqronExplorer MailWorker     {worker mail}                 concurrency 10, names welcome, reset',
      'log OqronExplorer Cleaner.sweep  {queue gc}                    concurrency 5',
      'log OqronExplorer Encoder.failed {on job:fail of video-encode} scope cluster',
      'log OqronExplorer Cleaner.paused {on queue:paused}             scope process',
    ]);
  });

  it('says which handlers are inactive in this application, and why', async () => {
    await start([queueModule({ consume: false })]);
    expect(table()).toEqual([
      expect.stringMatching(/Encoder\.run .* inactive: the worker module is not selected$/),
      expect.stringMatching(/MailWorker .* inactive: the worker module is not selected$/),
      expect.stringMatching(/Cleaner\.sweep .* inactive: the queue module has consume: false$/),
      expect.stringMatching(/Encoder\.failed .* scope cluster$/),
      expect.stringMatching(/Cleaner\.paused .* scope process$/),
    ]);
  });

  it('says what only the start tells: the store has a newer version of a queue', async () => {
    @Injectable()
    class New {
      @Worker('report', { version: 2 })
      run(): void {}
    }
    @Injectable()
    class Old {
      @Worker('report', { version: 1 })
      run(): void {}
    }
    const backend = createMemoryBackend({ clock: world.clock });
    const app = (provider: typeof New | typeof Old) => ({ imports: [OqronModule.forRoot({})], providers: [provider] });
    await world.start(app(New), { backend });
    await world.start(app(Old), { backend });
    expect(table()).toEqual([
      'log OqronExplorer New.run {worker report} concurrency 1',
      expect.stringMatching(/Old\.run {worker report} inactive: the store has version 2 of it/),
    ]);
  });

  it('has the concurrency of the module where the decorator says none, and nothing when there are no handlers', async () => {
    @Injectable()
    class Plain {
      @Worker('plain')
      run(): void {}
    }
    await world.start({
      imports: [OqronModule.forRoot({ modules: [workerModule({ concurrency: 12 })] })],
      providers: [Plain],
    });
    expect(table()).toEqual(['log OqronExplorer Plain.run {worker plain} concurrency 12']);
    await world.start({ imports: [OqronModule.forRoot({})] });
    expect(table()).toHaveLength(1);
  });
});

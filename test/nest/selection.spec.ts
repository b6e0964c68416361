import { Injectable, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cronModule, defineQueue, ModuleNotAvailableError, OqronEngine, queueModule, workerModule } from 'oqronkit';
import { InjectQueue, OqronModule, Queue, Worker, type OqronModuleOptions, type QueueOf } from 'oqronkit/nestjs';
import { createMemoryBackend } from 'oqronkit/testing';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

const Encode = defineQueue<{ file: string }, string>('encode');
const Notify = defineQueue<{ text: string }, void>('notify');

/** One feature module that both applications import. */
@Injectable()
class Videos {
  readonly done: string[] = [];

  constructor(
    @InjectQueue(Encode) readonly encodes: QueueOf<typeof Encode>,
    @InjectQueue(Notify) readonly notes: QueueOf<typeof Notify>,
  ) {}

  @Worker(Encode, { concurrency: 2 })
  async encode({ file }: { file: string }): Promise<string> {
    this.done.push(`encode ${file}`);
    await this.notes.add({ text: `${file} is ready` });
    return `${file}.mp4`;
  }

  @Queue(Notify)
  notify({ text }: { text: string }): void {
    this.done.push(`notify ${text}`);
  }
}

@Module({ providers: [Videos], exports: [Videos] })
class VideosModule {}

const app = (modules: OqronModuleOptions['modules']) => ({
  imports: [VideosModule, OqronModule.forRoot(modules ? { modules } : {})],
});

describe('an API application and a worker application with one store', () => {
  it('publish on one side and process on the other, with the same feature module', async () => {
    const calls: string[] = [];
    const memory = createMemoryBackend({ clock: world.clock });
    const watched = wrapBackend(memory, (operation, _args, run) => {
      calls.push(operation);
      return run();
    });
    const api = await world.start(app([queueModule({ consume: false })]), { backend: watched });
    const worker = await world.start(app([workerModule({ concurrency: 10 }), queueModule()]), { backend: memory });
    const { encodes } = api.get(Videos);
    const job = await encodes.add({ file: 'a' });
    await world.clock.advance('30s');
    expect(api.get(Videos).done).toEqual([]);
    expect(worker.get(Videos).done).toEqual(['encode a', 'notify a is ready']);
    expect(await encodes.getJob(job.id)).toMatchObject({
      status: 'completed',
      returnValue: 'a.mp4',
      workerId: worker.get(OqronEngine).owner,
    });
    expect(calls).not.toContain('claim');
    expect(api.get(OqronEngine).definitions()).toEqual([
      expect.objectContaining({ name: 'encode', active: false, reason: 'the worker module is not selected' }),
      expect.objectContaining({ name: 'notify', active: false, reason: 'the queue module has consume: false' }),
    ]);
  });

  it('list in the bootstrap table what runs, and why the rest does not', async () => {
    await world.start(app([workerModule]));
    const table = world.logger.lines.filter((line) => line.startsWith('log OqronExplorer'));
    expect(table).toEqual([
      'log OqronExplorer Videos.encode {worker encode} concurrency 2',
      'log OqronExplorer Videos.notify {queue notify}  inactive: the queue module is not selected',
    ]);
  });

  it('run everything when nothing is selected', async () => {
    const nest = await world.start(app(undefined));
    await nest.get(Videos).encodes.add({ file: 'a' });
    await world.clock.settle();
    expect(nest.get(Videos).done).toEqual(['encode a', 'notify a is ready']);
  });

  it('run nothing with an empty selection, and still publish', async () => {
    const nest = await world.start(app([]));
    const { encodes, done } = nest.get(Videos);
    await encodes.add({ file: 'a' });
    await world.clock.advance('1m');
    expect(done).toEqual([]);
    expect(await encodes.count('waiting')).toBe(1);
  });

  it('fail at once for a module that has not landed', async () => {
    expect(await failureOf(world.compile(app([cronModule])))).toBeInstanceOf(ModuleNotAvailableError);
  });

  it('hand over what a closed worker application leaves', async () => {
    const backend = createMemoryBackend({ clock: world.clock });
    const api = await world.start(app([queueModule({ consume: false })]), { backend });
    const first = await world.start(app(undefined), { backend });
    await world.close(first);
    await api.get(Videos).encodes.add({ file: 'a' });
    await world.clock.advance('10s');
    const second = await world.start(app(undefined), { backend });
    await world.clock.settle();
    expect(first.get(Videos).done).toEqual([]);
    expect(second.get(Videos).done).toEqual(['encode a', 'notify a is ready']);
  });
});

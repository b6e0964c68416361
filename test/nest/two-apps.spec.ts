import { Controller, Injectable, Module, type CanActivate, UseGuards } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue, OqronEngine, type Queue } from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type QueueOf } from 'oqronkit/nestjs';
import { NestWorld } from '../support/nest-world.js';

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

/** Each application has a contract of its own of the queue `report`. */
const ReportOfOne = defineQueue<{ n: number }, string>('report', { priority: 1 });
const ReportOfTwo = defineQueue<{ n: number }, string>('report', { priority: 2 });

@Injectable()
class SenderOfOne {
  constructor(@InjectQueue(ReportOfOne) readonly reports: QueueOf<typeof ReportOfOne>) {}
}

@Injectable()
class SenderOfTwo {
  @InjectQueue(ReportOfTwo) readonly reports!: QueueOf<typeof ReportOfTwo>;
}

@Injectable()
class HeirOfOne extends SenderOfOne {}

@Injectable()
class ByName {
  constructor(@InjectQueue('report') readonly reports: Queue) {}
}

@Injectable()
class GuardOfTwo implements CanActivate {
  constructor(@InjectQueue(ReportOfTwo) readonly reports: QueueOf<typeof ReportOfTwo>) {}

  canActivate(): boolean {
    return true;
  }
}

@UseGuards(GuardOfTwo)
@Controller()
class ControllerOfTwo {}

const priorityOf = async (queue: Queue<{ n: number }, string>): Promise<number> => (await queue.add({ n: 1 })).priority;

describe('two applications in one process', () => {
  it('have each its own contract of one queue, whichever was written last', async () => {
    const one = await world.start({ imports: [OqronModule.forRoot()], providers: [SenderOfOne] });
    const two = await world.start({ imports: [OqronModule.forRoot()], providers: [SenderOfTwo] });
    expect(await priorityOf(one.get(SenderOfOne).reports)).toBe(1);
    expect(await priorityOf(two.get(SenderOfTwo).reports)).toBe(2);
  });

  it('find it in a class that is inherited, in a guard, and behind a bare name', async () => {
    const one = await world.start({ imports: [OqronModule.forRoot()], providers: [HeirOfOne, ByName] });
    const two = await world.start({
      imports: [OqronModule.forRoot()],
      controllers: [ControllerOfTwo],
      providers: [ByName],
    });
    expect(await priorityOf(one.get(HeirOfOne).reports)).toBe(1);
    expect(one.get(ByName).reports).toBe(one.get(HeirOfOne).reports);
    expect(await priorityOf(two.get(ByName).reports as Queue<{ n: number }, string>)).toBe(2);
  });

  it('find it in forFeature', async () => {
    @Module({ imports: [OqronModule.forFeature([ReportOfOne])], providers: [ByName] })
    class Feature {}
    const one = await world.start({ imports: [Feature, OqronModule.forRoot()] });
    expect(await priorityOf(one.get(ByName, { strict: false }).reports as Queue<{ n: number }, string>)).toBe(1);
  });

  it('have each its own options, handlers and jobs, and end by themselves', async () => {
    const ran: string[] = [];
    const workerOf = (name: string) => {
      @Injectable()
      class Reporter {
        @Worker('report')
        run({ n }: { n: number }): void {
          ran.push(`${name} ${n}`);
        }
      }
      return Reporter;
    };
    const start = (project: string, concurrency: number) =>
      world.start({
        imports: [OqronModule.forRoot({ project, defaultJobOptions: { priority: concurrency } })],
        providers: [workerOf(project), ByName],
      });
    const one = await start('one', 4);
    const two = await start('two', 5);
    expect((await one.get(ByName).reports.add({ n: 1 })).priority).toBe(4);
    expect((await two.get(ByName).reports.add({ n: 2 })).priority).toBe(5);
    await world.clock.settle();
    expect(ran.toSorted()).toEqual(['one 1', 'two 2']);
    await world.close(one);
    expect(one.get(OqronEngine).health().state).toBe('stopped');
    await two.get(ByName).reports.add({ n: 3 });
    await world.clock.settle();
    expect(ran).toContain('two 3');
  });

  it('are not hurt by what another one injects under a name that is none', async () => {
    @Injectable()
    class Elsewhere {
      constructor(@InjectQueue('no name at all') readonly queue: Queue) {}
    }
    expect(Elsewhere).toBeDefined();
    const one = await world.start({ imports: [OqronModule.forRoot()], providers: [SenderOfOne] });
    expect(one.get(OqronEngine).health().state).toBe('started');
  });
});

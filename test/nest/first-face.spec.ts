import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { defineQueue, type JobContext } from 'oqronkit';
import { InjectQueue, OqronModule, Worker, type QueueOf } from 'oqronkit/nestjs';

const Double = defineQueue<{ n: number }, number>('double');

@Injectable()
class Doubler {
  readonly seen: string[] = [];

  @Worker(Double)
  async double(data: { n: number }, ctx: JobContext<{ n: number }>): Promise<number> {
    this.seen.push(ctx.id);
    return data.n * 2;
  }
}

@Injectable()
class Sender {
  constructor(@InjectQueue(Double) readonly queue: QueueOf<typeof Double>) {}
}

@Module({ imports: [OqronModule.forRoot({})], providers: [Doubler, Sender] })
class App {}

describe('OqronModule', () => {
  it('runs', async () => {
    const app = await Test.createTestingModule({ imports: [App] }).compile();
    await app.init();
    const { queue } = app.get(Sender);
    const { id } = await queue.add({ n: 21 });
    for (;;) {
      const job = await queue.getJob(id);
      if (job?.status === 'completed') {
        expect(job.returnValue).toBe(42);
        break;
      }
      await new Promise(setImmediate);
    }
    await app.close();
  });
});

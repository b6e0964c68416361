import type { INestApplicationContext } from '@nestjs/common';
import { OqronEngine, type Job, type JobOptions } from 'oqronkit';
import type { NestWorld } from './nest-world.js';

/** Adds a job, lets everything that is due happen, and answers what became of it. */
export async function jobAfter(
  world: NestWorld,
  app: INestApplicationContext,
  queue: string,
  data: unknown,
  options?: JobOptions,
): Promise<Job> {
  const producer = app.get(OqronEngine).producer(queue);
  // With its name first: a payload that is a text would be taken for one.
  const { id } = await producer.add(options?.name ?? 'default', data, options);
  await world.clock.settle();
  const job = await producer.getJob(id);
  if (!job) throw new Error(`the job ${id} of ${queue} is gone`);
  return job;
}

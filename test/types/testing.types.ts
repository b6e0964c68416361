// Compiled, never run: what the test kits take, and what they answer.
import { defineQueue, queue, systemClock, type JobHandle, type OqronConfig } from 'oqronkit';
import { OqronModule } from 'oqronkit/nestjs';
import { OqronTestingModule } from 'oqronkit/nestjs/testing';
import { createTestEngine, VirtualClock, type EnqueuedJob } from 'oqronkit/testing';
import type { Equal, Expect } from './expect.js';

interface Mails {
  welcome: { to: string };
  reset: { token: string };
}

const Square = defineQueue<{ n: number }, number>('square');
const Text = defineQueue<string, void>('text');
const Mail = defineQueue<Mails, string>('mail');

const { tester, clock } = createTestEngine();
const real = createTestEngine({}, { clock: systemClock });

export async function typed() {
  const job = await queue(Square).add({ n: 1 });
  const result = await tester.run(Square, { n: 2 }, { delay: '1h' });
  const named = await tester.run(Mail, 'welcome', { to: 'ada' });
  const byName = await tester.run('square', { any: 'thing' });
  const completed = await tester.waitFor(job, 'completed');
  const failed = await tester.waitFor(job, 'failed', { timeout: '1s' });
  const enqueued = tester.enqueued(Square);
  const resets = tester.enqueued(Mail, 'reset');
  const all = tester.enqueued();
  await tester.run(Text, 'a payload');
  await tester.run(Text, 'a-name', 'a payload', { attempts: 2 });

  // @ts-expect-error not the payload of the contract
  void tester.run(Square, { n: 'two' });
  // @ts-expect-error not the payload of this name
  void tester.run(Mail, 'welcome', { token: 't' });
  // @ts-expect-error the text would be taken for the job's name
  void tester.run(Text, 'a payload', { attempts: 2 });
  // @ts-expect-error no such state
  void tester.waitFor(job, 'done');
  // @ts-expect-error no such option of the configuration
  void createTestEngine({ projekt: 'shop' });
  // @ts-expect-error the mode is what the kit takes away
  void OqronTestingModule.forRoot({ mode: 'redis' });

  return { result, named, byName, completed, failed, enqueued, resets, all };
}

type Answers = Awaited<ReturnType<typeof typed>>;

export type Types = [
  Expect<Equal<typeof clock, VirtualClock>>,
  Expect<Equal<typeof real.clock, typeof systemClock>>,
  Expect<Equal<Answers['result'], number>>,
  Expect<Equal<Answers['named'], string>>,
  Expect<Equal<Answers['byName'], unknown>>,
  Expect<Equal<Answers['completed'], number>>,
  Expect<Equal<Answers['failed'], JobHandle<{ n: number }, number>>>,
  Expect<Equal<Answers['enqueued'], EnqueuedJob<{ n: number }>[]>>,
  Expect<Equal<Answers['resets'], EnqueuedJob<{ token: string }>[]>>,
  Expect<Equal<Answers['all'], EnqueuedJob[]>>,
];

export const liveness: OqronConfig = { liveness: { file: '/tmp/alive', port: 0, host: '0.0.0.0', interval: '5s' } };
export const inNest = OqronModule.forRoot({ liveness: { port: 9090 } });
// @ts-expect-error no such option
export const wrong: OqronConfig = { liveness: { path: '/tmp/alive' } };

import { afterEach, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, UseGuards, type CanActivate } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { OqronEngine, type JobContext } from 'oqronkit';
import { JOB_REF, OnJob, OqronModule, Payload, Worker } from 'oqronkit/nestjs';
import { until } from '../support/until.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A run of 100 000 takes half a minute: `OQRON_JOBS=100000`. */
const JOBS = Number(process.env['OQRON_JOBS'] ?? 20_000);
/** Of them, those with a guard and a listener. */
const GUARDED = 5_000;
/** Every so many instances one is watched: watching all of them would be a leak itself. */
const SAMPLE = 20;

const made = new Map<string, number>();
const watched: { readonly what: string; readonly ref: WeakRef<object> }[] = [];

function watch(instance: object): void {
  const what = instance.constructor.name;
  const count = (made.get(what) ?? 0) + 1;
  made.set(what, count);
  if (count % SAMPLE === 0) watched.push({ what, ref: new WeakRef(instance) });
}

@Injectable({ scope: Scope.REQUEST })
class PerJob {
  constructor(@Inject(JOB_REF) readonly job: JobContext) {
    watch(this);
  }
}

@Injectable({ scope: Scope.TRANSIENT })
class PerHost {
  constructor() {
    watch(this);
  }
}

@Injectable({ scope: Scope.REQUEST })
class Guard implements CanActivate {
  constructor(readonly own: PerJob) {
    watch(this);
  }

  canActivate(): boolean {
    return this.own.job.attempt === 1;
  }
}

let ran = 0;
let heard = 0;

@Injectable()
class Scoped {
  constructor(
    readonly own: PerJob,
    readonly other: PerHost,
  ) {
    watch(this);
  }

  @Worker('scoped', { concurrency: 100, keepHistory: false })
  run(): void {
    ran += 1;
  }
}

@Injectable()
class Guarded {
  constructor(readonly own: PerJob) {
    watch(this);
  }

  @Worker('guarded', { concurrency: 100, keepHistory: false })
  @UseGuards(Guard)
  run(@Payload('n') n: number): void {
    ran += n;
  }
}

@Injectable()
class Listener {
  constructor(@Inject(JOB_REF) readonly event: object) {
    watch(this);
  }

  @OnJob('success', 'guarded')
  done(): void {
    heard += 1;
  }
}

let app: TestingModule | undefined;
afterEach(() => app?.close());

it(`nothing of a job stays behind: ${JOBS} jobs with scoped hosts, dependencies, guards and listeners`, async () => {
  app = await Test.createTestingModule({
    imports: [OqronModule.forRoot({ logger: false })],
    providers: [Scoped, Guarded, Listener, PerJob, PerHost],
  }).compile();
  await app.init();
  const engine = app.get(OqronEngine);
  const run = async (queue: string, jobs: number): Promise<void> => {
    const producer = engine.producer<{ n: number }>(queue);
    const chunk = Array.from({ length: 1_000 }, () => ({ data: { n: 1 } }));
    const before = ran;
    for (let added = 0; added < jobs; added += chunk.length) await producer.addBulk(chunk);
    await until('all jobs', () => ran - before === jobs, 100_000);
  };
  const heap = async (): Promise<number> => {
    // A weak reference that was made or read in this turn keeps its target until the turn is over.
    await new Promise<void>((next) => setImmediate(next));
    collect();
    return process.memoryUsage().heapUsed;
  };
  await run('scoped', 5_000);
  await run('guarded', GUARDED);
  await until('all events', () => heard === GUARDED);
  const warm = await heap();
  await run('scoped', JOBS - GUARDED - 5_000);
  const end = await heap();
  expect(Object.fromEntries(made)).toEqual({
    PerJob: JOBS,
    PerHost: JOBS - GUARDED,
    Scoped: JOBS - GUARDED,
    Guarded: GUARDED,
    Guard: GUARDED,
    Listener: GUARDED,
  });
  const alive = watched.filter(({ ref }) => ref.deref() !== undefined);
  expect(watched.length).toBeGreaterThan((3 * JOBS) / SAMPLE);
  expect(alive.map(({ what }) => what)).toEqual([]);
  // Of 100 000 jobs less than 50 bytes each stay, the weak references of this test among them. A smaller run has the same
  // noise; an instance that stays takes some hundreds of bytes.
  expect(end - warm).toBeLessThan(50 * Math.min(Math.max(JOBS, 50_000), 100_000));
}, 120_000);

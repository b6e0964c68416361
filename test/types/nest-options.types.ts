// Compiled, never run: options from dependency injection, and listeners.
import { Injectable } from '@nestjs/common';
import { defineQueue, type StoredError } from 'oqronkit';
import {
  Handler,
  OnJob,
  Queue,
  Worker,
  type InjectedValue,
  type OnJobEvent,
  type OnJobPayload,
  type OnJobQueueEvent,
} from 'oqronkit/nestjs';
import type { Equal, Expect } from './expect.js';

interface Video {
  file: string;
}

const Encode = defineQueue<Video, string>('encode');
const settings = Symbol('settings');

class Config {
  constructor(readonly env: string) {}

  number(key: string): number {
    return key.length;
  }
}

abstract class Vault {
  abstract secret(): Promise<number>;
}

@Injectable()
export class RightOptions {
  @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.number('X') }) })
  byClass(video: Video): string {
    return video.file;
  }

  @Worker(Encode, {
    inject: [Vault, { token: Config, optional: true }],
    useFactory: async (vault, config) => ({ concurrency: (await vault.secret()) + (config?.number('X') ?? 0) }),
  })
  later(video: Video): string {
    return video.file;
  }

  @Queue(Encode, {
    inject: ['NAME', settings],
    useFactory: (name: string, { n }: { n: number }) => ({ concurrency: name.length + n }),
  })
  bySaying(video: Video): string {
    return video.file;
  }

  @Queue('by-name', { useFactory: () => ({ concurrency: 2 }) })
  alone(): void {}

  @Worker({ inject: [Config], useFactory: (config) => ({ topic: config.env, concurrency: 2 }) })
  topic(): void {}

  @Queue({ inject: [Config], useFactory: (config) => ({ name: config.env }) })
  name(): void {}

  @Worker(Encode, {
    useFactory: () => ({ hooks: { onSuccess: (job, url) => `${job.data.file} ${url.toUpperCase()}` } }),
  })
  hooks(video: Video): string {
    return video.file;
  }
}

@Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.number('X') }) })
export class RightClass {
  @Handler('default')
  run(): string {
    return 'x';
  }
}

@Injectable()
export class WrongOptions {
  @Worker(Encode, {
    inject: [Config],
    // @ts-expect-error a method that the class does not have
    useFactory: (config) => ({ concurrency: config.text('X') }),
  })
  method(video: Video): string {
    return video.file;
  }

  // @ts-expect-error another class than the one that is injected
  @Worker(Encode, { inject: [Config], useFactory: (vault: Vault) => ({ concurrency: Number(vault) }) })
  otherClass(video: Video): string {
    return video.file;
  }

  @Worker(Encode, {
    inject: [{ token: Config, optional: true }],
    // @ts-expect-error it may be missing
    useFactory: (config) => ({ concurrency: config.number('X') }),
  })
  optional(video: Video): string {
    return video.file;
  }

  // @ts-expect-error nothing is injected
  @Worker(Encode, { useFactory: (config: Config) => ({ concurrency: config.number('X') }) })
  nothing(video: Video): string {
    return video.file;
  }

  // @ts-expect-error an option of another type
  @Worker(Encode, { useFactory: () => ({ concurrency: 'many' }) })
  value(video: Video): string {
    return video.file;
  }

  // @ts-expect-error no options
  @Worker(Encode, { useFactory: () => 5 })
  number(video: Video): string {
    return video.file;
  }

  // @ts-expect-error no topic
  @Worker({ useFactory: () => ({ concurrency: 5 }) })
  topic(): void {}

  // @ts-expect-error options beside a factory
  @Worker(Encode, { useFactory: () => ({ concurrency: 5 }), concurrency: 5 })
  both(video: Video): string {
    return video.file;
  }

  // @ts-expect-error another payload than the contract's, with a factory too
  @Worker(Encode, { inject: [Config], useFactory: (config) => ({ concurrency: config.number('X') }) })
  payload(video: { file: number }): string {
    return String(video.file);
  }
}

@Injectable()
export class RightListeners {
  @OnJob('success', Encode)
  success({ result, durationMs }: OnJobPayload<'success', string>): string {
    return result.slice(durationMs);
  }

  @OnJob('success', Encode)
  inPart({ id, result }: { id: string; result: string }): string {
    return id + result;
  }

  @OnJob('fail')
  async fail({ error }: { error: StoredError }): Promise<string | undefined> {
    return Promise.resolve(error.stack);
  }

  @OnJob('fail')
  @OnJob('stalled', 'by-name')
  @OnJob('queue:paused', Encode, { scope: 'cluster' })
  several({ queue }: { queue: string }): string {
    return queue;
  }

  @OnJob('success', Encode, { scope: 'cluster' })
  cluster({ queue, durationMs }: OnJobPayload<'success', string, 'cluster'>): string {
    return queue + durationMs;
  }

  @OnJob('system:ready')
  @OnJob('error')
  nothing(): void {}

  @OnJob('fail', { inject: [Config], useFactory: (config) => ({ queue: config.env, scope: 'cluster' }) })
  made({ error }: { error: { message: string } }): string {
    return error.message;
  }

  @OnJob('fail', Encode, { inject: [Config], useFactory: (config) => ({ scope: config.env ? 'cluster' : 'process' }) })
  madeOfContract({ id }: { id: string }): string {
    return id;
  }

  @OnJob('cancelled', 'by-name', { useFactory: async () => Promise.resolve({ scope: 'cluster' as const }) })
  madeOfName({ reason }: { reason?: string }): string | undefined {
    return reason;
  }
}

@Injectable()
export class WrongListeners {
  // @ts-expect-error the names of jobs' events have no prefix
  @OnJob('job:success')
  prefix(): void {}

  // @ts-expect-error no such event
  @OnJob('sucess')
  typo(): void {}

  // @ts-expect-error another result than the contract's
  @OnJob('success', Encode)
  result({ result }: { result: number }): number {
    return result;
  }

  // @ts-expect-error without a contract nobody knows the result
  @OnJob('success')
  unknownResult({ result }: { result: string }): string {
    return result;
  }

  // @ts-expect-error results do not travel
  @OnJob('success', Encode, { scope: 'cluster' })
  travel({ result }: { result: string }): string {
    return result;
  }

  // @ts-expect-error what is made at start may say cluster, and then there is no stack
  @OnJob('fail', { useFactory: () => ({}) })
  stack({ error }: { error: { stack: string | undefined } }): string | undefined {
    return error.stack;
  }

  // @ts-expect-error an event of no queue
  @OnJob('system:ready', Encode)
  queue(): void {}

  // @ts-expect-error no such scope
  @OnJob('fail', { scope: 'world' })
  scope(): void {}

  // @ts-expect-error the payload of another event
  @OnJob('fail')
  other(event: OnJobPayload<'progress'>): number | undefined {
    return event.progress.percent;
  }

  // @ts-expect-error not a method
  @OnJob('fail')
  field = 'x';
}

// @ts-expect-error not a class decorator
@OnJob('fail')
export class ListenerClass {}

export type Types = [
  Expect<Equal<InjectedValue<typeof Config>, Config>>,
  Expect<Equal<InjectedValue<typeof Vault>, Vault>>,
  Expect<Equal<InjectedValue<'NAME'>, unknown>>,
  Expect<
    Equal<
      Extract<OnJobEvent, 'success' | 'stalled' | 'error' | 'job:fail' | 'leader:lost'>,
      'success' | 'stalled' | 'error' | 'leader:lost'
    >
  >,
  Expect<
    Equal<
      Extract<OnJobQueueEvent, 'success' | 'queue:paused' | 'error' | 'system:ready' | 'leader:lost'>,
      'success' | 'queue:paused'
    >
  >,
];

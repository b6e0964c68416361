// Compiled, never run: decorators check payloads and results against the contract.
import { Injectable } from '@nestjs/common';
import { defineQueue, type JobContext, type Queue as OqronQueue } from 'oqronkit';
import { Handler, InjectQueue, Queue, Worker, type QueueOf } from 'oqronkit/nestjs';
import type { Equal, Expect } from './expect.js';

interface Video {
  file: string;
  bitrate: number;
}

const Encode = defineQueue<Video, string>('encode');
const Other = defineQueue<{ to: string }, void>('other');

interface Mails {
  welcome: { to: string };
  reset: { to: string; token: string };
}

const Mail = defineQueue<Mails, string>('mail');

@Injectable()
export class RightHandlers {
  @Queue(Encode)
  async byQueue(video: Video, ctx: JobContext<Video>): Promise<string> {
    return `${video.file} ${ctx.id}`;
  }

  @Worker(Encode, { concurrency: 2 })
  byWorker(video: Video): string {
    return video.file;
  }

  @Worker(Encode)
  withLess({ file }: { file: string }): string {
    return file;
  }

  @Worker(Encode)
  withNothing(): string {
    return 'x';
  }

  @Worker(Encode, { hooks: { onSuccess: (job, url) => `${job.data.file} ${url}` } })
  withHooks(video: Video): string {
    return video.file;
  }

  @Queue('by-name')
  byName(data: { anything: true }): number {
    return Number(data.anything);
  }

  @Worker({ topic: 'by-topic', concurrency: 2 })
  byTopic(data: { anything: true }, ctx: JobContext): string {
    return ctx.id + String(data);
  }
}

@Injectable()
export class WrongHandlers {
  // @ts-expect-error another payload
  @Queue(Encode)
  payloadOfQueue(video: { file: number }): string {
    return String(video.file);
  }

  // @ts-expect-error a payload with a field more
  @Worker(Encode)
  payloadOfWorker(video: Video & { codec: string }): string {
    return video.codec;
  }

  // @ts-expect-error another result
  @Queue(Encode)
  resultOfQueue(video: Video): number {
    return video.bitrate;
  }

  // @ts-expect-error another result, later
  @Worker(Encode)
  async resultOfWorker(video: Video): Promise<number> {
    return video.bitrate;
  }

  // @ts-expect-error no result where one is promised
  @Worker(Encode)
  noResult(video: Video): void {
    void video;
  }

  // @ts-expect-error another context
  @Worker(Encode)
  contextOfWorker(video: Video, ctx: JobContext<{ to: string }>): string {
    return video.file + ctx.data.to;
  }

  // @ts-expect-error more parameters than a handler gets
  @Worker(Encode)
  parameters(video: Video, ctx: JobContext<Video>, more: string): string {
    return video.file + ctx.id + more;
  }

  // @ts-expect-error not a method
  @Worker(Encode)
  field = 'x';

  // @ts-expect-error a hook of another result
  @Worker(Encode, { hooks: { onSuccess: (_job, result: number) => result } })
  hook(video: Video): string {
    return video.file;
  }

  // @ts-expect-error no such option
  @Worker(Encode, { concurency: 2 })
  option(video: Video): string {
    return video.file;
  }
}

@Injectable()
@Worker(Mail, { concurrency: 2, hooks: { onSuccess: (_job, result) => result.length } })
export class RightNames {
  @Handler(Mail, 'welcome')
  async byContract(mail: Mails['welcome'], ctx: JobContext<Mails['welcome']>): Promise<string> {
    return mail.to + ctx.data.to;
  }

  @Handler(Mail, 'reset')
  withLess({ to }: { to: string }): string {
    return to;
  }

  @Handler(Mail, 'reset')
  withNothing(): string {
    return 'x';
  }

  @Handler('anything')
  byName(data: { anything: true }, ctx: JobContext): number {
    return Number(data.anything) + ctx.attempt;
  }
}

@Worker('by-name')
export abstract class ByName {
  constructor(readonly mail: string) {}
}

@Worker({ topic: 'by-topic', concurrency: 2 })
export class ByTopic {}

@Injectable()
@Worker(Mail)
export class WrongNames {
  // @ts-expect-error the payload of another name
  @Handler(Mail, 'welcome')
  payload(mail: Mails['reset']): string {
    return mail.token;
  }

  // @ts-expect-error another result
  @Handler(Mail, 'welcome')
  result(mail: Mails['welcome']): number {
    return mail.to.length;
  }

  // @ts-expect-error another result, later
  @Handler(Mail, 'welcome')
  async resultLater(mail: Mails['welcome']): Promise<number> {
    return mail.to.length;
  }

  // @ts-expect-error the context of another name
  @Handler(Mail, 'welcome')
  context(mail: Mails['welcome'], ctx: JobContext<Mails['reset']>): string {
    return mail.to + ctx.data.token;
  }

  // @ts-expect-error a name that the contract does not have
  @Handler(Mail, 'goodbye')
  name(): string {
    return 'x';
  }

  // @ts-expect-error a name is needed
  @Handler(Mail)
  nameless(): string {
    return 'x';
  }

  // @ts-expect-error more parameters than a handler gets
  @Handler('anything')
  parameters(mail: unknown, ctx: JobContext, more: string): string {
    return String(mail) + ctx.id + more;
  }

  // @ts-expect-error not a method
  @Handler(Mail, 'welcome')
  field = 'x';
}

// @ts-expect-error not a class decorator
@Handler(Mail, 'welcome')
export class NamedClass {}

// @ts-expect-error not a class decorator
@Queue(Mail)
export class QueueClass {}

// @ts-expect-error a hook of another result
@Worker(Mail, { hooks: { onSuccess: (_job, result: number) => result } })
export class WrongHook {}

// @ts-expect-error no such option
@Worker(Mail, { concurency: 2 })
export class WrongOption {}

// @ts-expect-error the methods are the handlers
@Worker(Mail, { handlers: {} })
export class OwnHandlers {}

@Injectable()
export class RightProducers {
  @InjectQueue(Encode) readonly byProperty!: QueueOf<typeof Encode>;
  @InjectQueue('by-name') readonly byName!: OqronQueue<{ anything: true }>;

  constructor(
    @InjectQueue(Encode) readonly videos: QueueOf<typeof Encode>,
    @InjectQueue(Other) readonly others: OqronQueue<{ to: string }, void>,
    @InjectQueue('by-name') readonly named: OqronQueue<{ anything: true }>,
  ) {}
}

@Injectable()
export class WrongParameter {
  constructor(
    // @ts-expect-error a queue of another payload
    @InjectQueue(Encode) readonly videos: OqronQueue<{ to: string }, string>,
  ) {}
}

@Injectable()
export class WrongResult {
  constructor(
    // @ts-expect-error a queue of another result
    @InjectQueue(Encode) readonly videos: OqronQueue<Video, number>,
  ) {}
}

@Injectable()
export class NoQueue {
  constructor(
    // @ts-expect-error not a queue
    @InjectQueue(Encode) readonly videos: string,
  ) {}
}

@Injectable()
export class WrongProperty {
  // @ts-expect-error a queue of another payload
  @InjectQueue(Encode) readonly videos!: OqronQueue<{ to: string }, string>;

  // @ts-expect-error a queue of another result
  @InjectQueue(Encode) readonly results!: OqronQueue<Video, number>;

  // @ts-expect-error not a queue
  @InjectQueue(Encode) readonly none!: string;
}

export type Types = [Expect<Equal<QueueOf<typeof Other>, OqronQueue<{ to: string }, void>>>];

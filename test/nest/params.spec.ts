import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Body,
  createParamDecorator,
  DefaultValuePipe,
  Injectable,
  ParseIntPipe,
  Query,
  UsePipes,
  type ArgumentMetadata,
  type ExecutionContext,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import { defineQueue, type InvalidOptionsError, type JobContext } from 'oqronkit';
import { Ctx, Handler, OnJob, OqronExecutionContext, OqronModule, Payload, Worker } from 'oqronkit/nestjs';
import { jobAfter } from '../support/nest-jobs.js';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

interface MailJob {
  to: string;
  copies?: string;
  from?: { name: string };
}

const Mail = defineQueue<MailJob, unknown>('mail');

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

/** What the method of the only worker answers for a payload. */
async function answerOf(type: Type, data: unknown, ...more: Type[]): Promise<unknown> {
  const nest = await world.start({ imports: [OqronModule.forRoot({})], providers: [type, ...more] });
  const job = await jobAfter(world, nest, 'mail', data, { name: 'welcome' });
  return job.status === 'completed' ? job.returnValue : [job.status, job.attemptMade, job.error?.message];
}

async function problemsOf(...types: Type[]): Promise<readonly string[]> {
  const nest = await world.compile({ imports: [OqronModule.forRoot({})], providers: types });
  return (await failureOf<InvalidOptionsError>(nest.init())).problems;
}

describe('@Payload and @Ctx', () => {
  it('give the payload, a field of it, the context and a property of it, in any order', async () => {
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(
        @Ctx() ctx: JobContext<MailJob>,
        @Payload('to') to: string,
        @Payload() mail: MailJob,
        @Ctx() { signal }: JobContext,
        @Payload('missing') missing: unknown,
      ) {
        return [ctx.data.to, to, mail, signal instanceof AbortSignal, missing === undefined];
      }
    }
    expect(await answerOf(Mailer, { to: 'ada' })).toEqual(['ada', 'ada', { to: 'ada' }, true, true]);
  });

  it('without any of them a method gets the payload and the context', async () => {
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(mail: MailJob, ctx: JobContext<MailJob>) {
        return [mail, ctx.name];
      }
    }
    expect(await answerOf(Mailer, { to: 'ada' })).toEqual([{ to: 'ada' }, 'welcome']);
  });

  it('work on methods with @Handler, are inherited, and see nothing where the payload is nothing', async () => {
    class Base {
      @Handler('welcome')
      welcome(@Payload('to') to: string | undefined, @Ctx() { name }: JobContext): unknown {
        return [to ?? 'nobody', name];
      }
    }
    @Injectable()
    @Worker(Mail)
    class Mailer extends Base {}
    expect(await answerOf(Mailer, { to: 'ada' })).toEqual(['ada', 'welcome']);
    await world.end();
    expect(await answerOf(Mailer, null)).toEqual(['nobody', 'welcome']);
  });

  it('take pipes: instances, and classes with what they inject', async () => {
    @Injectable()
    class Book {
      readonly lines: unknown[] = [];
    }
    @Injectable()
    class Shout implements PipeTransform {
      constructor(private readonly book: Book) {}

      transform(value: string, { type, data, metatype }: ArgumentMetadata): string {
        this.book.lines.push([type, data, metatype?.name]);
        return `${value.toUpperCase()} (${this.book.lines.length})`;
      }
    }
    @Injectable()
    class Mailer {
      constructor(private readonly book: Book) {}

      @Worker<unknown, unknown>(Mail)
      send(
        @Payload('to', Shout) to: string,
        @Payload('copies', new DefaultValuePipe('1'), ParseIntPipe) copies: number,
        @Payload(new DefaultValuePipe({ to: 'x' })) mail: MailJob,
        @Payload('from', { pipes: [new DefaultValuePipe({ name: 'oqron' })] }) from: { name: string },
      ) {
        return [to, copies, mail, from.name, this.book.lines];
      }
    }
    expect(await answerOf(Mailer, { to: 'ada' }, Book)).toEqual([
      'ADA (1)',
      1,
      { to: 'ada' },
      'oqron',
      [['body', 'to', 'String']],
    ]);
    await world.end();
    expect(await answerOf(Mailer, { to: 'ada', copies: 'three' }, Book)).toEqual([
      'failed',
      1,
      'Validation failed (numeric string is expected)',
    ]);
  });

  it('the pipes of a method and its class see the payload as a body, and leave the context alone', async () => {
    const seen: unknown[] = [];
    class Look implements PipeTransform {
      transform(value: unknown, { type, data }: ArgumentMetadata): unknown {
        seen.push([type, data]);
        return type === 'body' ? { piped: value } : value;
      }
    }
    @Injectable()
    @UsePipes(Look)
    class Plain {
      @Worker(Mail)
      send(mail: unknown, ctx: JobContext) {
        return [mail, ctx.name];
      }
    }
    expect(await answerOf(Plain, { to: 'ada' })).toEqual([{ piped: { to: 'ada' } }, 'welcome']);
    await world.end();
    @Injectable()
    class Decorated {
      @Worker<unknown, unknown>(Mail)
      @UsePipes(Look)
      send(@Ctx() ctx: JobContext, @Payload('to') to: unknown) {
        return [to, ctx.name];
      }
    }
    expect(await answerOf(Decorated, { to: 'ada' })).toEqual([{ piped: 'ada' }, 'welcome']);
    expect(seen).toEqual([
      ['body', undefined],
      ['custom', undefined],
      ['body', 'to'],
      ['custom', undefined],
    ]);
  });

  it('stand beside decorators of createParamDecorator, and @Body means the payload', async () => {
    const Tenant = createParamDecorator((field: string, context: ExecutionContext) => {
      const job = OqronExecutionContext.create(context);
      return `${field} of ${job.getPayload<MailJob>().to} in ${job.getQueue()} at ${context.getClass().name}`;
    });
    @Injectable()
    class Mailer {
      @Worker<unknown, unknown>(Mail)
      send(@Tenant('tenant') tenant: string, @Body('to') to: string) {
        return [tenant, to];
      }
    }
    expect(await answerOf(Mailer, { to: 'ada' })).toEqual(['tenant of ada in mail at Mailer', 'ada']);
  });

  it('give a listener its event', async () => {
    const heard: unknown[] = [];
    @Injectable()
    class Listener {
      @OnJob('success', Mail)
      fields(@Payload('name') name: string, @Payload() event: { queue: string }): void {
        heard.push([name, event.queue]);
      }
    }
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(): void {}
    }
    await answerOf(Mailer, { to: 'ada' }, Listener);
    expect(heard).toEqual([['welcome', 'mail']]);
  });
});

describe('a mistake with parameters', () => {
  it('is one without a decorator beside others: it would be undefined', async () => {
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(@Payload('to') to: string, ctx: JobContext<MailJob>): unknown {
        return [to, ctx];
      }
    }
    expect(await problemsOf(Mailer)).toEqual([
      expect.stringMatching(/^Mailer\.send: parameter 2 would be undefined: [^]*Potential solutions:\n- Put @Payload/),
    ]);
  });

  it('is a decorator of HTTP requests, which jobs cannot fill', async () => {
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(@Query('to') to: string): unknown {
        return to;
      }
    }
    expect(await problemsOf(Mailer)).toEqual([expect.stringMatching(/^Mailer\.send: parameter 1 would be undefined/)]);
  });

  it('is a text where @Payload(field) was forgotten: the job says so', async () => {
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(to: string): unknown {
        return to;
      }
    }
    expect(await answerOf(Mailer, { to: 'ada' })).toEqual([
      'delayed',
      1,
      expect.stringMatching(
        /^Mailer\.send takes a string, and the payload of the job is an object\..*@Payload\('field'\)/,
      ),
    ]);
  });

  it('and a text is none where the payload is one', async () => {
    @Injectable()
    class Mailer {
      @Worker('mail')
      send(to: string): unknown {
        return `to ${to}`;
      }
    }
    expect(await answerOf(Mailer, 'ada')).toBe('to ada');
  });

  it('is a decorator on a constructor', () => {
    expect(() => {
      class Wrong {
        constructor(@Payload() readonly mail: unknown) {}
      }
      return Wrong;
    }).toThrow(/for parameters of methods/);
  });
});

// Compiled, never run: methods whose parameters have decorators, beside decorators that know the payload.
import { createParamDecorator, DefaultValuePipe, Injectable, ParseIntPipe } from '@nestjs/common';
import { defineQueue, type JobContext } from 'oqronkit';
import { Ctx, Handler, OnJob, Payload, Queue, Worker } from 'oqronkit/nestjs';

interface Mail {
  to: string;
  copies?: number;
  from: { name: string };
}

const Mails = defineQueue<Mail, string>('mails');
const Named = defineQueue<{ welcome: Mail; reset: { token: string } }, string>('named');
const Texts = defineQueue<string>('texts');
const Tenant = createParamDecorator(() => new Date());

@Injectable()
export class Right {
  @Worker(Mails)
  field(@Payload('to') to: string, @Ctx() ctx: JobContext): string {
    return to + ctx.id;
  }

  @Worker(Mails)
  oneField(@Payload('to') to: string): string {
    return to;
  }

  @Queue(Mails, { concurrency: 2 })
  async anyOrder(
    @Ctx() ctx: JobContext<Mail>,
    @Payload('from') from: { name: string },
    @Payload('copies', new DefaultValuePipe(1)) copies: number,
    @Payload() mail: Mail,
  ): Promise<string> {
    return ctx.data.to + from.name + mail.to + copies;
  }

  @Worker(Mails)
  plain(@Payload() mail: Mail, @Ctx() ctx: JobContext<Mail>): string {
    return mail.to + ctx.id;
  }

  @Worker(Mails)
  looser(@Payload() mail: { to: string }, @Payload('to') to: unknown): string {
    return mail.to + String(to);
  }

  @Worker<unknown, string>(Mails)
  ownDecorator(@Tenant() tenant: Date, @Payload('to', ParseIntPipe) to: number): string {
    return String(tenant) + to;
  }

  @Handler(Named, 'reset')
  named(@Payload('token') token: string): string {
    return token;
  }

  @Worker('by-name')
  byName(@Ctx() ctx: JobContext, @Payload('n') n: number): string {
    return ctx.id + n;
  }

  @OnJob('success', Mails)
  listener(@Payload('id') id: string, @Payload('result') result: string): void {
    void [id, result];
  }

  @OnJob('fail', Mails)
  plainListener(event: { id: string }): void {
    void event;
  }
}

@Injectable()
export class Wrong {
  // @ts-expect-error no field of the payload
  @Worker(Mails)
  field(@Payload('at') at: Date): string {
    return String(at);
  }

  // @ts-expect-error another result
  @Worker(Mails)
  result(@Payload('to') to: string): number {
    return to.length;
  }

  // @ts-expect-error another result, later
  @Worker(Mails)
  async later(@Payload('to') to: string): Promise<number> {
    return to.length;
  }

  // @ts-expect-error another result, whatever the parameters
  @Worker<unknown, string>(Mails)
  anyResult(@Tenant() tenant: Date): number {
    return tenant.getTime();
  }

  // @ts-expect-error a payload of another shape
  @Worker(Mails)
  payload(@Payload() mail: { to: number }): string {
    return String(mail.to);
  }

  // @ts-expect-error the context of another payload
  @Worker(Mails)
  context(@Payload('to') to: string, @Ctx() ctx: JobContext<{ other: true }>): string {
    return to + String(ctx.data.other);
  }

  // @ts-expect-error a field of another name
  @Handler(Named, 'reset')
  named(@Payload('copies') copies: number): string {
    return String(copies);
  }

  // @ts-expect-error a text has no fields
  @Worker(Texts)
  text(@Payload('length') length: number): void {
    void length;
  }

  // @ts-expect-error no field of the event
  @OnJob('success', Mails)
  listener(@Payload('at') at: Date): void {
    void at;
  }
}

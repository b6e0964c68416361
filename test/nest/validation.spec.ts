import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, StandardSchemaValidationPipe, UsePipes, ValidationPipe, type Type } from '@nestjs/common';
import { Type as TypeOf } from 'class-transformer';
import { IsEmail, IsInt, Min, ValidateNested } from 'class-validator';
import { defineQueue, InvalidPayloadError, OqronEngine, type JobContext } from 'oqronkit';
import { Ctx, OqronModule, Payload, Worker } from 'oqronkit/nestjs';
import * as v from 'valibot';
import { z } from 'zod';
import { jobAfter } from '../support/nest-jobs.js';
import { NestWorld } from '../support/nest-world.js';
import { failureOf } from '../support/until.js';

class Sender {
  @IsEmail()
  address!: string;
}

class MailDto {
  @IsEmail()
  to!: string;

  @IsInt()
  @Min(1)
  copies!: number;

  @ValidateNested()
  @TypeOf(() => Sender)
  from!: Sender;
}

const GOOD = { to: 'ada@example.com', copies: 2, from: { address: 'o@example.com' } };
const BAD = { to: 'ada', copies: 0, from: { address: 'nobody' } };

let world: NestWorld;
beforeEach(() => {
  world = new NestWorld();
});
afterEach(() => world.end());

async function run(type: Type, data: unknown) {
  const nest = await world.start({ imports: [OqronModule.forRoot({})], providers: [type] });
  const { status, attemptMade, returnValue, error } = await jobAfter(world, nest, 'mail', data);
  await world.end();
  return status === 'completed' ? returnValue : { status, attemptMade, message: error?.message };
}

const refused = (message: string) => ({ status: 'failed', attemptMade: 1, message });

describe('ValidationPipe with class-validator', () => {
  const MESSAGE = 'Bad Request: to must be an email; copies must not be less than 1; from.address must be an email';

  it('validates the payload of a plain handler, and gives it as an instance of its class', async () => {
    @Injectable()
    class Mailer {
      @Worker('mail', { retries: { max: 3 } })
      @UsePipes(new ValidationPipe({ transform: true }))
      send(mail: MailDto, ctx: JobContext): unknown {
        return [mail instanceof MailDto, mail.from instanceof Sender, mail.copies, ctx.attempt];
      }
    }
    expect(await run(Mailer, GOOD)).toEqual([true, true, 2, 1]);
    expect(await run(Mailer, BAD)).toEqual(refused(MESSAGE));
  });

  it('validates a decorated parameter, with a pipe of its own or of the class', async () => {
    @Injectable()
    class Own {
      @Worker('mail')
      send(@Ctx() _ctx: JobContext, @Payload(new ValidationPipe()) mail: MailDto): unknown {
        return mail.to;
      }
    }
    @Injectable()
    @UsePipes(ValidationPipe)
    class OfClass {
      @Worker('mail')
      send(@Payload('from') from: Sender): unknown {
        return from.address;
      }
    }
    expect(await run(Own, GOOD)).toBe('ada@example.com');
    expect(await run(Own, BAD)).toEqual(refused(MESSAGE));
    expect(await run(OfClass, GOOD)).toBe('o@example.com');
    expect(await run(OfClass, BAD)).toEqual(refused('Bad Request: address must be an email'));
  });

  it('with another status says by it whether the job is retried', async () => {
    @Injectable()
    class Later {
      @Worker('mail', { retries: { max: 3, strategy: 'fixed', baseDelay: '1m' } })
      @UsePipes(new ValidationPipe({ errorHttpStatusCode: 503 }))
      send(_mail: MailDto): void {}
    }
    expect(await run(Later, BAD)).toMatchObject({ status: 'delayed', attemptMade: 1 });
  });
});

describe('a Standard Schema at a parameter', () => {
  const zodMail = z.object({ to: z.email(), copies: z.string().transform(Number) });
  const valibotMail = v.object({
    to: v.pipe(v.string(), v.email('no address')),
    copies: v.pipe(v.string(), v.toNumber()),
  });

  it.each([
    ['zod', zodMail, 'Bad Request: to: Invalid email address; copies: Invalid input: expected string, received number'],
    ['valibot', valibotMail, 'Bad Request: to: no address; copies: Invalid type: Expected string but received 1'],
  ])(
    'of %s is validated without any pipe, and the method gets what it made of the payload',
    async (_name, schema, message) => {
      @Injectable()
      class Mailer {
        @Worker('mail', { retries: { max: 3 } })
        send(@Payload({ schema }) mail: unknown): unknown {
          return mail;
        }
      }
      expect(await run(Mailer, { to: 'ada@example.com', copies: '3' })).toEqual({ to: 'ada@example.com', copies: 3 });
      expect(await run(Mailer, { to: 'ada', copies: 1 })).toEqual(refused(message));
    },
  );

  it('is validated once where the method, its class or the parameter has the pipe already', async () => {
    class Sub extends StandardSchemaValidationPipe {}
    @Injectable()
    class OfMethod {
      @Worker('mail')
      @UsePipes(StandardSchemaValidationPipe)
      send(@Payload({ schema: zodMail }) mail: unknown): unknown {
        return mail;
      }
    }
    @Injectable()
    @UsePipes(new Sub())
    class OfClass {
      @Worker('mail')
      send(@Payload('copies', { schema: z.string().transform(Number) }) copies: unknown): unknown {
        return copies;
      }
    }
    @Injectable()
    class OfParameter {
      @Worker('mail')
      send(@Payload({ schema: zodMail, pipes: [Sub] }) mail: unknown): unknown {
        return mail;
      }
    }
    const mail = { to: 'ada@example.com', copies: '3' };
    expect(await run(OfMethod, mail)).toEqual({ ...mail, copies: 3 });
    expect(await run(OfClass, mail)).toBe(3);
    expect(await run(OfParameter, mail)).toEqual({ ...mail, copies: 3 });
  });

  it('runs before the pipes of its parameter', async () => {
    @Injectable()
    class Mailer {
      @Worker('mail')
      send(
        @Payload('copies', { schema: z.string().transform(Number), pipes: [{ transform: (n: number) => n + 1 }] })
        copies: unknown,
      ): unknown {
        return copies;
      }
    }
    expect(await run(Mailer, { copies: '3' })).toBe(4);
  });
});

describe('the schema of a contract', () => {
  const schema = z.object({ to: z.email() });
  const Mail = defineQueue('mail', { schema });

  it('refuses a payload at add(), before anything is stored, and again before the handler', async () => {
    const ran: string[] = [];
    @Injectable()
    class Mailer {
      @Worker(Mail)
      send(@Payload('to') to: string): void {
        ran.push(to);
      }
    }
    const nest = await world.start({ imports: [OqronModule.forRoot({})], providers: [Mailer] });
    const engine = nest.get(OqronEngine);
    const problem = await failureOf<InvalidPayloadError>(engine.producer(Mail).add({ to: 'ada' }));
    expect(problem).toBeInstanceOf(InvalidPayloadError);
    expect(problem.issues).toEqual([expect.objectContaining({ path: ['to'] })]);
    expect(await engine.producer(Mail).count('waiting')).toBe(0);
    await engine.producer(Mail).add({ to: 'ada@example.com' });
    await world.clock.settle();
    expect(ran).toEqual(['ada@example.com']);
  });
});

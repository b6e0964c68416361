import { Controller, Get, Injectable, Module, type INestApplication } from '@nestjs/common';
import { context, SpanKind, trace, type Span } from '@opentelemetry/api';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineQueue } from 'oqronkit';
import { InjectQueue, OqronModule, Queue, type QueueOf } from 'oqronkit/nestjs';
import { openTelemetry } from 'oqronkit/opentelemetry';
import { Telemetry } from '../support/telemetry.js';
import { until } from '../support/until.js';

const Mail = defineQueue<{ to: string }>('mail');

@Controller()
class Api {
  constructor(@InjectQueue(Mail) private readonly mail: QueueOf<typeof Mail>) {}

  @Get('welcome')
  async welcome(): Promise<{ id: string }> {
    await Promise.resolve();
    return { id: (await this.mail.add({ to: 'ada' })).id };
  }
}

@Injectable()
class Mailer {
  @Queue(Mail)
  async send(): Promise<void> {
    await Promise.resolve();
    trace.getTracer('smtp').startSpan('smtp').end();
  }
}

@Module({
  controllers: [Api],
  providers: [Mailer],
  imports: [
    OqronModule.forRootAsync({
      useFactory: () => ({ logger: false, instrumentation: openTelemetry({ relation: 'child' }) }),
    }),
  ],
})
class AppModule {}

describe('OpenTelemetry in an application', () => {
  let telemetry: Telemetry;
  let app: INestApplication;
  beforeEach(async () => {
    telemetry = new Telemetry();
    const compiled = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = compiled.createNestApplication({ logger: false });
    // As the instrumentation of HTTP does.
    app.use((req: { url: string }, res: { on(event: 'finish', end: () => void): void }, next: () => void) => {
      const span: Span = trace.getTracer('http').startSpan(`GET ${req.url}`, { kind: SpanKind.SERVER });
      res.on('finish', () => span.end());
      context.with(trace.setSpan(context.active(), span), next);
    });
    await app.listen(0, '127.0.0.1');
  });
  afterEach(async () => {
    await app.close();
    await telemetry.end();
  });

  it('shows one trace from the request over the job to what its handler does', async () => {
    const answer = await fetch(`${await app.getUrl()}/welcome`);
    const { id } = (await answer.json()) as { id: string };
    await until('the handler', () => telemetry.spansOf('process mail').length === 1);
    const chain = ['GET /welcome', 'send mail', 'process mail', 'smtp'].map((name) => telemetry.spansOf(name)[0]);
    const ids = chain.map((span) => span?.spanContext().spanId);
    expect(ids.every((one) => typeof one === 'string')).toBe(true);
    expect(chain.map((span) => span?.parentSpanContext?.spanId)).toEqual([undefined, ...ids.slice(0, -1)]);
    expect(chain[2]?.attributes['messaging.message.id']).toBe(id);
  });
});

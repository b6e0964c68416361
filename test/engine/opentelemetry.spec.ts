import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { NonRetryableError, ReleaseError } from 'oqronkit';
import { openTelemetry } from 'oqronkit/opentelemetry';
import { Telemetry } from '../support/telemetry.js';
import { failureOf, thrownBy } from '../support/until.js';
import { World } from '../support/world.js';
import { wrapBackend } from '../support/wrapped-backend.js';

let world: World;
let telemetry: Telemetry;
beforeEach(() => {
  world = new World();
  telemetry = new Telemetry();
});
afterEach(async () => {
  await world.end();
  await telemetry.end();
});

/** Runs `code` in a span of the application's own, such as that of an HTTP request. */
function request<T>(code: () => Promise<T>): Promise<T> {
  return trace.getTracer('test').startActiveSpan('GET /', async (span) => {
    try {
      return await code();
    } finally {
      span.end();
    }
  });
}

describe('traces', () => {
  it('have a producer span in the trace of the request, and a linked consumer span in which the handler runs', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    let active: string | undefined;
    const queue = engine.queue<{ to: string }>({
      name: 'mail',
      handler: async () => {
        await Promise.resolve();
        active = trace.getActiveSpan()?.spanContext().spanId;
        trace.getTracer('test').startSpan('smtp').end();
      },
    });
    await engine.start();
    const { id } = await request(() => queue.add({ to: 'ada' }, { correlationId: 'c' }));
    await world.clock.advance('1s');
    const [send] = telemetry.spansOf('send mail');
    const [process] = telemetry.spansOf('process mail');
    const [http] = telemetry.spansOf('GET /');
    const [smtp] = telemetry.spansOf('smtp');
    expect(send?.kind).toBe(SpanKind.PRODUCER);
    expect(send?.parentSpanContext?.spanId).toBe(http?.spanContext().spanId);
    expect(send?.attributes).toEqual({
      'messaging.system': 'oqronkit',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'send',
      'messaging.destination.name': 'mail',
      'messaging.message.id': id,
      'messaging.message.conversation_id': 'c',
      'oqron.job.name': 'default',
    });
    expect(process?.kind).toBe(SpanKind.CONSUMER);
    expect(process?.parentSpanContext).toBeUndefined();
    expect(process?.spanContext().traceId).not.toBe(send?.spanContext().traceId);
    expect(process?.links.map((link) => link.context.spanId)).toEqual([send?.spanContext().spanId]);
    expect(process?.attributes).toMatchObject({
      'messaging.operation.type': 'process',
      'messaging.message.id': id,
      'oqron.job.attempt': 1,
      'oqron.job.max_attempts': 4,
      'oqron.job.wait_ms': 0,
    });
    expect(active).toBe(process?.spanContext().spanId);
    expect(smtp?.parentSpanContext?.spanId).toBe(active);
  });

  it('go on in one trace with relation: child, from the request over a job to the job that it adds', async () => {
    const engine = world.engine({ instrumentation: openTelemetry({ relation: 'child' }) });
    const queue = engine.queue<number>({
      name: 'q',
      handler: async ({ data }) => {
        if (data > 0) await queue.add(data - 1);
      },
    });
    await engine.start();
    await request(() => queue.add(1));
    await world.clock.advance('1s');
    const traces = new Set(telemetry.spans.map((span) => span.spanContext().traceId));
    expect(traces.size).toBe(1);
    const names = telemetry.spans.map(({ name }) => name).toSorted();
    expect(names).toEqual(['GET /', 'process q', 'process q', 'send q', 'send q']);
    const [first] = telemetry.spansOf('process q');
    expect(first?.parentSpanContext?.spanId).toBe(telemetry.spansOf('send q')[0]?.spanContext().spanId);
  });

  it('carry the baggage of the sender to the handler', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const seen: unknown[] = [];
    const queue = engine.queue<number>({
      name: 'q',
      handler: () => void seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value),
    });
    await engine.start();
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } });
    await context.with(propagation.setBaggage(context.active(), baggage), () => queue.add(1));
    await queue.add(2);
    await world.clock.advance('1s');
    expect(seen).toEqual(['acme', undefined]);
  });

  it('have one span for a bulk, to which each of its jobs is linked', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const queue = engine.queue<number>({ name: 'q', handler: () => undefined });
    await engine.start();
    await queue.addBulk([{ data: 1 }, { data: 2 }, { data: 3 }]);
    await world.clock.advance('1s');
    const [send] = telemetry.spansOf('send q');
    expect(send?.attributes['messaging.batch.message_count']).toBe(3);
    expect(send?.attributes).not.toHaveProperty('messaging.message.id');
    const links = telemetry.spansOf('process q').map((span) => span.links[0]?.context.spanId);
    expect(links).toEqual([1, 2, 3].map(() => send?.spanContext().spanId));
  });

  it('have one span for a call of processBatch, linked to the span of each job', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const queue = engine.queue<number>({
      name: 'q',
      retries: { max: 0 },
      processBatch: (ctxs) =>
        Promise.allSettled(ctxs.map(({ data }) => (data === 2 ? Promise.reject(new Error('no')) : Promise.resolve(1)))),
    });
    const jobs = [await queue.add(1), await queue.add(2)];
    await engine.start();
    await world.clock.advance('1s');
    const [process] = telemetry.spansOf('process q');
    expect(process?.attributes).toMatchObject({ 'messaging.batch.message_count': 2, 'oqron.batch.failed_count': 1 });
    expect(process?.links.map((link) => link.context.spanId)).toEqual(
      telemetry.spansOf('send q').map((span) => span.spanContext().spanId),
    );
    expect(process?.links.map((link) => link.attributes?.['messaging.message.id'])).toEqual(jobs.map(({ id }) => id));
  });

  it('record what a handler throws, each attempt in a span of its own', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const queue = engine.queue<string>({
      name: 'q',
      retries: { max: 1, baseDelay: 10 },
      handler: ({ attempt }) => {
        if (attempt === 1) throw new TypeError('the first');
        throw Object.assign(new NonRetryableError('the second'), { code: 'BAD_INPUT' });
      },
    });
    await engine.start();
    await queue.add('x');
    await world.clock.advance('1m');
    const runs = telemetry.spansOf('process q');
    expect(runs.map(({ status }) => status)).toEqual([
      { code: SpanStatusCode.ERROR, message: 'the first' },
      { code: SpanStatusCode.ERROR, message: 'the second' },
    ]);
    expect(runs.map(({ attributes }) => attributes['error.type'])).toEqual(['TypeError', 'BAD_INPUT']);
    expect(runs[0]?.events[0]?.attributes?.['exception.message']).toBe('the first');
    const sender = telemetry.spansOf('send q')[0]?.spanContext().spanId;
    expect(runs.map(({ links }) => links[0]?.context.spanId)).toEqual([sender, sender]);
  });

  it('end when an attempt is given up, although its handler never returns', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const queue = engine.queue<number>({ name: 'q', timeout: '1s', retries: { max: 0 }, handler: () => world.never() });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('10s');
    const [process] = telemetry.spansOf('process q');
    expect(process?.status.code).toBe(SpanStatusCode.ERROR);
    expect(process?.attributes['error.type']).toBe('JOB_ABORTED');
  });

  it('take a job that is handed back for no error, and a refused add for one', async () => {
    const engine = world.engine({ instrumentation: openTelemetry() });
    const queue = engine.queue<number>({
      name: 'q',
      handler: () => {
        throw new ReleaseError(60_000);
      },
    });
    await engine.start();
    await queue.add(1);
    await world.clock.advance('1s');
    const [process] = telemetry.spansOf('process q');
    expect(process?.status.code).toBe(SpanStatusCode.UNSET);
    expect(process?.attributes['oqron.job.released']).toBe(true);
    await failureOf(queue.add(2, { dependsOn: ['nobody'] }));
    expect(telemetry.spansOf('send q')[1]?.attributes['error.type']).toBe('UNKNOWN_PARENT');
  });

  it('are not made with traces: false, and nothing travels with jobs', async () => {
    const engine = world.engine({ instrumentation: openTelemetry({ traces: false }) });
    const queue = engine.queue<number>({ name: 'q', handler: () => undefined });
    await engine.start();
    const { id } = await request(() => queue.add(1));
    await world.clock.advance('1s');
    expect(telemetry.spans.map(({ name }) => name)).toEqual(['GET /']);
    expect((await world.backend.store.admin.get('q', id))?.meta).toEqual({});
  });
});

describe('metrics', () => {
  it('count jobs by outcome, their attempts, durations and waits in seconds, and what stands in the queues', async () => {
    const { meterProvider } = telemetry;
    const engine = world.engine({ instrumentation: openTelemetry({ traces: false, meterProvider }) });
    const queue = engine.queue<string>({
      name: 'q',
      concurrency: 1,
      retries: { max: 1, baseDelay: 10 },
      handler: async ({ data }) => {
        await world.clock.sleep('2s');
        if (data === 'fails') throw new Error('no');
      },
    });
    engine.producer('later');
    await queue.add('default', 'works');
    await queue.add('default', 'fails');
    const cancelled = await queue.add('default', 'is cancelled');
    await cancelled.cancel();
    await queue.add('default', 'waits', { delay: '1h' });
    await engine.start();
    await world.clock.advance('1m');
    const found = await telemetry.collect();
    const of = (name: string, ...keys: string[]): Record<string, unknown> =>
      Object.fromEntries(
        (found.get(name)?.points ?? []).map(({ attributes, value }) => [
          keys.map((key) => attributes[key]).join(' '),
          typeof value === 'number' ? value : [value.count, value.sum],
        ]),
      );
    const queueName = 'messaging.destination.name';
    const outcome = 'oqron.job.outcome';
    expect(of('oqron.jobs.added', queueName)).toEqual({ q: 4 });
    expect(of('oqron.jobs', queueName, outcome)).toEqual({ 'q completed': 1, 'q failed': 1, 'q cancelled': 1 });
    expect(of('oqron.job.duration', queueName, outcome)).toEqual({
      'q completed': [1, 2],
      'q retried': [1, 2],
      'q failed': [1, 2],
    });
    expect(of('oqron.job.attempts', queueName)).toEqual({ q: [2, 3] });
    // The second one waits for the only slot, 2 s; its retry does not.
    expect(of('oqron.job.wait', queueName)).toEqual({ q: [3, 2] });
    expect(of('oqron.queue.depth', queueName, 'oqron.job.state')).toMatchObject({
      'q waiting': 0,
      'q delayed': 1,
      'q active': 0,
      'q completed': 1,
      'q failed': 1,
      'q cancelled': 1,
    });
    expect(of('oqron.jobs.running')).toEqual({ '': 0 });
    expect(of('oqron.leader')).toEqual({ '': 1 });
    const units = Object.fromEntries([...found].map(([name, { unit }]) => [name, unit]));
    expect(units).toMatchObject({
      'oqron.jobs': '{job}',
      'oqron.queue.depth': '{job}',
      'oqron.job.duration': 's',
      'oqron.job.wait': 's',
      'oqron.job.attempts': '{attempt}',
    });
  });

  it('read the store once per collection, for so many queues and no more, and nothing once the engine has stopped', async () => {
    let reads = 0;
    const backend = wrapBackend(world.backend, (operation, _args, run) => {
      if (operation === 'admin.counts') reads += 1;
      return run();
    });
    const { meterProvider } = telemetry;
    const engine = world.engine({ instrumentation: openTelemetry({ meterProvider, maxQueues: 2 }) }, { backend });
    for (const name of ['a', 'b', 'c']) await engine.producer(name).add(1);
    const first = await telemetry.collect();
    const queues = first
      .get('oqron.queue.depth')
      ?.points.map(({ attributes }) => attributes['messaging.destination.name']);
    expect([...new Set(queues)]).toEqual(['a', 'b']);
    expect(reads).toBe(2);
    await engine.stop();
    await telemetry.collect();
    expect(reads).toBe(2);
  });
});

it('refuses an unknown relation', () => {
  expect(thrownBy(() => openTelemetry({ relation: 'parent' as never }))).toMatchObject({ code: 'INVALID_OPTIONS' });
});

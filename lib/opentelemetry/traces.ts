import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { ReleaseError } from '../kernel/errors/index.js';
import { isA, textOf } from '../kernel/job/stored-error.js';
import type { OqronInstrumentation, RunningJob } from '../kernel/runtime/instrumentation.js';
import { attempt, BATCH_COUNT, ERROR_TYPE, errorType, identity, operation } from './attributes.js';

/** How a run's span relates to the span that added the job. @publicApi */
export type SpanRelation = 'link' | 'child';

type Traces = Required<Pick<OqronInstrumentation, 'onEnqueue' | 'wrapEnqueue' | 'wrap' | 'wrapBatch'>>;

export function tracesOf(tracer: Tracer, relation: SpanRelation): Traces {
  return {
    // Called inside of `wrapEnqueue`: what is active is the span of the add.
    onEnqueue: ({ headers }) => propagation.inject(context.active(), headers),

    wrapEnqueue: ({ queueName, jobs, bulk }, next) => {
      const [first] = jobs;
      const about: Attributes = bulk ? { [BATCH_COUNT]: jobs.length } : first ? identity(first) : {};
      const attributes = { ...operation('send', queueName), ...about };
      const span = tracer.startSpan(`send ${queueName}`, { kind: SpanKind.PRODUCER, attributes });
      return within(trace.setSpan(context.active(), span), new OpenSpan(span), next);
    },

    wrap: (job, next) => {
      const sender = propagation.extract(ROOT_CONTEXT, job.headers);
      const child = relation === 'child';
      // What the sender put into the baggage goes on; its span does not.
      const parent = child ? sender : trace.deleteSpan(sender);
      const attributes = { ...operation('process', job.queueName), ...identity(job), ...attempt(job) };
      const links = child ? [] : linksTo([[job, sender]], false);
      const kind = SpanKind.CONSUMER;
      const span = new OpenSpan(tracer.startSpan(`process ${job.queueName}`, { kind, attributes, links }, parent));
      endWhenGivenUp(span, [job]);
      return within(trace.setSpan(parent, span.span), span, next);
    },

    wrapBatch: (jobs, next) => {
      const [{ queueName }] = jobs as readonly [RunningJob];
      const senders = jobs.map((job) => [job, propagation.extract(ROOT_CONTEXT, job.headers)] as const);
      const attributes = { ...operation('process', queueName), [BATCH_COUNT]: jobs.length };
      const options = { kind: SpanKind.CONSUMER, attributes, links: linksTo(senders, true) };
      const span = new OpenSpan(tracer.startSpan(`process ${queueName}`, options, ROOT_CONTEXT));
      endWhenGivenUp(span, jobs);
      return within(trace.setSpan(ROOT_CONTEXT, span.span), span, () =>
        next().then((answer) => countFailed(span, answer)),
      );
    },
  };
}

/** A span that is ended once, by whatever comes first. */
class OpenSpan {
  #open = true;

  constructor(readonly span: Span) {}

  end(error?: unknown): void {
    if (!this.#open) return;
    this.#open = false;
    // Handed back: nothing went wrong, the job runs again.
    if (error !== undefined && isA(error, ReleaseError)) this.span.setAttribute('oqron.job.released', true);
    else if (error !== undefined) this.#failed(error);
    this.span.end();
  }

  #failed(error: unknown): void {
    const message = textOf(error);
    this.span.recordException(isA(error, Error) ? error : message);
    this.span.setAttribute(ERROR_TYPE, errorType(error));
    this.span.setStatus({ code: SpanStatusCode.ERROR, message });
  }
}

/** Runs `next` in a context, and ends the span as it ends. */
function within<T>(active: Context, span: OpenSpan, next: () => Promise<T>): Promise<T> {
  return context.with(active, next).then(
    (value) => {
      span.end();
      return value;
    },
    (error: unknown) => {
      span.end(error ?? new Error(String(error)));
      throw error;
    },
  );
}

/** A handler that timed out, or lost its job, may never return; what it does from now on counts for nothing. */
function endWhenGivenUp(span: OpenSpan, jobs: readonly RunningJob[]): void {
  // One that nobody sampled may stay open, and a signal has its price.
  if (!span.span.isRecording()) return;
  let open = jobs.length;
  for (const { context: job } of jobs) {
    const { signal } = job;
    const given = (): void => {
      // A job that is told to stop because the process ends may still do so, and complete.
      if (job.abortReason?.kind === 'shutdown') return;
      open -= 1;
      if (open === 0) span.end(job.abortReason);
    };
    if (signal.aborted) given();
    else signal.addEventListener('abort', given, { once: true });
  }
}

function linksTo(senders: readonly (readonly [RunningJob, Context])[], named: boolean): Link[] {
  return senders.flatMap(([job, sender]) => {
    const spanContext = trace.getSpanContext(sender);
    return spanContext ? [{ context: spanContext, ...(named ? { attributes: identity(job) } : {}) }] : [];
  });
}

/** Items of a batch fail one by one; the call itself did not. */
function countFailed({ span }: OpenSpan, answer: unknown): void {
  if (!Array.isArray(answer)) return;
  const failed = answer.filter(
    (one: unknown) => Object(one) === one && Reflect.get(one as object, 'status') === 'rejected',
  );
  if (failed.length > 0) span.setAttribute('oqron.batch.failed_count', failed.length);
}

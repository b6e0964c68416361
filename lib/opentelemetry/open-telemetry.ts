import { metrics, trace, type MeterProvider, type TracerProvider } from '@opentelemetry/api';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { OqronInstrumentation } from '../kernel/runtime/instrumentation.js';
import { meterOf } from './metrics.js';
import { tracesOf, type SpanRelation } from './traces.js';

/** The name under which spans and metrics are made. */
const SCOPE = 'oqronkit';

/** @publicApi */
export interface OpenTelemetryOptions {
  /** `false`: no spans, and no trace context travels with jobs. @default true */
  traces?: boolean;
  /** `false`: no metrics. @default true */
  metrics?: boolean;
  /**
   * How the span of a job's run relates to the span that added it: linked, in a trace of its own, or its child, in the
   * same trace. Links fit jobs that run later, again, or in batches. @default 'link'
   */
  relation?: SpanRelation;
  /** Queues, the first ones by name, whose jobs are counted for each collection: two reads of the store each. @default 100 */
  maxQueues?: number;
  /** @default the global one */
  tracerProvider?: TracerProvider;
  /** @default the global one */
  meterProvider?: MeterProvider;
}

/**
 * Traces and metrics through `@opentelemetry/api`, which has to be installed; an SDK of yours exports them. Spans follow
 * the semantic conventions for messaging: `send <queue>` around an add, `process <queue>` around each run of a handler,
 * in whose context the handler runs.
 *
 * @throws InvalidOptionsError
 * @example
 * const engine = new OqronEngine({ instrumentation: openTelemetry() });
 * @publicApi
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): OqronInstrumentation {
  const { relation = 'link', maxQueues, tracerProvider = trace, meterProvider = metrics } = options;
  if (relation !== 'link' && relation !== 'child') {
    throw new InvalidOptionsError('openTelemetry', [`relation: expected 'link' or 'child', got ${String(relation)}`]);
  }
  return {
    name: 'opentelemetry',
    ...(options.traces === false ? {} : tracesOf(tracerProvider.getTracer(SCOPE), relation)),
    ...(options.metrics === false ? {} : meterOf(meterProvider.getMeter(SCOPE), maxQueues)),
  };
}

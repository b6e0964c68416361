import type { Attributes } from '@opentelemetry/api';
import type { InstrumentedJob } from '../kernel/runtime/instrumentation.js';

// Names of the semantic conventions for messaging, and `oqron.` for what they do not have.
export const DESTINATION = 'messaging.destination.name';
const MESSAGE_ID = 'messaging.message.id';
export const BATCH_COUNT = 'messaging.batch.message_count';
export const ERROR_TYPE = 'error.type';
const CONVERSATION_ID = 'messaging.message.conversation_id';
const JOB_NAME = 'oqron.job.name';

/** What each span of an operation on a queue has. */
export function operation(type: 'send' | 'process', queue: string): Attributes {
  return {
    'messaging.system': 'oqronkit',
    'messaging.operation.type': type,
    'messaging.operation.name': type,
    [DESTINATION]: queue,
  };
}

/** What tells a job from others. */
export function identity({
  id,
  name,
  correlationId,
}: Pick<InstrumentedJob, 'id' | 'name' | 'correlationId'>): Attributes {
  return {
    [MESSAGE_ID]: id,
    [JOB_NAME]: name,
    ...(correlationId === undefined ? {} : { [CONVERSATION_ID]: correlationId }),
  };
}

/** What tells one run of a job from another. */
export function attempt({ attempt: number, maxAttempts, waitDuration }: InstrumentedJob): Attributes {
  return {
    'oqron.job.attempt': number,
    'oqron.job.max_attempts': maxAttempts,
    'oqron.job.wait_ms': waitDuration,
  };
}

/** A short and stable name for an error: its code, or its class. */
export function errorType(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'object';
}

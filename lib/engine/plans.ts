import { jsonCodec } from '../kernel/job/codec.js';
import type { ConsumerSpec } from '../kernel/runtime/consumer.js';
import type { QueueDefinition } from '../modules/queue/index.js';
import type { ProducerPlan } from '../modules/queue/new-job.js';
import { attemptOptions, consumerSpec, keepOf } from '../modules/queue/resolve.js';
import type { ResolvedConfig } from './config.js';
import type { Definition } from './definition.js';

/** What a queue puts on the jobs that are added through it. */
export function producerPlan({ name, settings }: QueueDefinition, config: ResolvedConfig): ProducerPlan {
  const attempts = attemptOptions(settings);
  const { defaultJobOptions: defaults } = config;
  return {
    queue: name,
    codec: settings.codec ?? jsonCodec,
    ...(settings.schema ? { schema: settings.schema } : {}),
    payloadBytes: config.limits.payloadBytes,
    attempts: Object.keys(attempts).length > 0 ? attempts : undefined,
    keep: keepOf(settings),
    priority: settings.priority,
    tags: [...new Set([...config.tags, ...(defaults.tags ?? []), ...(settings.tags ?? [])])],
    defaults,
  };
}

/** How a definition's jobs run in this engine. */
export function specOf(definition: Definition, config: ResolvedConfig): ConsumerSpec {
  const { kind, name, settings } = definition;
  return consumerSpec(kind, name, settings, {
    module: config.modules.get(kind) ?? {},
    job: config.defaultJobOptions,
    resultBytes: config.limits.resultBytes,
  });
}

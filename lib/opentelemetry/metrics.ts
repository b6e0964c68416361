import { diag, ValueType, type Attributes, type BatchObservableCallback, type Meter } from '@opentelemetry/api';
import { DepthReader, jobMetrics } from '../engine/job-metrics.js';
import { textOf } from '../kernel/job/stored-error.js';
import type { InstrumentedEngine, OqronInstrumentation } from '../kernel/runtime/instrumentation.js';
import { DESTINATION } from './attributes.js';

const OUTCOME = 'oqron.job.outcome';
const STATE = 'oqron.job.state';

/** Bounds in seconds: jobs last from milliseconds to an hour, and wait as long. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
const ATTEMPTS = [1, 2, 3, 4, 5, 10, 20];

type Metrics = Required<Pick<OqronInstrumentation, 'attach' | 'onSettled'>>;

/** Instruments are made once; each engine that is attached feeds them. */
export function meterOf(meter: Meter, maxQueues: number | undefined): Metrics {
  const count = (name: string, description: string): ((attributes: Attributes) => void) => {
    const counter = meter.createCounter(name, { description, unit: '{job}', valueType: ValueType.INT });
    return (attributes) => counter.add(1, attributes);
  };
  const seconds = (name: string, description: string): ((value: number, attributes: Attributes) => void) => {
    const advice = { explicitBucketBoundaries: SECONDS };
    const histogram = meter.createHistogram(name, { description, unit: 's', advice });
    return (value, attributes) => histogram.record(value, attributes);
  };
  const added = count('oqron.jobs.added', 'Jobs that this process added.');
  const ended = count('oqron.jobs', 'Jobs that ended in a transition of this process, by outcome.');
  const stalled = count('oqron.jobs.stalled', 'Jobs whose lease had expired when this process looked.');
  const lost = count('oqron.leases.lost', 'Attempts of this process that lost their job.');
  const duration = seconds('oqron.job.duration', 'How long attempts took, by outcome.');
  const wait = seconds('oqron.job.wait', 'How long jobs that were run could have run already.');
  const attempts = meter.createHistogram('oqron.job.attempts', {
    description: 'How many attempts jobs had that completed or failed.',
    unit: '{attempt}',
    valueType: ValueType.INT,
    advice: { explicitBucketBoundaries: ATTEMPTS },
  });
  const { attach, onSettled } = jobMetrics({
    added: (queue) => added({ [DESTINATION]: queue }),
    ended: (queue, how) => ended({ [DESTINATION]: queue, [OUTCOME]: how }),
    attempt: (queue, outcome, took) => duration(took, { [DESTINATION]: queue, [OUTCOME]: outcome }),
    waited: (queue, waited) => wait(waited, { [DESTINATION]: queue }),
    attempts: (queue, n) => attempts.record(n, { [DESTINATION]: queue }),
    stalled: (queue) => stalled({ [DESTINATION]: queue }),
    leaseLost: (queue) => lost({ [DESTINATION]: queue }),
  });
  return {
    onSettled: onSettled as Metrics['onSettled'],
    attach: (engine) => {
      const ends = [attach(engine), observe(meter, engine, maxQueues)];
      return () => ends.forEach((end) => end());
    },
  };
}

/** What is read when somebody collects. */
function observe(meter: Meter, engine: InstrumentedEngine, maxQueues: number | undefined): () => void {
  const reader = new DepthReader(engine, maxQueues);
  const gauge = (name: string, unit: string, description: string) =>
    meter.createObservableGauge(name, { description, unit, valueType: ValueType.INT });
  const depth = gauge('oqron.queue.depth', '{job}', 'Jobs of a queue in the store, by state.');
  const running = gauge('oqron.jobs.running', '{job}', 'Jobs that run in this process.');
  const leader = gauge('oqron.leader', '1', '1 while this process leads the sweep of all queues.');
  const instruments = [depth, running, leader];
  const callback: BatchObservableCallback = async (result) => {
    const health = engine.health();
    result.observe(running, health.running);
    if (health.leader) result.observe(leader, health.leader.state === 'leader' ? 1 : 0);
    try {
      for (const { queue, state, count } of await reader.read()) {
        result.observe(depth, count, { [DESTINATION]: queue, [STATE]: state });
      }
    } catch (error) {
      // The store does not answer: no figure is better than an old one.
      diag.warn(`oqronkit: queues cannot be counted: ${textOf(error)}`);
    }
  };
  meter.addBatchObservableCallback(callback, instruments);
  return () => meter.removeBatchObservableCallback(callback, instruments);
}

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { DepthReader, jobMetrics } from '../engine/job-metrics.js';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import type { InstrumentedEngine, OqronInstrumentation } from '../kernel/runtime/instrumentation.js';

/** Bounds in seconds: jobs last from milliseconds to an hour, and wait as long. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
const ATTEMPTS = [1, 2, 3, 4, 5, 10, 20];
const PREFIX = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** @publicApi */
export interface PrometheusOptions {
  /** Where the metrics are registered, for instance prom-client's global `register`. @default one of its own */
  register?: Registry;
  /** What all names begin with. Two engines on one register need different ones. @default 'oqron_' */
  prefix?: string;
  /** Queues, the first ones by name, whose jobs are counted for each scrape: two reads of the store each. @default 100 */
  maxQueues?: number;
  /** Upper bounds of durations and waits, in seconds. @default from 5 ms to an hour */
  buckets?: readonly number[];
}

/** @publicApi */
export interface PrometheusMetrics {
  readonly register: Registry;
  /** What the header `Content-Type` of an answer has to be. */
  readonly contentType: string;
  /** All metrics of the register as text. Counts the jobs of queues in the store. */
  text(): Promise<string>;
  /** Ends it, and takes its metrics out of the register. */
  close(): void;
}

/** An engine that can be watched; an `OqronEngine` is one. */
interface Watched extends InstrumentedEngine {
  instrument(instrumentation: OqronInstrumentation): () => void;
}

/**
 * Metrics of an engine for Prometheus, through `prom-client`, which has to be installed. They count from now on.
 *
 * @throws InvalidOptionsError
 * @example
 * const metrics = createPrometheusMetrics(engine);
 * http.createServer(async (_req, res) => {
 *   res.setHeader('Content-Type', metrics.contentType).end(await metrics.text());
 * }).listen(9464);
 * @publicApi
 */
export function createPrometheusMetrics(engine: Watched, options: PrometheusOptions = {}): PrometheusMetrics {
  const { register = new Registry(), prefix = 'oqron_', maxQueues, buckets = SECONDS } = options;
  if (!PREFIX.test(prefix)) {
    throw new InvalidOptionsError('createPrometheusMetrics', [`prefix: "${prefix}" cannot begin the name of a metric`]);
  }
  const names: Names = { register, prefix, made: [] };
  const sink = jobMetrics(countersOf(names, [...buckets]));
  gaugesOf(names, engine, maxQueues);
  const end = engine.instrument({ name: 'prometheus', ...sink });
  return {
    register,
    get contentType() {
      return register.contentType;
    },
    text: () => register.metrics(),
    close: () => {
      end();
      for (const name of names.made) register.removeSingleMetric(name);
    },
  };
}

interface Names {
  readonly register: Registry;
  readonly prefix: string;
  /** Of the metrics that were made. */
  readonly made: string[];
}

function nameOf({ prefix, made }: Names, name: string): string {
  made.push(`${prefix}${name}`);
  return `${prefix}${name}`;
}

function countersOf(names: Names, buckets: number[]): Parameters<typeof jobMetrics>[0] {
  const registers = [names.register];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: nameOf(names, name), help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, bounds: number[], ...labelNames: L[]) =>
    new Histogram({ name: nameOf(names, name), help, labelNames, buckets: bounds, registers });
  const added = counter('jobs_added_total', 'Jobs that this process added.', 'queue');
  const ended = counter('jobs_total', 'Jobs that ended in a transition of this process.', 'queue', 'outcome');
  const stalled = counter('jobs_stalled_total', 'Jobs whose lease had expired when this process looked.', 'queue');
  const lost = counter('leases_lost_total', 'Attempts of this process that lost their job.', 'queue');
  const duration = histogram('job_duration_seconds', 'How long attempts took.', buckets, 'queue', 'outcome');
  const wait = histogram('job_wait_seconds', 'How long jobs that were run could have run already.', buckets, 'queue');
  const attempts = histogram('job_attempts', 'Attempts of jobs that completed or failed.', ATTEMPTS, 'queue');
  return {
    added: (queue) => added.inc({ queue }),
    ended: (queue, outcome) => ended.inc({ queue, outcome }),
    attempt: (queue, outcome, seconds) => duration.observe({ queue, outcome }, seconds),
    waited: (queue, seconds) => wait.observe({ queue }, seconds),
    attempts: (queue, count) => attempts.observe({ queue }, count),
    stalled: (queue) => stalled.inc({ queue }),
    leaseLost: (queue) => lost.inc({ queue }),
  };
}

/** What is read when somebody scrapes. */
function gaugesOf(names: Names, engine: InstrumentedEngine, maxQueues: number | undefined): void {
  const reader = new DepthReader(engine, maxQueues);
  const depth = new Gauge({
    name: nameOf(names, 'queue_depth'),
    help: 'Jobs of a queue in the store.',
    labelNames: ['queue', 'state'],
    registers: [],
    async collect() {
      // The store may not answer: no figure is better than an old one, and the others must still be scraped.
      const depths = await reader.read().catch(() => []);
      this.reset();
      for (const { queue, state, count } of depths) this.set({ queue, state }, count);
    },
  });
  names.register.registerMetric(depth);
  const gauge = (name: string, help: string, value: () => number): void => {
    const made = new Gauge({
      name: nameOf(names, name),
      help,
      registers: [],
      collect() {
        this.set(value());
      },
    });
    names.register.registerMetric(made);
  };
  gauge('jobs_running', 'Jobs that run in this process.', () => engine.health().running);
  gauge('zombies', 'Handlers that were told to stop and still run past their grace.', () => engine.health().zombies);
  // Where a backend holds no elections every process sweeps.
  gauge('leader', '1 while this process leads the sweep of all queues.', () =>
    (engine.health().leader?.state ?? 'leader') === 'leader' ? 1 : 0,
  );
}

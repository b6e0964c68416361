import type { JobStore } from '../kernel/ports/job-store.js';
import type { Signals } from '../kernel/ports/signals.js';
import { Bench } from './bench.js';
import type { Process } from './process.js';

/**
 * What one case runs against: a store that nothing else uses. On a server, a fresh key prefix or schema will do.
 * @publicApi
 */
export interface ConformanceSubject {
  readonly store: JobStore;
  /** The backend's wake-up channel. Required unless the kit is told `signals: false`. */
  readonly signals?: Signals;
  /** Called when the case has ended, also after a failure. */
  close(): Promise<void>;
}

/**
 * Makes a fresh, isolated, opened subject. Called once per case.
 * @publicApi
 */
export type ConformanceFactory = () => Promise<ConformanceSubject>;

/** @publicApi */
export interface ConformanceOptions {
  /** `false` leaves out the cases about wake-up hints, for a store that has no channel. Default `true`. */
  readonly signals?: boolean;
  /** Longest wait (ms, real time) for a hint to arrive. Default 2 000. It is never slept through. */
  readonly signalDeadlineMs?: number;
  /** Exact names of cases that this backend cannot meet. A name that no case has is an error, so the list stays true. */
  readonly without?: readonly string[];
}

/**
 * One case of the kit, to be run by hand.
 * @publicApi
 */
export interface ConformanceCase {
  /** The concern it belongs to, for instance `settle`. */
  readonly suite: string;
  /** States the behaviour, and begins with the rule that it checks. Unique over the kit. */
  readonly name: string;
  /** Makes a subject, runs the case against it and closes it. Rejects when the store breaks the rule. */
  run(): Promise<void>;
}

/** `p` is a client process, `bench` the world around it: the clock, more processes, reads. */
export type CaseBody = (p: Process, bench: Bench) => Promise<void>;

/** Cases of one concern. */
export interface Suite {
  readonly name: string;
  readonly needsSignals: boolean;
  readonly cases: readonly { readonly name: string; readonly body: CaseBody }[];
}

/** Declares the cases of one concern in the shape that every test runner knows. */
export function suite(
  name: string,
  declare: (it: (name: string, body: CaseBody) => void) => void,
  options: { needsSignals?: boolean } = {},
): Suite {
  const cases: { name: string; body: CaseBody }[] = [];
  declare((caseName, body) => cases.push({ name: caseName, body }));
  return { name, needsSignals: options.needsSignals ?? false, cases };
}

/** Binds a case to a factory. */
export function bind(
  suiteName: string,
  { name, body }: Suite['cases'][number],
  factory: ConformanceFactory,
  options: ConformanceOptions,
): ConformanceCase {
  return {
    suite: suiteName,
    name,
    async run() {
      const subject = await factory();
      const bench = new Bench(subject.store, subject.signals, options.signalDeadlineMs);
      try {
        await body(bench.process('p'), bench);
        // Whatever a case did, it must have left the store in order.
        await bench.sound();
      } finally {
        await bench.close();
        await subject.close();
      }
    },
  };
}

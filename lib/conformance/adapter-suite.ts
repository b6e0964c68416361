import assert from 'node:assert/strict';
import type { MethodTable, OptionalMethod } from '../kernel/ports/adapter-methods.js';
import { systemClock } from '../kernel/ports/system-clock.js';
import type { ConformanceCase } from './suite.js';

/**
 * The time of an adapter under test. A `VirtualClock` that the adapter runs on is one; {@link realTime} is for an
 * adapter whose time is its server's.
 * @publicApi
 */
export interface ConformanceClock {
  /** The adapter's wall time: ms since the epoch. */
  now(): number;
  /** Lets at least `ms` pass. */
  advance(ms: number): Promise<void>;
}

/**
 * Time for an adapter that cannot be given a clock: the kit waits. The clocks of this machine and of the server have to
 * agree to well under a unit (see `unitMs`).
 * @publicApi
 */
export const realTime: ConformanceClock = {
  now: () => systemClock.now(),
  advance: (ms) => new Promise((passed) => systemClock.timer(ms, passed)),
};

/**
 * What one case runs against: an adapter whose data nothing else uses. On a server, a fresh key prefix will do.
 * @publicApi
 */
export interface AdapterSubject<A> {
  readonly adapter: A;
  readonly clock: ConformanceClock;
  /** Called when the case has ended, also after a failure. */
  close(): Promise<void>;
}

/**
 * Makes a fresh, isolated subject. Called once per case.
 * @publicApi
 */
export type AdapterFactory<A> = () => Promise<AdapterSubject<A>>;

/** @publicApi */
export interface AdapterConformanceOptions<A> {
  /**
   * Optional methods that the adapter does not have: cases that need one are left out. One case checks that the list is
   * true, so that nothing is left out by accident. Default: none.
   */
  readonly lacks?: readonly OptionalMethod<A>[];
  /** Exact names of cases that this adapter cannot meet. A name that no case has is an error, so the list stays true. */
  readonly without?: readonly string[];
  /**
   * One unit of time (ms). Locks and delays last a few units, and nothing is judged closer than one unit to its end.
   * Default 250, which a loaded machine keeps; a virtual clock does not care.
   */
  readonly unitMs?: number;
}

/** Time as the cases use it. */
export class Time {
  constructor(
    private readonly clock: ConformanceClock,
    private readonly unitMs: number,
  ) {}

  /** Wall time, ms since the epoch. */
  get now(): number {
    return this.clock.now();
  }

  /** So many units in ms. */
  ms(units: number): number {
    return units * this.unitMs;
  }

  /** Lets so many units pass. */
  async pass(units: number): Promise<void> {
    await this.clock.advance(this.ms(units));
  }
}

/** Longer than any case runs, on any machine (ms). */
export const LONG = 3_600_000;

/** The cases that need an optional method get an adapter that has it. */
export type AdapterBody<A> = (adapter: Required<A>, time: Time) => Promise<void>;

interface AdapterCase<A> {
  readonly name: string;
  readonly needs: readonly OptionalMethod<A>[];
  readonly body: AdapterBody<A>;
}

/** Cases of one concern. */
export interface AdapterSuite<A> {
  readonly name: string;
  readonly cases: readonly AdapterCase<A>[];
}

/** Declares the cases of one concern; `needs` are the optional methods without which a case is left out. */
export function adapterSuite<A>(
  name: string,
  declare: (it: (name: string, needs: readonly OptionalMethod<A>[], body: AdapterBody<A>) => void) => void,
): AdapterSuite<A> {
  const cases: AdapterCase<A>[] = [];
  declare((caseName, needs, body) => cases.push({ name: caseName, needs, body }));
  return { name, cases };
}

/** Binds the suites of a kit to a factory. `kit` names the calling function in errors. */
export function collectAdapterCases<A>(
  kit: string,
  table: MethodTable<A>,
  suites: readonly AdapterSuite<A>[],
  factory: AdapterFactory<A>,
  options: AdapterConformanceOptions<A>,
): ConformanceCase[] {
  const lacks = new Set<keyof A>(options.lacks);
  for (const name of lacks) {
    if (table[name] !== 'optional')
      throw new TypeError(`${kit}: options.lacks: "${String(name)}" is no optional method`);
  }
  const all = [hasMethods(table, lacks), ...suites];
  const without = new Set(options.without);
  const known = new Set(all.flatMap(({ cases }) => cases.map(({ name }) => name)));
  for (const name of without) {
    if (!known.has(name)) throw new TypeError(`${kit}: options.without names no case: "${name}"`);
  }
  return all.flatMap((suite) =>
    suite.cases
      .filter(({ name, needs }) => !without.has(name) && !needs.some((method) => lacks.has(method)))
      .map((one) => ({
        suite: suite.name,
        name: one.name,
        async run() {
          const subject = await factory();
          try {
            await one.body(subject.adapter as Required<A>, new Time(subject.clock, options.unitMs ?? 250));
          } finally {
            await subject.close();
          }
        },
      })),
  );
}

function hasMethods<A>(table: MethodTable<A>, lacks: ReadonlySet<keyof A>): AdapterSuite<A> {
  return adapterSuite('interface', (it) => {
    it('[interface] has every method but those that it is said to lack', [], async (adapter) => {
      for (const name of Object.keys(table) as (keyof A)[]) {
        const expected = lacks.has(name) ? 'undefined' : 'function';
        assert.equal(typeof adapter[name], expected, `${String(name)}: expected ${expected}`);
      }
    });
  });
}

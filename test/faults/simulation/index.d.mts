export interface SimulationRun {
  readonly seed: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** The whole run in few digits. */
  readonly hash: string;
  readonly breaches: readonly string[];
}

export interface SimulationTotal {
  readonly seeds: number;
  readonly jobs: number;
  readonly starts: number;
  readonly extraStarts: number;
  readonly explained: number;
  readonly lost: number;
  readonly stuck: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failed: readonly SimulationRun[];
}

/** A protection that is taken out, and the rules of which one is broken then. */
export interface Mutation {
  readonly by: readonly string[];
}

export const mutations: Readonly<Record<string, Mutation>>;

export function simulate(
  seed: number,
  options?: { readonly seconds?: number },
  mutation?: Mutation,
): Promise<SimulationRun>;

export function notice(mutation: Mutation): Promise<{ readonly seed: number; readonly rule: string } | undefined>;

export function explain(run: SimulationRun): string;

export interface Run {
  readonly perSecond: number;
}

export interface Row {
  readonly row: string;
  readonly peerName: string;
  readonly best?: boolean;
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  readonly spread: readonly [number, number];
  readonly pairs: number;
  readonly goal?: string;
  readonly met?: boolean;
}

export type Runs = Record<string, readonly Run[]>;

type Bound = number | Readonly<Record<string, number>>;

export function inTurn(
  rounds: number,
  sides: readonly string[],
  measure: (who: string) => Promise<Run>,
): Promise<Record<string, Run[]>>;
export function compareAll(
  row: {
    readonly row: string;
    readonly unit: string;
    readonly of: (run: Run) => number | undefined;
    readonly best?: boolean;
    readonly atLeast?: Bound;
    readonly atMost?: Bound;
    readonly oursAtMost?: number;
  },
  ours: string,
  peers: readonly string[],
  runs: Runs,
): Row[];

export interface Row {
  readonly scenario: string;
  readonly store: string;
  readonly pass: boolean;
  readonly broken: readonly string[];
  readonly violations: readonly { readonly invariant: string; readonly text: string }[];
}

interface Guarded {
  readonly name: string;
  readonly store: string;
  readonly faults: number;
  end(endMs: number): Promise<readonly string[]>;
}

export function within<T>(
  ms: number,
  work: Promise<T>,
): Promise<{ readonly ended: true; readonly value: T } | { readonly ended: false; readonly value?: undefined }>;

export function guarded<L extends Guarded>(
  lab: L,
  play: (lab: L) => Promise<Row>,
  limits: { readonly limitMs: number; readonly endMs: number },
): Promise<Row>;

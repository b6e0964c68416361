/** What specs use of it. */
export class Lab {
  constructor(
    run: {
      readonly folder: string;
      readonly seed: number;
      readonly quick?: boolean;
      say(text: string): void;
      library(patches?: readonly unknown[]): string;
    },
    scenario: { readonly name: string; readonly store: string; readonly size: Readonly<Record<string, number>> },
  );
  readonly name: string;
  readonly store: string;
  readonly faults: number;
  atEnd(work: () => unknown, what?: string): void;
  fleet(
    server: { connection(): unknown },
    base?: Readonly<Record<string, unknown>>,
  ): {
    start(
      name: string,
      config: Readonly<Record<string, unknown>>,
    ): {
      readonly pid: number;
      readonly alive: boolean;
      readonly ready: Promise<void>;
      freeze(): void;
    };
  };
  end(deadlineMs?: number): Promise<string[]>;
}

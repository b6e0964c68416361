export interface Switch {
  readonly feature: string;
  readonly file: string;
  /** What the file has exactly once. */
  readonly find: string;
  readonly replace: string;
  readonly spec: string;
  /** Full names of the tests that must fail. */
  readonly red: readonly string[];
  /** Full names of tests of the same spec that must pass all the same. */
  readonly green?: readonly string[];
  /** Only with `OQRON_TEETH=all`. */
  readonly more?: boolean;
}

export const switches: readonly Switch[];
export function chosen(env: NodeJS.ProcessEnv): readonly Switch[];
export function without(one: Switch): string;
export function whole(spec: string): string;

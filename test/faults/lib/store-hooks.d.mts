import type { JobStore } from 'oqronkit';

export interface CrashPoint {
  readonly op: string;
  readonly hit: number;
  readonly when: 'before' | 'lost' | 'after';
  readonly how: 'process' | 'connection';
  readonly about?: readonly string[];
  readonly found?: readonly string[];
  /** The call that noticed that the connection is gone. */
  readonly next?: string;
}

interface Hooks {
  readonly ledger: {
    note(...fields: readonly (string | number)[]): void;
    notes(list: readonly (readonly (string | number)[])[]): void;
  };
  readonly points?: readonly CrashPoint[];
  readonly unreachable: (text: string) => Error;
  readonly reached?: (point: CrashPoint) => void;
}

export function crashPoints(hooks: Hooks): {
  around<T>(
    op: string,
    args: unknown,
    run: () => Promise<T>,
    link?: { /** Ends the connection, and says how its caller hears of it. */ cut(): Error },
  ): Promise<T>;
};

export function hooked(store: JobStore, hooks: Hooks & { readonly override?: Partial<JobStore> }): JobStore;

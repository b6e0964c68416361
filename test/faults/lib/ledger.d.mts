export interface LedgerEvent {
  readonly at: number;
  readonly event: string;
  readonly queue: string;
  readonly id: string;
  readonly fence: number | undefined;
  readonly detail: string;
}

export interface Ledger {
  readonly who: string;
  readonly events: readonly LedgerEvent[];
}

type Field = string | number;

export function openLedger(
  folder: string,
  who: string,
): {
  note(event: string, queue?: Field, id?: Field, fence?: Field, detail?: Field): void;
  notes(list: readonly (readonly Field[])[]): void;
};
export function readEvents(text: string): LedgerEvent[];
export function readLedgers(folder: string): Ledger[];

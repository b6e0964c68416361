import type { Ledger } from './ledger.mjs';

export interface Row {
  readonly queue: string;
  readonly id: string;
  readonly status: string;
  readonly fence: number;
  readonly result?: string;
  readonly stalledCount?: number;
}

export interface Rules {
  readonly leaseMs?: number;
  readonly heartbeatMs?: number;
  readonly recoveryMs?: number;
  readonly drainMs?: number;
  readonly concurrency?: number;
  readonly abortMs?: number;
  readonly careless?: string;
  readonly cascades?: boolean;
  readonly exclusive?: boolean;
  readonly poisonStarts?: number;
  readonly ignore?: readonly string[];
  readonly extraStarts?: 0;
  readonly allowLost?: number;
}

export interface Verdict {
  readonly violations: readonly { readonly invariant: string; readonly text: string }[];
  readonly broken: readonly string[];
  readonly figures: {
    readonly jobs: number;
    readonly starts: number;
    readonly extraStarts: number;
    readonly explained: number;
    readonly causes: Readonly<Record<string, number>>;
    readonly lost: number;
    readonly stuck: number;
    readonly refused: number;
    readonly p99RecoveryMs?: number;
    readonly maxRecoveryMs?: number;
    readonly p99LateMs?: number;
  };
}

export function check(
  input: { readonly ledgers: readonly Ledger[]; readonly states?: readonly Row[]; readonly fsck?: readonly unknown[] },
  rules?: Rules,
): Verdict;

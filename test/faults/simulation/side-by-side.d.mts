import type { SimulationTotal } from './index.mjs';

export function sideBySide(options: {
  readonly from?: number;
  readonly seeds?: number;
  readonly seconds?: number;
  readonly processes?: number;
  readonly failures?: number;
  readonly signal?: AbortSignal;
}): Promise<SimulationTotal>;

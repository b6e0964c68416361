import type { EventEmitter } from 'node:events';

type Direction = 'up' | 'down';

export class FaultProxy extends EventEmitter {
  constructor(target: { readonly host: string; readonly port: number }, options?: { readonly random?: () => number });
  mode: Record<Direction, 'pass' | 'drop' | 'hold'>;
  delay: Record<Direction, number>;
  jitter: number;
  slice: number;
  mostSlices: number;
  resetProb: number;
  loseReplyProb: number;
  refuse: boolean;
  match: ((first: string) => boolean) | undefined;
  readonly stats: Record<'connections' | 'resets' | 'lostReplies' | 'bytesUp' | 'bytesDown', number>;
  readonly open: number;
  readonly port: number;
  listen(): Promise<this>;
  blackhole(direction?: Direction | 'both'): void;
  hold(direction?: Direction | 'both'): void;
  heal(): void;
  resetAll(): void;
  resetSome(share: number): void;
  close(): Promise<void>;
}

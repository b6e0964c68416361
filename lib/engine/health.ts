/** How an engine is doing. @publicApi */
export interface EngineHealth {
  /** `drained`: nothing runs any more, producers still work. */
  readonly state: 'new' | 'started' | 'drained' | 'stopped';
  readonly backend: string;
  /** What an acknowledged job survives. */
  readonly durability: string;
  readonly running: number;
  /** Handlers that were told to stop and still run past their grace. */
  readonly zombies: number;
  /** The wake-up channel works; otherwise idle consumers poll. */
  readonly signals: boolean;
}

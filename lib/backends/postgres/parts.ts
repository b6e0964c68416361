import type { HistoryLimits } from '../../kernel/ports/backend.js';
import type { Clock } from '../../kernel/ports/clock.js';
import type { PostgresNames } from './names.js';
import type { PostgresPools } from './pools.js';
import type { ServerFacts } from './server-check.js';

/** What the parts of an open backend share. */
export interface PostgresParts {
  readonly pools: PostgresPools;
  readonly names: PostgresNames;
  readonly project: string;
  readonly environment: string;
  readonly limits: HistoryLimits;
  readonly clock: Clock;
  readonly server: ServerFacts;
}

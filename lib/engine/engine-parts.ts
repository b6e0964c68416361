import type { Backend } from '../kernel/ports/backend.js';
import type { Clock, Random } from '../kernel/ports/clock.js';
import type { ErrorJudge } from '../kernel/runtime/attempt.js';

/** What tests and embedders may replace. @publicApi */
export interface EngineParts {
  /** Engines that are given one backend share its jobs. It is then not closed by the engine. */
  readonly backend?: Backend;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Knows the errors of the framework around the engine. */
  readonly judgeError?: ErrorJudge;
}

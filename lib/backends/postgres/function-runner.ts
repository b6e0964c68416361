import { CallRefusedError } from '../../kernel/errors/index.js';
import type { CallId } from '../../kernel/ports/calls.js';
import type { PostgresParts } from './parts.js';
import { isConflict, isServerError, storeError } from './postgres-errors.js';
import type { Lane, PostgresPools } from './pools.js';

/** How often a statement that met another transaction is sent again before the caller is told. */
const TRIES = 5;
/** Wait before the second try (ms); it doubles. Who was in the way is done by then. */
const PAUSE_MS = 10;

/** Raised by call_v1: the client had confirmed this call. */
const CALL_REFUSED = 'OQ001';

/** What it needs of an open backend. */
export type RunnerParts = Pick<PostgresParts, 'names' | 'clock'> & { readonly pools: Pick<PostgresPools, 'lane'> };

/** Sends single statements, translates errors, and tries again what met another transaction: nothing was written then. */
export class FunctionRunner {
  constructor(private readonly parts: () => RunnerParts) {}

  /** Rows as objects. `text` in the names of this backend: see `PostgresNames.sql`. */
  async rows<Row>(lane: Lane, where: string, text: string, values: readonly unknown[], call?: CallId): Promise<Row[]> {
    const { pools, names, clock } = this.parts();
    for (let tries = 1; ; tries += 1) {
      try {
        return await pools.lane(lane).repeated<Row>(names.sql(text), values);
      } catch (error) {
        if (call && isServerError(error) && error.code === CALL_REFUSED) {
          throw new CallRefusedError(where, call.n, Number(error.detail));
        }
        if (!isConflict(error) || tries >= TRIES) throw storeError(where, error);
        await new Promise<void>((go) => clock.timer(PAUSE_MS * 2 ** (tries - 1), go));
      }
    }
  }

  /** The one column, named `reply`, of the one row that a function answers. */
  async reply<T>(lane: Lane, where: string, text: string, values: readonly unknown[], call?: CallId): Promise<T> {
    const [row] = await this.rows<{ reply: T }>(lane, where, text, values, call);
    return row?.reply as T;
  }
}

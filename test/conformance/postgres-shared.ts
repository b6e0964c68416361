import { DEFAULT_HISTORY_LIMITS } from '../../lib/kernel/ports/backend.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import type { PostgresPools } from '../../lib/backends/postgres/pools.js';
import type { PostgresParts } from '../../lib/backends/postgres/parts.js';
import { PostgresJobStore } from '../../lib/backends/postgres/postgres-job-store.js';
import { PostgresSignals } from '../../lib/backends/postgres/postgres-signals.js';
import { checkServer, type ServerFacts } from '../../lib/backends/postgres/server-check.js';
import type { ConformanceSubject } from '../../lib/conformance/index.js';
import { postgresSpace } from '../support/postgres-space.js';

let subjects = 0;
let facts: Promise<ServerFacts> | undefined;

/**
 * A subject with an environment of its own on connections that all subjects of the file share: each new connection
 * plans all statements anew, which takes longer than most cases.
 */
export async function sharedSubject(): Promise<ConformanceSubject> {
  const { pools } = await postgresSpace();
  return subjectOn(pools);
}

/** The same on other connections to the database of the test file. */
export async function subjectOn(pools: PostgresPools): Promise<ConformanceSubject> {
  const { names } = await postgresSpace();
  const server = await (facts ??= checkServer(pools.main));
  const parts: PostgresParts = {
    pools,
    names,
    project: 'shared',
    environment: `space-${(subjects += 1)}`,
    limits: DEFAULT_HISTORY_LIMITS,
    clock: systemClock,
    server,
  };
  const store = new PostgresJobStore(
    () => parts,
    () => server.durability,
  );
  const signals = new PostgresSignals(
    () => parts,
    () => undefined,
    (queue, from, opts) => store.passOn(queue, from, opts),
  );
  return { store, signals, close: () => signals.close() };
}

import { createHash } from 'node:crypto';
import type { HistoryLimits } from '../../kernel/ports/backend.js';
import type { CallId, StoreOptions } from '../../kernel/ports/calls.js';
import { CallRefusedError } from '../../kernel/errors/index.js';
import type { RedisClientLike } from './client.js';
import type { RedisKeys } from './keys.js';
import { isNoScript, storeError } from './redis-errors.js';
import { SCRIPTS, type ScriptName } from './scripts.js';

/** What a script is given: texts and numbers, lists in it are flattened. */
export type Arg = string | number;
/** What a script answers: texts, whole numbers, lists of those. */
export type Reply = readonly (string | number | null | Reply)[];

/** A transition's answer, and what it leaves to be carried to other slots. */
export interface Transition {
  readonly reply: Reply;
  /** Bits: 1 = the outbox has entries, 2 = links have to be made. */
  readonly work: number;
  /** The same for what others left and died. */
  readonly left: number;
  /** The links, where the script knows them. */
  readonly unlinked: readonly Reply[];
  /** What an earlier run of this call did elsewhere: queue, id, head, error of each cascaded job. */
  readonly more: readonly string[];
}

/** A script as a server is given it. */
export interface Compiled {
  readonly lua: string;
  readonly sha: string;
}

/** What scripts have to know of the server; it is told to them in a line of their own. */
export interface ScriptServer {
  readonly scriptFlags: boolean;
  readonly cluster: boolean;
}

/** A script for this server. */
export function compiled(name: ScriptName, { scriptFlags, cluster }: ScriptServer): Compiled {
  const text = SCRIPTS[name];
  const end = text.indexOf('\n');
  const told = `${text.slice(0, end)}\nlocal CLUSTER = ${cluster}${text.slice(end)}`;
  const lua = scriptFlags ? told : withoutFlags(told);
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Runs a script by its SHA, or by its text where the server does not have it. `rest`: number of keys, keys, arguments. */
export async function runScript(
  client: RedisClientLike,
  where: string,
  { lua, sha }: Compiled,
  rest: readonly Arg[],
): Promise<unknown> {
  try {
    return await client.call('evalsha', [sha, ...rest]);
  } catch (error) {
    if (!isNoScript(error)) throw storeError(where, error);
  }
  try {
    return await client.call('eval', [lua, ...rest]);
  } catch (error) {
    throw storeError(where, error);
  }
}

/**
 * Redis 6.2 knows no flags and would take the first line for code. It refuses the first write of a script when its
 * memory is full, unless that is a removal; what must pass then (`allow-oom`) begins with one that removes nothing.
 */
function withoutFlags(text: string): string {
  const end = text.indexOf('\n');
  const first = text.slice(0, end).includes('allow-oom') ? "redis.call('UNLINK', KEYS[1] .. ':')\n" : '';
  return first + text.slice(end + 1);
}

/**
 * Runs scripts on the slot of a queue: by their SHA, and once by their text where the server does not have them (it was
 * restarted, or somebody flushed its scripts). Translates errors; sends nothing twice.
 */
export class ScriptRunner {
  readonly #compiled: Readonly<Record<ScriptName, Compiled>>;

  constructor(
    private readonly keys: RedisKeys,
    private readonly limits: HistoryLimits,
    server: ScriptServer,
  ) {
    this.#compiled = Object.fromEntries(
      Object.keys(SCRIPTS).map((name) => [name, compiled(name as ScriptName, server)]),
    ) as Record<ScriptName, Compiled>;
  }

  /** Runs a script; what it answers is its own affair. */
  async run(
    client: RedisClientLike,
    where: string,
    name: ScriptName,
    queue: string,
    args: readonly Arg[],
    opts?: StoreOptions,
  ): Promise<Reply> {
    const { maxTimelineEntries, maxJobLogs } = this.limits;
    const now = opts?.now === undefined ? '' : String(opts.now);
    const rest = [1, this.keys.meta(queue), queue, now, this.keys.channels, maxTimelineEntries, maxJobLogs, ...args];
    return (await runScript(client, where, this.#compiled[name], rest)) as Reply;
  }

  /** Runs a script that is a call of a client (rule 4). */
  async transition(
    client: RedisClientLike,
    where: string,
    name: ScriptName,
    queue: string,
    call: CallId,
    args: readonly Arg[],
    opts?: StoreOptions,
  ): Promise<Transition> {
    const all = [call.client, call.n, call.acked, ...args];
    const [reply, work, unlinked, more] = await this.run(client, where, name, queue, all, opts);
    if (reply === 'refused') throw new CallRefusedError(where, call.n, Number(work));
    return {
      reply: reply as Reply,
      work: (work as number) & 3,
      left: (work as number) >> 2,
      unlinked: unlinked as Reply[],
      more: (more ?? []) as string[],
    };
  }
}

import { afterEach, describe, expect, it } from '@jest/globals';
import type { PostgresParts } from '../../lib/backends/postgres/parts.js';
import { PostgresSignals } from '../../lib/backends/postgres/postgres-signals.js';
import { DEFAULT_HISTORY_LIMITS } from '../../lib/kernel/ports/backend.js';
import { systemClock } from '../../lib/kernel/ports/system-clock.js';
import type { SignalMessage } from '../../lib/kernel/ports/signals.js';
import type { PostgresClientLike } from '../../lib/backends/postgres/client.js';
import { postgresSpace } from '../support/postgres-space.js';
import { failureOf, until } from '../support/until.js';

const open: PostgresSignals[] = [];

afterEach(async () => {
  for (const signals of open.splice(0)) await signals.close();
});

interface Ear {
  readonly signals: PostgresSignals;
  readonly heard: SignalMessage[];
  readonly log: string[];
  gaps: number;
}

/** How much later it is than the real clock says (ms). */
let skipped = 0;
let spaces = 0;
const freshEnvironment = (): string => `signals-${(spaces += 1)}`;

/** One process of an environment that listens. `dressed` stands between it and its listening connection. */
async function listen(
  process: string,
  environment: string,
  dressed: (client: PostgresClientLike) => PostgresClientLike = (client) => client,
): Promise<Ear> {
  const { pools, names } = await postgresSpace();
  const dressedPools = Object.create(pools, {
    makeListener: { value: () => dressed(pools.makeListener()) },
  }) as typeof pools;
  const parts: PostgresParts = {
    pools: dressedPools,
    names,
    project: 'shop',
    environment,
    limits: DEFAULT_HISTORY_LIMITS,
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + skipped },
    server: { version: '', durability: 'power', warnings: [] },
  };
  const log: string[] = [];
  const signals = new PostgresSignals(
    () => parts,
    (text) => log.push(text),
    () => Promise.resolve(),
  );
  open.push(signals);
  const ear: Ear = { signals, heard: [], log, gaps: 0 };
  await signals.listen(
    process,
    (message) => ear.heard.push(message),
    () => (ear.gaps += 1),
  );
  return ear;
}

/** Ends every connection of this file that listens. */
async function cut(): Promise<number> {
  const { pools, names } = await postgresSpace();
  const said = names.sql('select oqron.hears_v1($1, $2, $3)');
  const rows = await pools.main.rows('select pg_terminate_backend(pid) from pg_stat_activity where query = $1', [said]);
  return rows.length;
}

const event = (payload: unknown): SignalMessage => ({ kind: 'event', from: 'one', event: 'x', payload });

describe('messages between processes', () => {
  it('of any length arrive whole and in order, and longer ones than a notification leave no row behind', async () => {
    const environment = freshEnvironment();
    const one = await listen('one', environment);
    const two = await listen('two', environment);
    const long = '日本"\\'.repeat(4_000);
    const sent = [event('first'), event(long), event('second'), event(`${long}!`), event('last')];
    for (const message of sent) await one.signals.broadcast(message);
    for (const { heard } of [one, two]) {
      await until('all to arrive', () => heard.length === sent.length);
      expect(heard).toEqual(sent);
    }
    const { pools, names } = await postgresSpace();
    await pools.main.rows(names.sql("update oqron.message set at = at - interval '2 minutes'"));
    await one.signals.send('two', event(long));
    await until('it to arrive', () => two.heard.length === sent.length + 1);
    expect(await pools.main.rows(names.sql('select count(*) from oqron.message'))).toEqual([[1]]);
    expect(one.heard).toHaveLength(sent.length);
  });

  it('do not cross environments, and foreign notifications are no harm', async () => {
    const environment = freshEnvironment();
    const one = await listen('one', environment);
    const other = await listen('one', freshEnvironment());
    const { pools, names } = await postgresSpace();
    for (const payload of ['nonsense', 'w{', 'm5', '']) {
      await pools.main.rows(names.sql("select pg_notify(oqron.channel_v1('shop', $1), $2)"), [environment, payload]);
    }
    await pools.main.rows(names.sql("select pg_notify(oqron.channel_v1('shop', $1), $2)"), [
      environment,
      'w[["two","a"],["one","b"],[null,"c"]]',
    ]);
    await until('the wake-ups', () => one.heard.length >= 2);
    expect(one.heard).toEqual([
      { kind: 'wake', queue: 'b' },
      { kind: 'wake', queue: 'c', everyone: true },
    ]);
    expect(other.heard).toEqual([]);
  });
});

describe('a process that is gone', () => {
  it('is passed over by wake-ups as soon as its session has ended', async () => {
    const environment = freshEnvironment();
    const { pools, names } = await postgresSpace();
    const gone = async (): Promise<unknown> =>
      (await pools.main.rows(names.sql("select oqron.gone_v1('shop', $1, 'one')"), [environment]))[0]?.[0];
    expect(await gone()).toBe(true);
    const one = await listen('one', environment);
    expect(await gone()).toBe(false);
    // What its next connection says first.
    await cut();
    await until('the gap to be told', () => one.gaps === 1);
    expect(await gone()).toBe(false);
    await one.signals.close();
    await until('it to be gone', gone);
  });
});

describe('a listening connection', () => {
  it('that is cut is made again, and the gap is told', async () => {
    const environment = freshEnvironment();
    const one = await listen('one', environment);
    for (let round = 1; round <= 3; round += 1) {
      expect(await cut()).toBe(1);
      await until('the gap to be told', () => one.gaps === round);
      await one.signals.send('one', event(round));
      await until('the message', () => one.heard.length === round);
    }
    expect(one.log.every((text) => text.startsWith('PostgreSQL connection "listener": '))).toBe(true);
  });

  it('that brings nothing any more is made again', async () => {
    let deaf = false;
    const one = await listen('one', freshEnvironment(), (client) => ({
      query: (statement) => client.query(statement),
      connect: async () => {
        await client.connect();
        deaf = false;
      },
      end: () => client.end(),
      on: (name, listener) =>
        client.on(name, ((...args: never[]) => {
          if (name !== 'notification' || !deaf) listener(...args);
        }) as never),
    }));
    const ask = (nonce: string): Promise<void> => one.signals.send('one', { kind: 'nonce', nonce });
    await ask('first');
    await until('the first answer', () => one.heard.length === 1);
    deaf = true;
    for (const nonce of ['a', 'b', 'c']) {
      await ask(nonce);
      skipped += 5_000;
    }
    await ask('d');
    await until('the gap to be told', () => one.gaps === 1);
    await ask('last');
    await until('the last answer', () => one.heard.length === 2);
    expect(one.log).toEqual([]);
  });

  it('that never brought anything is said to be behind a pooler, once', async () => {
    const one = await listen('one', freshEnvironment(), (client) => ({
      query: () => Promise.resolve({ rows: [] }),
      connect: () => client.connect(),
      end: () => client.end(),
      on: (name, listener) => client.on(name, listener),
    }));
    for (let n = 0; n < 20; n += 1) {
      await one.signals.send('one', { kind: 'nonce', nonce: `${n}` });
      skipped += 5_000;
    }
    expect(one.signals.warnings).toHaveLength(1);
    expect(one.log).toEqual([expect.stringContaining('set postgres.listenUrl')]);
    expect(one.gaps).toBe(0);
  });

  it('that cannot be had is an error, and can be tried again', async () => {
    const environment = freshEnvironment();
    const failing = listen('one', environment, () => {
      throw new Error('connect ECONNREFUSED');
    });
    expect(await failureOf(failing)).toMatchObject({ code: 'STORE_UNREACHABLE' });
    const one = await listen('one', environment);
    await one.signals.send('one', event(1));
    await until('the message', () => one.heard.length === 1);
  });
});

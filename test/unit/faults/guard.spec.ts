import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guarded, within, type Row } from '../../faults/lib/guard.mjs';
import { Lab } from '../../faults/lib/lab.mjs';
import { until } from '../../support/until.js';

const NEVER = (): Promise<never> => new Promise(() => undefined);
const LIMITS = { limitMs: 10_000, endMs: 1_000 };

describe('what guards a run against its scenarios', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oqron-guard-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const labOf = (): Lab =>
    new Lab(
      { folder, seed: 1, say: () => undefined, library: () => folder },
      { name: 'F00', store: 'redis', size: { jobs: 1 } },
    );
  const row = (pass = true): Row => ({ scenario: 'F00', store: 'redis', pass, broken: [], violations: [] });
  const server = { connection: () => ({}) };

  /** A process that does not leave when it is told to. */
  const program = (): string => {
    const path = join(folder, 'sits.mjs');
    writeFileSync(
      path,
      `process.on('SIGTERM', () => undefined);
      process.on('message', () => undefined);
      process.send({ is: 'ready' });`,
    );
    return path;
  };

  it('answers what a scenario answers, and cleans up last first', async () => {
    const ended: number[] = [];
    const play = (lab: Lab): Promise<Row> => {
      for (const n of [1, 2]) lab.atEnd(() => ended.push(n));
      return Promise.resolve(row());
    };
    expect(await guarded(labOf(), play, LIMITS)).toEqual(row());
    expect(ended).toEqual([2, 1]);
  });

  it('says why a scenario failed by itself, and cleans up', async () => {
    let ended = false;
    const found = await guarded(
      labOf(),
      (lab) => {
        lab.atEnd(() => (ended = true));
        return Promise.reject(new Error('no server'));
      },
      LIMITS,
    );
    expect(found).toMatchObject({ scenario: 'F00', store: 'redis', pass: false });
    expect(found.violations[0]?.text).toContain('no server');
    expect(ended).toBe(true);
  });

  it('gives up a scenario that does not end: it has failed, and its processes are killed', async () => {
    const lab = labOf();
    let pid = 0;
    let alive = (): boolean => true;
    const found = await guarded(
      lab,
      async () => {
        const member = lab.fleet(server).start('w1', { program: program() });
        await member.ready;
        ({ pid } = member);
        alive = () => member.alive;
        member.freeze();
        return NEVER();
      },
      { ...LIMITS, limitMs: 2_000 },
    );
    expect(found.pass).toBe(false);
    expect(found.violations).toEqual([{ invariant: 'scenario', text: 'did not end within 2 s' }]);
    expect(pid).toBeGreaterThan(0);
    expect(alive()).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('lets a scenario that was given up begin nothing more', async () => {
    const lab = labOf();
    const go: { now?: () => void } = {};
    const late: unknown[] = [];
    const play = async (): Promise<Row> => {
      const fleet = lab.fleet(server);
      await new Promise<void>((resolve) => (go.now = resolve));
      try {
        fleet.start('w1', { program: program() });
      } catch (error) {
        late.push(error);
      }
      lab.atEnd(() => late.push('ended'));
      throw new Error('nobody hears of this');
    };
    expect((await guarded(lab, play, { ...LIMITS, limitMs: 20 })).pass).toBe(false);
    go.now?.();
    await until('both to be turned away', () => late.length === 2);
    expect(String(late[0])).toContain('the scenario is over');
    expect(late[1]).toBe('ended');
  });

  it('does not wait for what does not end, ends everything else, and says so', async () => {
    const ended: string[] = [];
    const found = await guarded(
      labOf(),
      (lab) => {
        lab.atEnd(() => ended.push('server'), 'the server');
        lab.atEnd(NEVER, 'the watcher');
        lab.atEnd(() => Promise.reject(new Error('broken')), 'a proxy');
        lab.atEnd(NEVER, 'a process');
        return Promise.resolve(row());
      },
      { ...LIMITS, endMs: 50 },
    );
    expect(ended).toEqual(['server']);
    expect(found.pass).toBe(false);
    expect(found.violations.map(({ text }) => text.replace(/\d+ ms/, 'n ms'))).toEqual([
      'a process did not end within n ms',
      'the watcher did not end within n ms',
    ]);
  });

  it('tells what came to nothing from what did', async () => {
    expect(await within(10_000, Promise.resolve(7))).toEqual({ ended: true, value: 7 });
    expect(await within(5, NEVER())).toEqual({ ended: false });
    await expect(within(10_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});

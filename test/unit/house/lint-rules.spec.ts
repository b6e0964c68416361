import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from '@jest/globals';

/** Each line stands alone: the number of a reported line says which construct was found. */
const BANNED = [
  "import { setTimeout as sleep } from 'node:timers/promises';",
  "import { setInterval as every } from 'timers';",
  "import { performance as perf } from 'node:perf_hooks';",
  "import { randomUUID } from 'node:crypto';",
  "import { randomBytes } from 'crypto';",
  "import crypto1 from 'node:crypto';",
  "import * as crypto2 from 'node:crypto';",
  "import { hrtime } from 'node:process';",
  "export const lazy = import('node:timers');",
  'export const a = Date.now();',
  'export const b = new Date();',
  'export const c = Date();',
  'export const d = performance.now();',
  'export const e = process.hrtime.bigint();',
  'export const f = Math.random();',
  'export const g = crypto.randomUUID();',
  'export const h = setTimeout(() => {}, 1);',
  'export const i = setInterval(() => {}, 1);',
  'export const j = setImmediate(() => {});',
  'queueMicrotask(() => {});',
  'process.nextTick(() => {});',
  'clearTimeout(h);',
  'clearInterval(i);',
  'clearImmediate(j);',
  'export const k = AbortSignal.timeout(1);',
  'export const l = globalThis.setTimeout;',
  'export const m = globalThis.Date;',
  "export const n = Date['now'];",
  'export const { now } = Date;',
];
const ALLOWED = [
  "import { createHash } from 'node:crypto';",
  'export const at = new Date(0);',
  'export const parsed = Date.parse("2026-01-01");',
  'export const largest = Math.max(1, 2);',
  'export const own = (clock: { setTimeout(ms: number): void }) => clock.setTimeout(1);',
  'export const hash = createHash;',
];
const UNSAFE = [
  'const work = async () => {};',
  'work();',
  '[1].forEach(async () => work());',
  'export const waited = async () => await 1;',
];

const KERNEL = 'lib/kernel/ports/clock.ts';
const SYSTEM_CLOCK = 'lib/kernel/ports/system-clock.ts';

/** Runs in a process of its own, outside Jest's module system. */
const LINT = `
  import { text } from 'node:stream/consumers';
  import { ESLint } from 'eslint';
  const eslint = new ESLint();
  const code = await text(process.stdin);
  const lines = {};
  for (const filePath of ['${KERNEL}', '${SYSTEM_CLOCK}']) {
    const [{ messages }] = await eslint.lintText(code, { filePath });
    lines[filePath] = messages.map(({ line }) => line);
  }
  console.log(JSON.stringify(lines));
`;

async function reportedLines(lines: readonly string[]): Promise<Record<string, number[]>> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', LINT], {
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child.stdin.end(lines.join('\n'));
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (problems) throw new Error(problems);
  return JSON.parse(output) as Record<string, number[]>;
}

describe('the lint rules', () => {
  const LINES = [...BANNED, ...ALLOWED, ...UNSAFE];
  const lineOf = (source: string) => LINES.indexOf(source) + 1;
  let inKernel: number[] | undefined;
  let inSystemClock: number[] | undefined;

  beforeAll(async () => {
    ({ [KERNEL]: inKernel, [SYSTEM_CLOCK]: inSystemClock } = await reportedLines(LINES));
  }, 120_000);

  it.each(BANNED)('bans in lib: %s', (source) => {
    expect(inKernel).toContain(lineOf(source));
  });

  it.each(ALLOWED)('allows in lib: %s', (source) => {
    expect(inKernel).not.toContain(lineOf(source));
  });

  it.each(UNSAFE.slice(1))('finds the promise nobody awaits, or an await of nothing: %s', (source) => {
    expect(inKernel).toContain(lineOf(source));
  });

  it('lets the system clock touch the real ones, and watches its promises', () => {
    expect([...new Set(inSystemClock)]).toEqual(UNSAFE.slice(1).map(lineOf));
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EngineStateError, InvalidOptionsError, OqronEngine, OqronKit, TriggerLoadError } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import { loadTriggers, runsTypeScript, TRIGGER_FOLDERS } from '../../lib/engine/triggers.js';
import { ROOT } from '../docs/support/root.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { failureOf } from '../support/until.js';

let folder: string;
let log: RecordingLogger;

/** Files that were imported, in order; trigger files write it. */
const seen = (): string[] => Reflect.get(globalThis, 'triggered') as string[];

beforeEach(() => {
  const cache = join(ROOT, 'node_modules', '.cache', 'oqronkit');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'triggers-'));
  log = new RecordingLogger();
  Reflect.set(globalThis, 'triggered', []);
});
afterEach(async () => {
  await OqronKit.stop();
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
  Reflect.deleteProperty(globalThis, 'triggered');
});

/** Files that say their name when they are imported, or run the text that is given. */
function write(files: Readonly<Record<string, string>> | readonly string[]): void {
  const entries = Array.isArray(files) ? files.map((name: string) => [name, ''] as const) : Object.entries(files);
  for (const [name, text] of entries) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `globalThis.triggered.push(${JSON.stringify(name)});\n${String(text)}\nexport {};\n`);
  }
}

async function load(triggers?: string | false, typescript = false): Promise<string[]> {
  const files = await loadTriggers(triggers, log, { cwd: folder, typescript });
  return files.map((file) => relative(folder, file));
}

const init = (config: object = {}) =>
  OqronKit.init({ config: { logger: log, ...config }, parts: { clock: new VirtualClock() } });

describe('the trigger folder', () => {
  it('is the first existing of the documented ones', async () => {
    expect(TRIGGER_FOLDERS).toEqual(['dist/triggers', 'dist/jobs', 'src/triggers', 'triggers', 'src/jobs', 'jobs']);
    for (const name of TRIGGER_FOLDERS.toReversed()) {
      write([`${name}/one.mjs`]);
      expect(await load()).toEqual([`${name}/one.mjs`]);
    }
  });

  it('may be absent when nobody named it, or be switched off', async () => {
    expect(await load()).toEqual([]);
    write(['jobs/one.mjs']);
    expect(await load(false)).toEqual([]);
    expect(seen()).toEqual([]);
  });

  it('that was named has to exist', async () => {
    write(['work/one.mjs', 'file.mjs']);
    expect(await load('work')).toEqual(['work/one.mjs']);
    expect(await load(join(folder, 'work'))).toEqual(['work/one.mjs']);
    for (const name of ['nowhere', 'file.mjs']) {
      const error = await failureOf<InvalidOptionsError>(load(name));
      expect(error).toBeInstanceOf(InvalidOptionsError);
      expect(error.problems).toEqual([
        `triggers: there is no folder "${name}" in ${folder}; name one that exists, or false for none`,
      ]);
    }
  });

  it('is imported recursively and sorted; declarations, tests, packages and other files are left out', async () => {
    write([
      ...['b.mjs', 'a/z.mjs', 'a/b/c.js', 'a.mjs', 'a-b/x.mjs'].map((name) => `jobs/${name}`),
      ...['a.d.ts', 'a.test.mjs', 'b.spec.js', 'c.d.mts', 'd.json', 'e.ts', 'f.cjs'].map((name) => `jobs/${name}`),
      ...['node_modules/p/index.mjs', '.cache/x.mjs'].map((name) => `jobs/${name}`),
    ]);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const files = ['jobs/a/b/c.js', 'jobs/a/z.mjs', 'jobs/a-b/x.mjs', 'jobs/a.mjs', 'jobs/b.mjs'];
    expect(await load()).toEqual(files);
    expect(seen()).toEqual(files);
  });

  it('with too many files is refused before any is imported', async () => {
    write(Array.from({ length: 1_001 }, (_, n) => `jobs/f${n}.mjs`));
    const error = await failureOf(load());
    expect(error).toBeInstanceOf(InvalidOptionsError);
    expect(error.message).toContain('more than 1000 files');
    expect(seen()).toEqual([]);
  });

  it('of TypeScript alone is not imported without a loader, and a warning says why', async () => {
    write(['src/triggers/mail.ts']);
    expect(await load()).toEqual([]);
    expect(
      log.matching('warn', /"src\/triggers" holds only TypeScript, and this process runs without a loader/),
    ).toHaveLength(1);
  });

  it('under a loader takes TypeScript, and not the script beside its source', async () => {
    write(['jobs/a.ts', 'jobs/a.js', 'jobs/b.mjs', 'jobs/c.mts', 'jobs/c.mjs']);
    expect(await load(undefined, true)).toEqual(['jobs/a.ts', 'jobs/b.mjs', 'jobs/c.mts']);
    expect(seen()).toEqual(['jobs/a.ts', 'jobs/b.mjs', 'jobs/c.mts']);
  });

  it.each<[string, string[], string | undefined, object, boolean]>([
    ['plain Node', [], undefined, {}, false],
    ['node --import tsx', ['--import', 'tsx'], undefined, {}, true],
    ['ts-node by NODE_OPTIONS', [], '--loader ts-node/esm', {}, true],
    ['swc-node', ['--import', '@swc-node/register/esm-register'], undefined, {}, true],
    ['--experimental-strip-types', ['--experimental-strip-types'], undefined, {}, true],
    ['a Node that strips types', [], undefined, { typescript: 'strip' }, true],
    ['a Node told not to', [], undefined, { typescript: false }, false],
    ['something that only looks like it', ['--title=mytsxserver'], undefined, {}, false],
  ])('knows whether TypeScript can be imported: %s', (_title, args, options, features, expected) => {
    expect(runsTypeScript(args, options === undefined ? {} : { NODE_OPTIONS: options }, features)).toBe(expected);
  });
});

describe('OqronKit.init', () => {
  it('imports the files, then starts: what they define runs', async () => {
    write({
      'jobs/mail.mjs': `globalThis.defineMail(); globalThis.triggered.push(globalThis.stateOfKit());`,
    });
    const ran: unknown[] = [];
    const { queue } = await import('oqronkit');
    Reflect.set(globalThis, 'defineMail', () => queue({ name: 'triggered', handler: ({ data }) => ran.push(data) }));
    Reflect.set(globalThis, 'stateOfKit', () => OqronKit.engine.health().state);
    jest.spyOn(process, 'cwd').mockReturnValue(folder);
    const engine = await init();
    expect(seen()).toEqual(['jobs/mail.mjs', 'new']);
    expect(engine.definitions().filter(({ name }) => name === 'triggered')).toHaveLength(1);
    expect(log.matching('warn', /triggered/)).toEqual([]);
    await engine.producer('triggered').add('hello');
    await new Promise((turn) => setImmediate(turn));
    await OqronKit.engine.drain();
    expect(ran).toEqual(['hello']);
  });

  it('names the file that throws, and nothing is started; it can be called again', async () => {
    write({ 'jobs/a.mjs': '', 'jobs/b.mjs': 'throw new Error("no database")', 'jobs/c.mjs': '' });
    jest.spyOn(process, 'cwd').mockReturnValue(folder);
    const start = jest.spyOn(OqronEngine.prototype, 'start');
    const error = await failureOf<TriggerLoadError>(init());
    expect(error).toBeInstanceOf(TriggerLoadError);
    expect(error).toMatchObject({ code: 'TRIGGER_LOAD_FAILED', file: join('jobs', 'b.mjs') });
    expect(error.message).toContain('"jobs/b.mjs" could not be imported: no database');
    expect(error.cause).toMatchObject({ message: 'no database' });
    expect(seen()).toEqual(['jobs/a.mjs', 'jobs/b.mjs']);
    expect(start).not.toHaveBeenCalled();
    expect(() => OqronKit.engine).toThrow(EngineStateError);
    await init({ triggers: false });
    expect(OqronKit.engine.health().state).toBe('started');
  });

  it('names a file that cannot be parsed', async () => {
    write({ 'work/a.mjs': 'this is no program' });
    jest.spyOn(process, 'cwd').mockReturnValue(folder);
    expect(await failureOf(init({ triggers: 'work' }))).toMatchObject({ file: join('work', 'a.mjs') });
  });

  it('refuses a named folder that does not exist', async () => {
    expect(await failureOf(init({ triggers: 'no/such/folder' }))).toBeInstanceOf(InvalidOptionsError);
    expect(() => OqronKit.engine).toThrow(EngineStateError);
  });
});

describe('an engine of one’s own', () => {
  it('loads no triggers, and says so at level debug', async () => {
    write(['jobs/a.mjs']);
    jest.spyOn(process, 'cwd').mockReturnValue(folder);
    const engine = new OqronEngine({ logger: log, triggers: 'jobs' }, { clock: new VirtualClock() });
    await engine.start();
    await engine.stop();
    expect(seen()).toEqual([]);
    expect(log.matching('debug', /`triggers` has no effect here/)).toHaveLength(1);
  });
});

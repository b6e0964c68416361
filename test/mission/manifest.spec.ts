import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import * as library from 'oqronkit';
import type { ModuleFolder } from '../docs/support/modules.js';
import { ROOT } from '../docs/support/root.js';
import { compile, runIn, textOf } from './examples.js';
import { EXAMPLES, type Example } from './manifest.js';
import { isNotAvailable, MISSING, type Missing } from './missing.js';
import * as stubs from './stubs.js';

const examples: readonly Example[] = EXAMPLES;
const waiting = examples.flatMap((example) =>
  example.state === 'runs' ? [] : [{ example, waitsFor: example.state.waitsFor as readonly Missing[] }],
);

/** What a try rejects or throws with, or `undefined` when it works. */
async function failureOf(run: () => unknown): Promise<unknown> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('the list of examples', () => {
  it('names every file once, and no other', () => {
    const files = readdirSync(join(ROOT, 'test', 'mission', 'examples')).toSorted();
    expect(examples.map(({ id }) => `${id}.txt`).toSorted()).toEqual(files);
  });

  it('finds every value that the pages import', () => {
    const imports = examples.flatMap((example) =>
      [...textOf(example).matchAll(/^import \{([^}]*)\} from 'oqronkit'$/gm)].flatMap(([, names = '']) =>
        names.split(',').map((name) => name.trim()),
      ),
    );
    const wanted = [...new Set(imports)].filter((name) => name !== '');
    expect(wanted).not.toHaveLength(0);
    expect(wanted.filter((name) => !(name in library))).toEqual([]);
  });

  it('has a stub for nothing but what an example needs', () => {
    const needed = examples.flatMap((example) => example.stubs ?? []);
    const forTests = ['post', 'processed', 'processing', 'video'];
    expect(Object.keys(stubs).filter((name) => !needed.includes(name))).toEqual(forTests);
  });

  it('waits for nothing that no example needs', () => {
    const needed = new Set(waiting.flatMap(({ waitsFor }) => waitsFor));
    expect(Object.keys(MISSING).filter((name) => !needed.has(name as Missing))).toEqual([]);
  });
});

describe('what the waiting examples wait for is not there yet', () => {
  it.each(Object.entries(MISSING))('%s', async (_name, tryIt: () => unknown) => {
    const failure = await failureOf(tryIt);
    expect({ failure, notAvailable: isNotAvailable(failure) }).toMatchObject({ notAvailable: true });
  });

  it('is told apart from other failures, and from success', async () => {
    expect(isNotAvailable(await failureOf(() => library.queueModule()))).toBe(false);
    expect(isNotAvailable(await failureOf(() => library.queue({ name: 'not a name' })))).toBe(false);
    expect(isNotAvailable(await failureOf(() => library.OqronKit.getConfig()))).toBe(false);
  });
});

describe('a waiting example cannot run yet', () => {
  let folder: ModuleFolder;
  beforeAll(() => {
    folder = compile(waiting.map(({ example }) => example));
  });
  afterAll(() => folder.remove());
  afterEach(() => library.OqronKit.stop());

  it.each(waiting)('$example.page: $example.heading ($example.id) waits for $waitsFor', async ({ example }) => {
    if (example.afterInit) await library.OqronKit.init({ config: { logger: false } });
    const failure = await failureOf(() => runIn(folder, example));
    expect({ failure, notAvailable: isNotAvailable(failure) }).toMatchObject({ notAvailable: true });
  });
});

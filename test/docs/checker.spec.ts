import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { examplesOf, PageError, placeOf } from './support/markdown.js';
import { PageRunner } from './support/runner.js';
import { typeCheck } from './support/type-check.js';

// The checker of these pages has to find what is wrong with a page.

const PAGE = 'a-page.md';
const fence = (...code: string[]): string => ['```ts', ...code, '```', ''].join('\n');
const read = (...parts: string[]) => examplesOf(PAGE, parts.join('\n'));

const ENGINE = [
  '<!-- setup: engine',
  "import { OqronEngine } from 'oqronkit';",
  'const engine = new OqronEngine({ logger: false });',
  'await engine.start();',
  '-->',
  '',
].join('\n');

describe('reading a page', () => {
  it('takes ts blocks and leaves others', () => {
    expect(read('```sh', 'npm start', '```', fence('console.log(1); // 1'), '```', 'text', '```')).toHaveLength(1);
  });

  it('puts the setup before a block and knows where the block begins', () => {
    const [example] = read(ENGINE, '<!-- example: with=engine -->', '', fence("engine.queue({ name: 'a' });"));
    expect(example?.text.split('\n').slice(2, 4)).toEqual(['await engine.start();', "engine.queue({ name: 'a' });"]);
    expect(example && placeOf(example, 4)).toBe(`${PAGE}:10`);
  });

  it.each([
    ['a word that it does not know', '<!-- example: tpyes -->', fence('export {};')],
    ['a setup that is not there', '<!-- example: with=nothing -->', fence('export {};')],
    ['a directive without a block', '<!-- example: types -->', 'Some text.'],
    ['a directive before another language', '<!-- example: types -->', '```sh\nnpm start\n```'],
    ['a directive that is none', '<!-- example types -->', fence('export {};')],
    ['a block that does not end', '```ts', 'export {};'],
    ['a console.log that does not say what it prints', fence('console.log(1);')],
  ])('refuses %s', (_what, ...parts) => {
    expect(() => read(...parts)).toThrow(PageError);
  });
});

describe('type-checking', () => {
  const examples = read(
    ENGINE,
    '<!-- example: with=engine -->',
    fence("const mails = engine.queue<{ to: string }>({ name: 'mails' });", 'await mails.add({ too: 1 });'),
    fence("import { noSuchName } from 'oqronkit';", 'noSuchName();'),
    fence('undeclared();'),
    '<!-- example: file=a.ts -->',
    fence('export const a = 1;'),
    fence("import { a } from './a.js';", 'export const b: string = a;'),
    fence('console.log(1 + 1); // 2'),
  );
  let found: string[] = [];

  beforeAll(() => {
    const problems = typeCheck(examples);
    found = examples.flatMap((example) =>
      problems
        .filter(({ path }) => path === example.path)
        .map(({ line, code }) => `${placeOf(example, line)} TS${code}`),
    );
  }, 60_000);

  it('finds each error on its line of the page, and nothing where nothing is wrong', () => {
    expect(found).toEqual([
      `${PAGE}:10 TS2353`, // `too` is not in the payload
      `${PAGE}:14 TS2305`, // not exported
      `${PAGE}:19 TS2304`, // not declared
      `${PAGE}:29 TS2322`, // a number is no string
    ]);
  });
});

describe('running', () => {
  const runners: PageRunner[] = [];
  afterEach(() => {
    for (const runner of runners.splice(0)) runner.remove();
  });

  async function run(...parts: string[]): Promise<string[]> {
    const examples = read(...parts);
    const runner = new PageRunner(examples, 200);
    runners.push(runner);
    const last = examples.at(-1);
    if (!last) throw new Error('no example');
    return runner.run(last);
  }

  it('is content with what does what it says', async () => {
    expect(await run(fence('console.log(1, [2]); // 1 [ 2 ]', 'console.log({}); // e.g. whatever'))).toEqual([]);
    expect(await run(fence('for (const n of [1, 2]) console.log(n); // 1, then 2'))).toEqual([]);
  });

  it('finds another output', async () => {
    expect(await run(fence('console.log(1); // 2'))).toEqual([`${PAGE}:2: says it prints "2", prints "1"`]);
  });

  it('finds an output that never comes, and one that comes too often', async () => {
    expect(await run(fence('if (Math.random() > 2) console.log(1); // 1'))).toEqual([
      `${PAGE}:2: says it prints "1", prints ""`,
    ]);
    expect(await run(fence('for (const n of [1, 2]) console.log(n); // 1'))).toEqual([
      `${PAGE}:2: says it prints "1", prints "1, then 2"`,
    ]);
  });

  it('finds another output in a file that the example imports', async () => {
    const file = ['<!-- example: file=a.ts -->', fence('console.log(1); // 2')];
    expect(await run(...file, fence("import './a.js';"))).toEqual([`${PAGE}:3: says it prints "2", prints "1"`]);
  });

  it('finds an example that shows nothing', async () => {
    expect(await run(fence('export const a = 1;'))).toEqual([`${PAGE}:2: it prints nothing that could be checked`]);
  });

  it('fails with what the example throws', async () => {
    await expect(run(fence("throw new Error('broken');", 'console.log(1); // 1'))).rejects.toThrow('broken');
    await expect(run(fence("import { noSuchName } from 'oqronkit';", 'console.log(noSuchName); // 1'))).rejects.toThrow(
      'noSuchName',
    );
  });

  it('ends what the example has started', async () => {
    const engines: { health(): { state: string } }[] = [];
    Reflect.set(globalThis, 'kept', engines);
    const code = ['globalThis.kept.push(engine);', 'console.log(engine.health().state); // started'];
    expect(await run(ENGINE, '<!-- example: with=engine -->', fence(...code))).toEqual([]);
    expect(engines.map((engine) => engine.health().state)).toEqual(['stopped']);
    Reflect.deleteProperty(globalThis, 'kept');
  });
});

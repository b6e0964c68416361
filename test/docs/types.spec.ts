import { beforeAll, describe, expect, it } from '@jest/globals';
import { PAGES } from './pages.js';
import { examplesOf, placeOf } from './support/markdown.js';
import { readRepoFile } from './support/root.js';
import { typeCheck, type Problem } from './support/type-check.js';

const examples = PAGES.flatMap((page) => examplesOf(page, readRepoFile(page)));

describe('every example type-checks', () => {
  let problems: readonly Problem[] = [];

  beforeAll(() => {
    problems = typeCheck(examples);
  }, 60_000);

  it.each(examples)('$page, line $line', (example) => {
    const mine = problems.filter(({ path }) => path === example.path);
    expect(mine.map(({ line, code, message }) => `${placeOf(example, line)} TS${code}: ${message}`)).toEqual([]);
  });
});

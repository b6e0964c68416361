import { beforeAll, describe, expect, it } from '@jest/globals';
import { show, typeCheck, type Problem } from '../docs/support/type-check.js';
import { moduleOf, pathOf } from './examples.js';
import { EXAMPLES, type Example } from './manifest.js';

const examples: readonly Example[] = EXAMPLES;
const running = examples.filter(({ state }) => state === 'runs');

describe('every running example type-checks as it is written', () => {
  let problems: readonly Problem[] = [];

  beforeAll(() => {
    problems = typeCheck(
      running.map((example) => {
        const depth = pathOf(example).split('/').length - 3;
        return { path: pathOf(example), text: moduleOf(example, `${'../'.repeat(depth)}stubs.js`) };
      }),
    );
  }, 60_000);

  it.each(running)('$page: $heading ($id)', (example) => {
    const mine = problems.filter(({ path }) => path === pathOf(example));
    const elided = example.elided ?? [];
    expect(mine.filter(({ code }) => !elided.includes(code)).map(show)).toEqual([]);
    // What is forgiven has to be there, or the list would forgive what nobody wrote.
    expect(elided.filter((code) => !mine.some((problem) => problem.code === code))).toEqual([]);
  });
});

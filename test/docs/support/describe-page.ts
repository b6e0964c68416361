import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { examplesOf } from './markdown.js';
import { readRepoFile } from './root.js';
import { PageRunner, type Act } from './runner.js';

/** One test per example of a page. `acts` says, by file name, what happens while an example runs. */
export function describePage(page: string, acts: Readonly<Record<string, Act>> = {}): void {
  const examples = examplesOf(page, readRepoFile(page));
  const running = examples.filter(({ kind }) => kind === 'run');
  const fileOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

  describe(`the examples of ${page}`, () => {
    let runner: PageRunner;
    beforeAll(() => {
      runner = new PageRunner(examples);
    });
    afterAll(() => runner.remove());

    it.each(running)(
      'line $line does what it says',
      async (example) => {
        expect(await runner.run(example, acts[fileOf(example.path)])).toEqual([]);
      },
      20_000,
    );

    it('has no file that no example imports', () => {
      const imported = new Set(examples.flatMap(({ imports }) => imports));
      const files = examples.filter(({ kind }) => kind === 'file').map(({ path }) => path);
      expect(files.filter((path) => !imported.has(path))).toEqual([]);
    });
  });
}

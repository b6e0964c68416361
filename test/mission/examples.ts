import { afterAll, afterEach, beforeAll, describe, it } from '@jest/globals';
import { OqronKit } from 'oqronkit';
import { ModuleFolder } from '../docs/support/modules.js';
import { readRepoFile, ROOT } from '../docs/support/root.js';
import { EXAMPLES, type Example, type RunningId } from './manifest.js';

/** The example as the page has it. */
export function textOf({ id }: Example): string {
  return readRepoFile(`test/mission/examples/${id}.txt`);
}

/** Where the module of an example is. Examples of one page import each other by the names that the page gives them. */
export function pathOf({ id, page, file }: Example): string {
  return `test/mission/${page}/${file ?? `${id}.ts`}`;
}

/** The example between imports of what the page leaves undeclared. Not a character of it is changed. */
export function moduleOf(example: Example, stubsModule: string): string {
  const { library = [], stubs = [], around } = example;
  return [
    library.length > 0 ? `import { ${library.join(', ')} } from 'oqronkit';` : '',
    stubs.length > 0 ? `import { ${stubs.join(', ')} } from '${stubsModule}';` : '',
    around?.before ?? '',
    textOf(example),
    around?.after ?? '',
    'export {};',
  ].join('\n');
}

/** Runs one example that was written into the folder. */
export function runIn(folder: ModuleFolder, example: Example): Promise<Record<string, unknown>> {
  return folder.run(pathOf(example));
}

/** Compiles examples into a folder of their own. */
export function compile(examples: readonly Example[]): ModuleFolder {
  const folder = new ModuleFolder();
  for (const example of examples) {
    folder.write({ path: pathOf(example), text: moduleOf(example, `${ROOT}/test/mission/stubs.ts`) });
  }
  return folder;
}

type Run = (id?: string) => Promise<Record<string, unknown>>;

/**
 * One test per running example of a page. `run` runs the example (or, given an id, another one of the page) and answers
 * what it exports.
 */
export function describePage<P extends Example['page']>(
  page: P,
  checks: Readonly<Record<RunningId<P>, (run: Run) => Promise<void>>>,
): void {
  const examples: readonly Example[] = EXAMPLES.filter((example) => example.page === page);
  const running = examples.filter(({ state }) => state === 'runs');
  describe(`the examples of the page "${page}"`, () => {
    let folder: ModuleFolder;
    beforeAll(() => {
      folder = compile(running);
    });
    afterAll(() => folder.remove());
    afterEach(() => OqronKit.stop());

    for (const example of running) {
      it(`${example.heading} (${example.id})`, async () => {
        if (example.afterInit) await OqronKit.init({ config: { logger: false } });
        const assertAsWritten = checks[example.id as RunningId<P>];
        await assertAsWritten((id = example.id) => {
          const wanted = running.find((other) => other.id === id);
          if (!wanted) throw new Error(`no running example ${id}`);
          return runIn(folder, wanted);
        });
      });
    }
  });
}

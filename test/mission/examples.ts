import { afterAll, afterEach, beforeAll, describe, it } from '@jest/globals';
import { OqronKit } from 'oqronkit';
import { ModuleFolder } from '../docs/support/modules.js';
import { readRepoFile, ROOT } from '../docs/support/root.js';
import { startServer, type RedisServer } from '../support/redis-server.js';
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
export function moduleOf(example: Example, stubsModule: string, text = textOf(example)): string {
  const { library = [], stubs = [], around } = example;
  return [
    library.length > 0 ? `import { ${library.join(', ')} } from 'oqronkit';` : '',
    stubs.length > 0 ? `import { ${stubs.join(', ')} } from '${stubsModule}';` : '',
    around?.before ?? '',
    text,
    around?.after ?? '',
    'export {};',
  ].join('\n');
}

/** Runs one example that was written into the folder, or the code of its second process. */
export function runIn(folder: ModuleFolder, example: Example, process: 0 | 1 = 0): Promise<Record<string, unknown>> {
  return folder.run(partOf(example, process));
}

/** Compiles examples into a folder of their own. `redis` stands for the server of a page, which is nobody's here. */
export function compile(examples: readonly Example[], redis?: string): ModuleFolder {
  const folder = new ModuleFolder();
  for (const example of examples) {
    const { server, secondProcess } = example;
    const whole = textOf(example);
    const text = server === undefined || redis === undefined ? whole : whole.replaceAll(server, redis);
    const at = secondProcess === undefined ? text.length : text.indexOf(secondProcess);
    for (const [process, part] of [text.slice(0, at), text.slice(at)].entries()) {
      if (part === '') continue;
      folder.write({ path: partOf(example, process), text: moduleOf(example, `${ROOT}/test/mission/stubs.ts`, part) });
    }
  }
  return folder;
}

function partOf(example: Example, process: number): string {
  return process === 0 ? pathOf(example) : pathOf(example).replace(/\.ts$/, '-second.ts');
}

type Run = (id?: string, process?: 0 | 1) => Promise<Record<string, unknown>>;

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
    let server: RedisServer | undefined;
    beforeAll(async () => {
      if (running.some((example) => example.server !== undefined)) server = await startServer();
      folder = compile(running, server?.url);
    });
    afterAll(async () => {
      folder.remove();
      await server?.stop();
    });
    afterEach(() => OqronKit.stop());

    for (const example of running) {
      it(`${example.heading} (${example.id})`, async () => {
        if (example.afterInit) await OqronKit.init({ config: { logger: false } });
        const assertAsWritten = checks[example.id as RunningId<P>];
        await assertAsWritten((id = example.id, process = 0) => {
          const wanted = running.find((other) => other.id === id);
          if (!wanted) throw new Error(`no running example ${id}`);
          return runIn(folder, wanted, process);
        });
      });
    }
  });
}

import { formatWithOptions } from 'node:util';
import { jest } from '@jest/globals';
import { Logger, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { OqronEngine, OqronKit } from 'oqronkit';
import { placeOf, type DocExample } from './markdown.js';
import { ModuleFolder } from './modules.js';

/** How long the last line may take (ms). Nothing waits that long unless it fails. */
const PATIENCE_MS = 8_000;

/** What a person would do while the example runs. */
export type Act = (apps: readonly INestApplicationContext[]) => Promise<void>;

type Started = { readonly apps: INestApplicationContext[]; readonly engines: OqronEngine[] };

const PRINTED = '__printed';

/** Runs the examples of one page, each to its end, and compares what they print with what they say. */
export class PageRunner {
  readonly #folder = new ModuleFolder();
  readonly #examples: ReadonlyMap<string, DocExample>;
  #printed = new Map<string, string[]>();

  constructor(
    examples: readonly DocExample[],
    private readonly patienceMs = PATIENCE_MS,
  ) {
    this.#examples = new Map(examples.map((example) => [example.path, example]));
    for (const example of examples) {
      if (example.kind !== 'types') this.#folder.write({ path: example.path, text: printing(example) });
    }
  }

  /** Runs one example. Answers one line per deviation. */
  async run(example: DocExample, act?: Act): Promise<string[]> {
    const expected = this.#reached(example).flatMap((one) =>
      [...one.prints].map(([line, text]) => ({ key: keyOf(one, line), place: placeOf(one, line), text })),
    );
    if (expected.length === 0) return [`${example.page}:${example.line}: it prints nothing that could be checked`];
    const printed = (this.#printed = new Map());
    Reflect.set(globalThis, PRINTED, (key: string, ...values: unknown[]) => {
      const text = formatWithOptions({ breakLength: Infinity, compact: 100 }, ...values);
      printed.set(key, [...(printed.get(key) ?? []), text]);
    });
    const started = watch();
    try {
      await this.#folder.run(example.path);
      await act?.(started.apps);
      await this.#wait(() => expected.every(({ key, text }) => (printed.get(key)?.length ?? 0) >= timesOf(text)));
    } finally {
      await stop(started);
      Reflect.deleteProperty(globalThis, PRINTED);
    }
    return expected.flatMap(({ key, place, text }) => {
      const actual = this.#printed.get(key) ?? [];
      if (actual.length > 0 && text.startsWith('e.g. ')) return [];
      const joined = actual.join(', then ');
      return joined === text ? [] : [`${place}: says it prints "${text}", prints "${joined}"`];
    });
  }

  remove(): void {
    this.#folder.remove();
  }

  /** The example and the blocks that it imports. */
  #reached(example: DocExample, seen = new Set<DocExample>()): DocExample[] {
    if (seen.has(example)) return [];
    seen.add(example);
    const imported = example.imports.flatMap((path) => this.#examples.get(path) ?? []);
    return [example, ...imported.flatMap((one) => this.#reached(one, seen))];
  }

  async #wait(done: () => boolean): Promise<void> {
    const deadline = performance.now() + this.patienceMs;
    while (!done() && performance.now() < deadline) await new Promise((turn) => setImmediate(turn));
  }
}

const keyOf = ({ path }: DocExample, line: number): string => `${path}:${line}`;

const timesOf = (text: string): number => (text.startsWith('e.g. ') ? 1 : text.split(', then ').length);

/** The module with every `console.log` reporting to us, under its line. */
function printing(example: DocExample): string {
  const lines = example.text.split('\n');
  for (const line of example.prints.keys()) {
    lines[line - 1] = (lines[line - 1] as string).replace(
      'console.log(',
      `globalThis.${PRINTED}(${JSON.stringify(keyOf(example, line))}, `,
    );
  }
  return lines.join('\n');
}

/** Remembers what an example starts, so that it ends with it. */
function watch(): Started {
  const started: Started = { apps: [], engines: [] };
  const { start } = OqronEngine.prototype;
  jest.spyOn(OqronEngine.prototype, 'start').mockImplementation(function (this: OqronEngine) {
    started.engines.push(this);
    return start.call(this);
  });
  Logger.overrideLogger(false);
  for (const method of ['create', 'createApplicationContext'] as const) {
    const make = NestFactory[method].bind(NestFactory) as (...args: unknown[]) => Promise<INestApplicationContext>;
    const spy = jest.spyOn(NestFactory, method) as unknown as jest.Spied<typeof make>;
    spy.mockImplementation(async (...args) => {
      const app = await make(...args);
      started.apps.push(app);
      return app;
    });
  }
  return started;
}

async function stop({ apps, engines }: Started): Promise<void> {
  jest.restoreAllMocks();
  for (const app of apps) await app.close();
  await OqronKit.stop();
  for (const engine of engines) await engine.stop();
}

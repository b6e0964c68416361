import { ConsoleLogger, Injectable, Logger, type ConsoleLoggerOptions } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { OqronEngine, type JobContext } from 'oqronkit';
import { OQRON_CLOCK, OqronModule, Worker } from 'oqronkit/nestjs';
import { VirtualClock } from 'oqronkit/testing';

/** What Nest writes to the streams of the process. */
let written: string[];
beforeEach(() => {
  written = [];
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, 'write').mockImplementation((text) => Boolean(written.push(String(text))));
  }
});
afterEach(() => {
  jest.restoreAllMocks();
  Logger.overrideLogger(false);
});

@Injectable()
class Failing {
  @Worker('failing', {
    retries: { max: 0 },
    hooks: {
      onError: () => {
        throw new TypeError('the hook is broken');
      },
    },
  })
  run(_data: unknown, ctx: JobContext): never {
    throw new RangeError(`no route for ${ctx.name}`);
  }
}

/** Runs a job that fails, and so does its hook; answers what was written. */
async function write(options: ConsoleLoggerOptions): Promise<string> {
  const clock = new VirtualClock();
  const nest = await Test.createTestingModule({ imports: [OqronModule.forRoot()], providers: [Failing] })
    .setLogger(new ConsoleLogger({ colors: false, ...options }))
    .overrideProvider(OQRON_CLOCK)
    .useValue(clock)
    .compile();
  await nest.init();
  await nest.get(OqronEngine).producer('failing').add(1, { jobId: 'j1' });
  await clock.settle();
  await nest.close();
  return written.join('');
}

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { message: string });

describe('what the engine logs', () => {
  it('has its details as params of a JSON line, and a stack as the stack', async () => {
    const lines = jsonLines(await write({ json: true }));
    expect(lines.find(({ message }) => message.includes('attempt 1 failed'))).toMatchObject({
      level: 'warn',
      context: 'Oqron',
      params: { queue: 'failing', jobId: 'j1', attempt: 1, error: 'RangeError', final: true },
    });
    const broken = lines.find(({ message }) => message.includes('the hook is broken'));
    expect(broken).toMatchObject({
      level: 'error',
      context: 'Oqron',
      stack: expect.stringMatching(/^TypeError: the hook is broken\n +at /),
    });
    expect(broken).not.toHaveProperty('params');
  });

  it('has them at the top of a JSON line with flattenParams', async () => {
    const lines = jsonLines(await write({ json: true, flattenParams: true }));
    expect(lines).toContainEqual(expect.objectContaining({ queue: 'failing', jobId: 'j1', attempt: 1 }));
  });

  it('has them behind the message of a text line, and the stack on lines of its own', async () => {
    const text = await write({});
    expect(text).toMatch(/WARN \[Oqron\] .*attempt 1 failed: no route for default \{ queue: 'failing', jobId: 'j1',/);
    expect(text).toMatch(/ERROR \[Oqron\] hook onError .*: the hook is broken\nTypeError: the hook is broken\n +at /);
    expect(text).not.toContain('{}');
  });

  it('follows the levels of the application', async () => {
    expect(await write({ logLevels: ['error'] })).not.toContain('attempt 1 failed');
  });
});

import { stat } from 'node:fs/promises';
import { get } from 'node:http';
import { textOf } from '../kernel/job/stored-error.js';
import { parseDuration } from '../kernel/job/duration.js';
import { systemClock } from '../kernel/ports/system-clock.js';

/** A file is touched every five seconds: one that is older than this was not touched several times (ms). */
const MAX_AGE_MS = 30_000;
/** A process that does not answer within this time (ms) is blocked. */
const ANSWER_MS = 2_000;

export interface HealthcheckOptions {
  readonly file?: string | undefined;
  readonly 'max-age'?: string | undefined;
  readonly port?: string | undefined;
  readonly host?: string | undefined;
}

/** What is wrong with a process that shows its liveness by a file or a port; nothing when it lives. */
export async function healthProblem(options: HealthcheckOptions): Promise<string | undefined> {
  const { file, port, host = '127.0.0.1' } = options;
  const maxAge = options['max-age'];
  const maxAgeMs = maxAge === undefined ? MAX_AGE_MS : parseDuration(maxAge);
  if (maxAgeMs === undefined) return `--max-age ${maxAge} is not a duration such as 30s`;
  if (file === undefined && port === undefined) return 'healthcheck needs --file, or --port';
  return (file === undefined ? undefined : await fileProblem(file, maxAgeMs)) ?? (port && portProblem(host, port));
}

async function fileProblem(file: string, maxAgeMs: number): Promise<string | undefined> {
  try {
    const { mtimeMs } = await stat(file);
    const age = Math.round(systemClock.now() - mtimeMs);
    return age > maxAgeMs ? `${file} was touched ${age} ms ago, more than ${maxAgeMs}` : undefined;
  } catch (error) {
    return `${file} cannot be read: ${textOf(error)}`;
  }
}

function portProblem(host: string, port: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get({ host, port, timeout: ANSWER_MS, agent: false }, (response) => {
      response.resume();
      const { statusCode } = response;
      resolve(statusCode === 200 ? undefined : `http://${host}:${port}/ answers ${statusCode}`);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    request.on('error', (error) => resolve(`http://${host}:${port}/: ${textOf(error)}`));
  });
}

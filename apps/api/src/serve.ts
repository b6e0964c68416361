import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { errorCode, ONE_ERROR_MESSAGE, StartError } from '#contracts';
import type { ApiSettings } from './api-settings.js';
import { configureHttp, HTTP_OPTIONS } from './http.js';

/**
 * Starts a process that serves HTTP: the API alone, or with the worker beside it. SIGINT and SIGTERM end it with
 * exit code 0 once running jobs have ended or were handed back.
 *
 * @throws StartError saying what to change, OqronError when the engine cannot start
 */
export async function serve(module: DynamicModule, settings: ApiSettings): Promise<string> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    ...HTTP_OPTIONS,
    ...ONE_ERROR_MESSAGE,
  });
  app.flushLogs();
  configureHttp(app);
  app.enableShutdownHooks(['SIGINT', 'SIGTERM', 'SIGHUP'], { useProcessExit: true });
  try {
    await app.listen(settings.port, settings.host);
  } catch (error) {
    await app.close();
    throw readable(error, settings);
  }
  return app.getUrl();
}

/** What a person sees who started the service by hand. */
export function printUsage(url: string): void {
  process.stdout.write(`
Documents are served at ${url}
Try:
  curl --data-binary @README.md ${url}/documents

`);
}

function readable(error: unknown, { host, port }: ApiSettings): unknown {
  const code = errorCode(error);
  if (code === 'EADDRINUSE') {
    return new StartError(`Port ${port} of ${host} is taken. Choose another one: PORT=${port + 1} npm start`);
  }
  if (code === 'EACCES') {
    return new StartError(`Port ${port} of ${host} is not allowed. Choose one above 1023 with PORT.`);
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StartError(`HOST ${host} is no address of this machine.`);
  }
  return error;
}

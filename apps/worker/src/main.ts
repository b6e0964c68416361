import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { exitWith, ONE_ERROR_MESSAGE, readAppSettings } from '#contracts';
import { WorkerModule } from './worker.module.js';

async function main(): Promise<void> {
  const settings = readAppSettings(process.argv.slice(2), process.env);
  const app = await NestFactory.createApplicationContext(WorkerModule.forRoot(settings), ONE_ERROR_MESSAGE);
  app.flushLogs();
  app.enableShutdownHooks(['SIGINT', 'SIGTERM', 'SIGHUP'], { useProcessExit: true });
  if (settings.engine.mode === 'default') {
    process.stdout.write('Jobs stay in the memory of this process, where nobody adds any: see `npm start`.\n');
  }
}

main().catch(exitWith);

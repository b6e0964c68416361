import 'reflect-metadata';
import { exitWith } from '#contracts';
import { ApiModule } from './api.module.js';
import { readApiSettings } from './api-settings.js';
import { printUsage, serve } from './serve.js';

async function main(): Promise<void> {
  const settings = readApiSettings(process.argv.slice(2), process.env);
  printUsage(await serve(ApiModule.forRoot(settings), settings));
  if (settings.engine.mode === 'default') {
    process.stdout.write('Jobs stay in the memory of this process, where nobody works on them: see `npm start`.\n');
  }
}

main().catch(exitWith);

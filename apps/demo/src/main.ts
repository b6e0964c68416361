import 'reflect-metadata';
import { exitWith } from '#contracts';
import { readApiSettings } from '../../api/src/api-settings.js';
import { printUsage, serve } from '../../api/src/serve.js';
import { DemoModule } from './demo.module.js';

async function main(): Promise<void> {
  const settings = readApiSettings(process.argv.slice(2), process.env);
  printUsage(await serve(DemoModule.forRoot(settings), settings));
}

main().catch(exitWith);

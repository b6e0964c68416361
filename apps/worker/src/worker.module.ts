import { Module, type DynamicModule } from '@nestjs/common';
import { workerModule } from 'oqronkit';
import { OqronModule } from 'oqronkit/nestjs';
import type { AppSettings } from '#contracts';
import { DigestModule } from './digest/digest.module.js';

/** The worker as a process of its own. */
@Module({})
export class WorkerModule {
  static forRoot(settings: AppSettings): DynamicModule {
    return {
      module: WorkerModule,
      imports: [
        DigestModule.register(settings),
        // Last: Nest shuts sibling modules down in reverse order, and running jobs may still need all the others.
        OqronModule.forRoot({ ...settings.engine, modules: [workerModule()] }),
      ],
    };
  }
}

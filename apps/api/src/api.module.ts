import { Module, type DynamicModule } from '@nestjs/common';
import { queueModule } from 'oqronkit';
import { OqronModule } from 'oqronkit/nestjs';
import type { ApiSettings } from './api-settings.js';
import { DocumentsModule } from './documents/documents.module.js';

/** The API as a process of its own: it adds documents and reads about them, and never digests any. */
@Module({})
export class ApiModule {
  static forRoot(settings: ApiSettings): DynamicModule {
    return {
      module: ApiModule,
      imports: [
        DocumentsModule.register(settings),
        // Last: Nest shuts sibling modules down in reverse order, and running jobs may still need all the others.
        OqronModule.forRoot({ ...settings.engine, modules: [queueModule({ consume: false })] }),
      ],
    };
  }
}

import { Module, type DynamicModule } from '@nestjs/common';
import { OqronModule } from 'oqronkit/nestjs';
import type { ApiSettings } from '../../api/src/api-settings.js';
import { DocumentsModule } from '../../api/src/documents/documents.module.js';
import { DigestModule } from '../../worker/src/digest/digest.module.js';

/** Both sides in one process: the same feature modules as in the two apps, and every engine module. */
@Module({})
export class DemoModule {
  static forRoot(settings: ApiSettings): DynamicModule {
    return {
      module: DemoModule,
      imports: [
        DocumentsModule.register(settings),
        DigestModule.register(settings),
        // Last: Nest shuts sibling modules down in reverse order, and running jobs may still need all the others.
        OqronModule.forRoot(settings.engine),
      ],
    };
  }
}

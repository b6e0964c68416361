import { Module, type DynamicModule } from '@nestjs/common';
import { DocumentFiles } from '#contracts';
import { API_SETTINGS } from '../api.tokens.js';
import type { ApiSettings } from '../api-settings.js';
import { HealthController } from '../health.controller.js';
import { PageController } from '../page/page.controller.js';
import { DocumentsController } from './documents.controller.js';
import { DocumentsJanitor } from './documents.janitor.js';
import { DocumentsService } from './documents.service.js';

/** The HTTP side of the document service. It only adds jobs; who digests them is another module's business. */
@Module({})
export class DocumentsModule {
  static register(settings: ApiSettings): DynamicModule {
    return {
      module: DocumentsModule,
      controllers: [PageController, HealthController, DocumentsController],
      providers: [
        { provide: API_SETTINGS, useValue: settings },
        { provide: DocumentFiles, useFactory: () => new DocumentFiles(settings.dataDir) },
        DocumentsService,
        DocumentsJanitor,
      ],
    };
  }
}

import { Module, type DynamicModule } from '@nestjs/common';
import { DocumentFiles, type AppSettings } from '#contracts';
import { DigestProcessor } from './digest.processor.js';

@Module({})
export class DigestModule {
  static register(settings: AppSettings): DynamicModule {
    return {
      module: DigestModule,
      providers: [{ provide: DocumentFiles, useFactory: () => new DocumentFiles(settings.dataDir) }, DigestProcessor],
    };
  }
}

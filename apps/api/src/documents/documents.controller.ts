import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  Controller,
  Delete,
  Get,
  HttpCode,
  HttpStatus,
  Param,
  Post,
  Req,
  Res,
  type StreamableFile,
} from '@nestjs/common';
import { DocumentsService, type CancelView } from './documents.service.js';
import type { DocumentView } from './document-view.js';

@Controller('documents')
export class DocumentsController {
  constructor(private readonly documents: DocumentsService) {}

  /** Takes any body of any content type, as it is. */
  @Post()
  @HttpCode(HttpStatus.ACCEPTED)
  async submit(
    @Req() request: IncomingMessage,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<{ id: string }> {
    const accepted = await this.documents.submit(request);
    response.setHeader('Location', `/documents/${accepted.id}`);
    return accepted;
  }

  @Get(':id')
  view(@Param('id') id: string): Promise<DocumentView> {
    return this.documents.view(id);
  }

  @Get(':id/artifact')
  artifact(@Param('id') id: string): Promise<StreamableFile> {
    return this.documents.artifact(id);
  }

  @Delete(':id')
  cancel(@Param('id') id: string): Promise<CancelView> {
    return this.documents.cancel(id);
  }
}

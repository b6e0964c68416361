import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import {
  ConflictException,
  GoneException,
  Inject,
  Injectable,
  NotFoundException,
  StreamableFile,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import type { JobHandle } from 'oqronkit';
import { InjectQueue, type QueueOf } from 'oqronkit/nestjs';
import {
  DocumentDigest,
  DocumentFiles,
  errorCode,
  isDocumentId,
  type DocumentJob,
  type DocumentResult,
} from '#contracts';
import { API_SETTINGS } from '../api.tokens.js';
import type { ApiSettings } from '../api-settings.js';
import { documentView, type DocumentView } from './document-view.js';
import { receiveBody } from './receive-body.js';

export interface CancelView {
  readonly id: string;
  /** `finished`: it had ended before, so only its files were removed. */
  readonly outcome: 'cancelled' | 'finished';
}

@Injectable()
export class DocumentsService implements OnModuleInit, OnApplicationShutdown {
  private readonly submissions = new Set<Promise<unknown>>();

  constructor(
    @InjectQueue(DocumentDigest) private readonly documents: QueueOf<typeof DocumentDigest>,
    @Inject(API_SETTINGS) private readonly settings: ApiSettings,
    private readonly files: DocumentFiles,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.files.prepare();
  }

  /** By now every connection was cut: what was being sent is removed before the process ends. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.submissions);
  }

  /** Stores the body and enqueues its digest. The document is accepted once the queue has acknowledged it. */
  async submit(request: IncomingMessage): Promise<{ id: string }> {
    const submission = this.accept(request);
    this.submissions.add(submission);
    try {
      return await submission;
    } finally {
      this.submissions.delete(submission);
    }
  }

  async view(id: string): Promise<DocumentView> {
    return documentView(await this.find(id));
  }

  /** Stops the work on a document, if there is any left, and removes its files. */
  async cancel(id: string): Promise<CancelView> {
    const job = await this.find(id);
    const outcome = await job.cancel('deleted by the client');
    if (outcome === 'unknown') throw unknown(id);
    await this.files.remove(id);
    return { id, outcome };
  }

  async artifact(id: string): Promise<StreamableFile> {
    const { status } = await this.find(id);
    if (status !== 'completed') {
      throw new ConflictException({
        statusCode: 409,
        error: 'Conflict',
        message: `Document ${id} has no artifact: it is ${status}.`,
        status,
      });
    }
    const file = await open(this.files.artifact(id)).catch((error: unknown) => {
      throw errorCode(error) === 'ENOENT' ? new GoneException(`The artifact of document ${id} was removed.`) : error;
    });
    const { size } = await file.stat();
    return new StreamableFile(file.createReadStream(), {
      // Not `content-encoding: br`: the compressed file is what was asked for, so no client may unpack it on the way.
      type: 'application/x-brotli',
      disposition: `attachment; filename="${id}.br"`,
      length: size,
    });
  }

  private async accept(request: IncomingMessage): Promise<{ id: string }> {
    const id = randomUUID();
    const file = { path: this.files.source(id), part: this.files.part(id, 'upload') };
    const bytes = await receiveBody(request, file, this.settings.maxBytes);
    try {
      await this.documents.add({ id, bytes }, { jobId: id });
    } catch (error) {
      // Where nobody knows whether it was added, its worker may be about to read the file.
      if (errorCode(error) !== 'UNKNOWN_OUTCOME') await this.files.remove(id);
      throw error;
    }
    return { id };
  }

  private async find(id: string): Promise<JobHandle<DocumentJob, DocumentResult>> {
    const job = isDocumentId(id) ? await this.documents.getJob(id) : undefined;
    if (!job) throw unknown(id);
    return job;
  }
}

function unknown(id: string): NotFoundException {
  return new NotFoundException(`There is no document ${id}.`);
}

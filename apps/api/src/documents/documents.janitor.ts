import { rm } from 'node:fs/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectQueue, type QueueOf } from 'oqronkit/nestjs';
import { DocumentDigest, DocumentFiles } from '#contracts';

const HOUR_MS = 3_600_000;
/** An upload under way has no job yet; nothing younger than this is touched. */
const MIN_AGE_MS = 24 * HOUR_MS;

/**
 * Removes files that no job knows any more: the record was removed by retention, or died with a process that kept
 * its jobs in memory. Without it the directory would grow for ever.
 */
@Injectable()
export class DocumentsJanitor implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(DocumentsJanitor.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @InjectQueue(DocumentDigest) private readonly documents: QueueOf<typeof DocumentDigest>,
    private readonly files: DocumentFiles,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), HOUR_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Answers how many files were removed. Never throws: the next sweep tries again. */
  async sweep(now = Date.now()): Promise<number> {
    let removed = 0;
    try {
      for await (const { id, path, modifiedAt } of this.files.list()) {
        if (now - modifiedAt < MIN_AGE_MS || (await this.documents.getJob(id))) continue;
        await rm(path, { force: true });
        removed += 1;
      }
    } catch (error) {
      this.logger.warn(`Could not tidy up ${this.files.directory}: ${String(error)}`);
    }
    return removed;
  }
}

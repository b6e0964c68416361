import { rm, stat } from 'node:fs/promises';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { NonRetryableError, OqronEngine, type JobContext } from 'oqronkit';
import { InjectOqron, Worker } from 'oqronkit/nestjs';
import { DocumentDigest, DocumentFiles, errorCode, type DocumentJob, type DocumentResult } from '#contracts';
import { digestFile } from './digest-file.js';

@Injectable()
export class DigestProcessor implements OnModuleInit, OnModuleDestroy {
  private tidying: Promise<void> = Promise.resolve();

  constructor(
    @InjectOqron() private readonly engine: OqronEngine,
    private readonly files: DocumentFiles,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.files.prepare();
    // Not in the handler: a crash before the job is recorded as completed makes it run again, and then it needs its
    // source. A failed document keeps it, so that the job can be retried.
    this.engine.on('job:success', ({ queue, id }) => {
      if (queue !== DocumentDigest.name) return undefined;
      return (this.tidying = this.tidying.catch(() => undefined).then(() => this.files.removeSource(id)));
    });
  }

  /** Comes after the engine was drained: the process may end when the last source is removed. */
  async onModuleDestroy(): Promise<void> {
    await this.tidying.catch(() => undefined);
  }

  /**
   * May run again for the same document, after a crash or a retry: it overwrites what an earlier run left. Errors of
   * the disk (EIO, ENOSPC, EMFILE, ...) are thrown as they are, so the job is tried again later.
   */
  @Worker(DocumentDigest, { concurrency: 2 })
  async digest(doc: DocumentJob, ctx: JobContext<DocumentJob>): Promise<DocumentResult> {
    const { id } = doc;
    const bytes = await this.sizeOf(id);
    if (bytes === 0) throw new NonRetryableError('The document is empty: there is nothing to digest.');

    ctx.log.info('Digesting started', { bytes, attempt: ctx.attempt });
    const artifact = this.files.artifact(id);
    const result = await digestFile({
      source: this.files.source(id),
      bytes,
      artifact,
      part: this.files.part(id, String(ctx.fence)),
      signal: ctx.signal,
      onBytes: wholePercents(bytes, (percent, done) => ctx.progress(percent, `${mib(done)} of ${mib(bytes)} MiB`)),
    });
    // Cancelled between the last byte and here: the files were removed already, and nobody would remove this one.
    if (ctx.abortReason?.kind === 'cancelled') await rm(artifact, { force: true });
    ctx.log.info('Digesting finished', { compressedBytes: result.compressedBytes, ratio: result.ratio });
    return result;
  }

  private async sizeOf(id: string): Promise<number> {
    try {
      return (await stat(this.files.source(id))).size;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') {
        throw new NonRetryableError(`The uploaded file of document ${id} is gone.`, { cause: error });
      }
      throw error;
    }
  }
}

/** Says how far it is only when a whole percent was added: a large file comes in thousands of chunks. */
function wholePercents(total: number, report: (percent: number, done: number) => void): (done: number) => void {
  let last = -1;
  return (done) => {
    const percent = Math.floor((done / total) * 100);
    if (percent === last) return;
    last = percent;
    report(percent, done);
  };
}

const mib = (bytes: number): string => (bytes / (1024 * 1024)).toFixed(1);

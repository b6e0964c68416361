import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress } from 'node:zlib';
import type { DocumentResult } from '#contracts';
import { TextCounter } from './text-counter.js';

/** Most of the gain at a small part of the time that the default of 11 takes. */
const BROTLI_QUALITY = 5;

export interface DigestTask {
  /** The file to read, and its size. */
  readonly source: string;
  readonly bytes: number;
  /** Where the compressed file goes once it is complete, and where it is written until then. */
  readonly artifact: string;
  readonly part: string;
  readonly signal: AbortSignal;
  readonly onBytes: (done: number) => void;
}

/**
 * Reads a file once: through SHA-256, the counter and brotli into the artifact. Memory does not grow with the file.
 * Nothing is left behind when it fails or is aborted.
 */
export async function digestFile(task: DigestTask): Promise<DocumentResult> {
  const hash = createHash('sha256');
  const counter = new TextCounter();
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      counter.add(chunk);
      bytes += chunk.length;
      task.onBytes(bytes);
      done(null, chunk);
    },
  });
  const brotli = createBrotliCompress({
    params: {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: task.bytes,
    },
  });
  const output = createWriteStream(task.part, { flush: true });
  try {
    await pipeline(createReadStream(task.source), measure, brotli, output, { signal: task.signal });
    await rename(task.part, task.artifact);
  } catch (error) {
    await rm(task.part, { force: true });
    throw error;
  }
  const compressedBytes = output.bytesWritten;
  return {
    sha256: hash.digest('hex'),
    bytes,
    compressedBytes,
    ratio: Number((compressedBytes / bytes).toFixed(4)),
    ...counter.result(),
  };
}

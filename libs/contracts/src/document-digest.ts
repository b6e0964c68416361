import { defineQueue } from 'oqronkit';

/** What the API puts on the queue. The bytes lie on disk: a payload only says which document is meant. */
export interface DocumentJob {
  /** Also the id of the job and the stem of the document's files. */
  readonly id: string;
  /** Size of the uploaded file. */
  readonly bytes: number;
}

/** What the worker found out about a document. */
export interface DocumentResult {
  /** Of the uploaded bytes, in hex: what `sha256sum` prints. */
  readonly sha256: string;
  readonly bytes: number;
  readonly compressedBytes: number;
  /** `compressedBytes / bytes`, with four decimals. */
  readonly ratio: number;
  /** Only for text. A last line without a line break counts. */
  readonly lines?: number;
  /** Only for text: runs of bytes between white space, as `wc -w` counts them. */
  readonly words?: number;
}

/** The one link between the API, which adds documents, and the worker, which digests them. */
export const DocumentDigest = defineQueue<DocumentJob, DocumentResult>('document-digest', {
  retries: { max: 3, strategy: 'exponential', baseDelay: '500ms', maxDelay: '10s' },
  timeout: '10m',
});

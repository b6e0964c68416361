import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for what can be the id of a document; only such a text ever becomes part of a path. */
export const isDocumentId = (text: string): boolean => ID.test(text);

/** One file of a document as it lies on disk. */
export interface StoredFile {
  readonly id: string;
  readonly path: string;
  readonly modifiedAt: number;
}

/**
 * Where the files of a document lie. Both apps must agree on it, and on the directory.
 *
 * Names are made of ids that we generated, never of what a client sent. Whatever is being written has a `.part` name
 * until it is complete, so that nobody ever reads half a file.
 */
export class DocumentFiles {
  constructor(readonly directory: string) {}

  /** The uploaded bytes. */
  source(id: string): string {
    return join(this.directory, `${id}.source`);
  }

  /** The compressed result. */
  artifact(id: string): string {
    return join(this.directory, `${id}.br`);
  }

  /** A name of its own for each writer: an attempt that was given up may still be writing beside its successor. */
  part(id: string, writer: string): string {
    return join(this.directory, `${id}.${writer}.part`);
  }

  async prepare(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
  }

  async removeSource(id: string): Promise<void> {
    await rm(this.source(id), { force: true });
  }

  /** Removes the document's finished files. A `.part` file belongs to its writer, who removes it. */
  async remove(id: string): Promise<void> {
    await Promise.all([this.removeSource(id), rm(this.artifact(id), { force: true })]);
  }

  /** Every file of every document. What else may lie in the directory is not ours and not listed. */
  async *list(): AsyncGenerator<StoredFile> {
    for (const name of await readdir(this.directory)) {
      const id = name.slice(0, name.indexOf('.'));
      if (!isDocumentId(id)) continue;
      const path = join(this.directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile()) yield { id, path, modifiedAt: found.mtimeMs };
    }
  }
}

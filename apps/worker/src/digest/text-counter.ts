const LF = 0x0a;
const SPACE = 0x20;

/** Tab, line feed, vertical tab, form feed, carriage return. */
const isSpace = (byte: number): boolean => byte === SPACE || (byte >= 0x09 && byte <= 0x0d);

/**
 * Counts lines and words of a stream of bytes as long as it is text: valid UTF-8 without NUL. Of anything else a
 * count would be noise.
 */
export class TextCounter {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true });
  #isText = true;
  #lines = 0;
  #words = 0;
  #last = LF;

  add(chunk: Uint8Array): void {
    if (!this.#isText) return;
    this.#isText = !chunk.includes(0) && this.#isUtf8(chunk);
    if (!this.#isText) return;
    let last = this.#last;
    for (const byte of chunk) {
      if (byte === LF) this.#lines += 1;
      else if (!isSpace(byte) && isSpace(last)) this.#words += 1;
      last = byte;
    }
    this.#last = last;
  }

  /** Call it after the last chunk. `undefined` when the bytes were no text. */
  result(): { lines: number; words: number } | undefined {
    // The last character may be cut short.
    if (!this.#isText || !this.#isUtf8()) return undefined;
    return { lines: this.#last === LF ? this.#lines : this.#lines + 1, words: this.#words };
  }

  #isUtf8(chunk?: Uint8Array): boolean {
    try {
      // Keeps the beginning of a character that goes on in the next chunk.
      this.#utf8.decode(chunk, { stream: chunk !== undefined });
      return true;
    } catch {
      return false;
    }
  }
}

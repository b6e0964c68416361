import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { BadRequestException, HttpException, HttpStatus, PayloadTooLargeException } from '@nestjs/common';
import { errorCode } from '#contracts';

/** How long a client that was refused may go on sending before the connection is cut. */
const LINGER_MS = 10_000;

/**
 * Streams the body of a request into a file and answers its size. The file appears under its name only when it is
 * complete and on disk; whatever goes wrong leaves nothing behind.
 *
 * @throws PayloadTooLargeException, BadRequestException when the client went away
 */
export async function receiveBody(
  request: IncomingMessage,
  file: { readonly path: string; readonly part: string },
  maxBytes: number,
): Promise<number> {
  let bytes = 0;
  async function* body(): AsyncGenerator<Buffer> {
    // Destroying the request would cut the connection before the client has read why it was refused.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  }
  try {
    if (Number(request.headers['content-length']) > maxBytes) throw tooLarge(maxBytes);
    // `flush`: a document that was accepted is on disk, not only in the page cache.
    await pipeline(body, createWriteStream(file.part, { flags: 'wx', flush: true }));
    await rename(file.part, file.path);
    return bytes;
  } catch (error) {
    await rm(file.part, { force: true });
    discardRest(request);
    throw asHttpError(error, request);
  }
}

function tooLarge(maxBytes: number): PayloadTooLargeException {
  return new PayloadTooLargeException({
    statusCode: HttpStatus.PAYLOAD_TOO_LARGE,
    error: 'Payload Too Large',
    message: `The document is larger than the limit of ${maxBytes} bytes.`,
    maxBytes,
  });
}

function asHttpError(error: unknown, request: IncomingMessage): unknown {
  if (error instanceof HttpException) return error;
  if (!request.complete && request.destroyed) return new BadRequestException('The upload was cut off.');
  if (errorCode(error) === 'ENOSPC') {
    return new HttpException('There is no space left for the document.', HttpStatus.INSUFFICIENT_STORAGE);
  }
  return error;
}

/**
 * Reads on and throws away what the client still sends, for a while: a connection that is closed with unread data
 * is reset, and the answer is lost with it.
 */
function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const cut = setTimeout(() => request.destroy(), LINGER_MS).unref();
  const stop = () => clearTimeout(cut);
  request.once('end', stop).once('close', stop).resume();
}

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DocumentFiles } from '#contracts';
import { DocumentsJanitor } from '../../apps/api/src/documents/documents.janitor.js';
import { until } from '../support/until.js';
import { MIB, noise, startDemo, type RunningDemo } from './support.js';

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

describe('the document service', () => {
  let demo: RunningDemo;

  beforeAll(async () => {
    demo = await startDemo();
  });

  afterAll(async () => {
    await demo.stop();
  });

  it('digests a document: hash, size, counts, log and progress', async () => {
    const text = 'Grüße aus Köln\n'.repeat(10_000);
    const response = await fetch(`${demo.url}/documents`, { method: 'POST', body: text });
    expect(response.status).toBe(202);
    const body = (await response.json()) as { id: string };
    expect(body).toEqual({ id: expect.stringMatching(UUID) });
    expect(response.headers.get('location')).toBe(`/documents/${body.id}`);

    const view = await demo.untilFinal(body.id);
    expect(view).toMatchObject({ id: body.id, status: 'completed', progress: 100, attempt: 1 });
    const bytes = Buffer.byteLength(text);
    const result = view.result!;
    expect(result).toEqual({
      sha256: sha256(text),
      bytes,
      compressedBytes: expect.any(Number),
      ratio: Number((result.compressedBytes / bytes).toFixed(4)),
      lines: 10_000,
      words: 30_000,
    });
    expect(result.ratio).toBeLessThan(0.01);
    expect(view.logs.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'info Digesting started',
      'info Digesting finished',
    ]);
    expect(view.error).toBeUndefined();
  });

  it('hands out the compressed document', async () => {
    const original = Buffer.concat([noise(2 * MIB), Buffer.alloc(2 * MIB, 'ab')]);
    const { id, result } = await demo.digest(original);

    const response = await fetch(`${demo.url}/documents/${id}/artifact`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/x-brotli');
    expect(response.headers.get('content-encoding')).toBeNull();
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${id}.br"`);
    const compressed = Buffer.from(await response.arrayBuffer());
    expect(compressed).toHaveLength(result!.compressedBytes);
    expect(response.headers.get('content-length')).toBe(String(compressed.length));
    expect(brotliDecompressSync(compressed).equals(original)).toBe(true);
  });

  it('removes the upload of a completed document and keeps its artifact', async () => {
    const { id } = await demo.digest('short');
    await until('the source to be removed', async () => !(await demo.files()).includes(`${id}.source`));
    expect((await demo.files()).filter((name) => name.startsWith(id))).toEqual([`${id}.br`]);
  });

  it.each([
    { what: 'one line without an end', body: 'a few words', lines: 1, words: 3 },
    { what: 'empty lines and runs of blanks', body: '\n\n  a \t b\r\nc\n', lines: 4, words: 3 },
    { what: 'a character that two chunks share', body: `${'x'.repeat(65_535)}€ y\n`, lines: 1, words: 2 },
    { what: 'a word that two chunks share', body: 'z'.repeat(200_000), lines: 1, words: 1 },
  ])('counts $what', async ({ body, lines, words }) => {
    const { result } = await demo.digest(body);
    expect(result).toMatchObject({ sha256: sha256(body), lines, words });
  });

  it.each([
    { what: 'a NUL', body: Buffer.from('text\0text') },
    { what: 'a byte that no UTF-8 has', body: Buffer.from([0x61, 0xff, 0x62]) },
    { what: 'half a character at its end', body: Buffer.from('€').subarray(0, 2) },
    { what: 'noise', body: noise(100_000) },
  ])('counts nothing in a document with $what', async ({ body }) => {
    const { status, result } = await demo.digest(body);
    expect(status).toBe('completed');
    expect(Object.keys(result!)).toEqual(['sha256', 'bytes', 'compressedBytes', 'ratio']);
    expect(result!.sha256).toBe(sha256(body));
  });

  it('accepts an empty document, and fails it without another attempt', async () => {
    const { status, error, attempt, result } = await demo.digest('');
    expect({ status, attempt, result }).toEqual({ status: 'failed', attempt: 1, result: undefined });
    expect(error).toEqual({
      name: 'NonRetryableError',
      message: 'The document is empty: there is nothing to digest.',
      code: 'NON_RETRYABLE',
    });
  });

  it('cancels a running job and leaves no file of it', async () => {
    const id = await demo.post(noise(48 * MIB));
    await demo.until(id, 'active', ({ status, progress }) => status === 'active' && progress > 0);
    const response = await fetch(`${demo.url}/documents/${id}`, { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ id, outcome: 'cancelled' });

    await until('its files to be gone', async () => !(await demo.files()).some((name) => name.startsWith(id)));
    const view = await demo.view(id);
    expect(view.status).toBe('cancelled');
    expect(view.progress).toBeLessThan(100);
    expect(view.result).toBeUndefined();
  });

  it('removes the files of a finished document on DELETE', async () => {
    const { id } = await demo.digest('to be deleted');
    const response = await fetch(`${demo.url}/documents/${id}`, { method: 'DELETE' });
    expect(await response.json()).toEqual({ id, outcome: 'finished' });
    expect((await demo.view(id)).status).toBe('completed');
    const artifact = await fetch(`${demo.url}/documents/${id}/artifact`);
    expect(artifact.status).toBe(410);
    expect(await demo.files()).not.toContain(`${id}.br`);
  });

  it.each([
    { method: 'GET', path: `/documents/${UNKNOWN_ID}` },
    { method: 'GET', path: `/documents/${UNKNOWN_ID}/artifact` },
    { method: 'DELETE', path: `/documents/${UNKNOWN_ID}` },
    { method: 'GET', path: '/documents/..%2f..%2fetc%2fpasswd/artifact' },
    { method: 'DELETE', path: `/documents/${'x'.repeat(1_000)}` },
  ])('answers 404 to $method of an unknown document', async ({ method, path }) => {
    const response = await fetch(demo.url + path, { method });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ message: expect.stringContaining('There is no document') });
  });

  it('answers 409 for the artifact of a document that is not completed', async () => {
    const { id } = await demo.digest('');
    const response = await fetch(`${demo.url}/documents/${id}/artifact`);
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ status: 'failed', message: expect.stringContaining('is failed') });
  });

  it('leaves nothing behind when a client goes away while it sends', async () => {
    const before = await demo.files();
    const upload = request(`${demo.url}/documents`, { method: 'POST', headers: { 'content-length': 8 * MIB } });
    upload.on('error', () => undefined);
    upload.write(noise(MIB));
    await until('the upload to begin', async () => (await demo.files()).some((name) => name.endsWith('.upload.part')));
    upload.destroy();
    await until('its file to be gone', async () => !(await demo.files()).some((name) => name.endsWith('.part')));
    expect(await demo.files()).toEqual(before);
  });

  it('reports its health', async () => {
    const response = await fetch(`${demo.url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: 'ok',
      engine: { state: 'started' },
      documents: { waiting: expect.any(Number), active: expect.any(Number), completed: expect.any(Number) },
    });
  });

  it('serves a page that runs only its own code', async () => {
    const response = await fetch(demo.url);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    for (const tag of ['script', 'style']) {
      const code = new RegExp(`<${tag}>([\\s\\S]*)</${tag}>`).exec(html)?.[1] ?? '';
      const hash = createHash('sha256').update(code).digest('base64');
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`);
    }
    expect(html).toContain(`data-max-bytes="${64 * MIB}"`);
    expect(html).not.toMatch(/https?:\/\//);
  });

  it('refuses what a foreign page sends', async () => {
    const headers = { origin: 'http://elsewhere.example' };
    const response = await fetch(`${demo.url}/documents`, { method: 'POST', headers, body: 'not mine' });
    expect(response.status).toBe(403);
  });

  it('removes old files that no job knows, and only those', async () => {
    const { id } = await demo.digest('known');
    const old = new Date('2020-01-01');
    const write = async (name: string) => {
      await writeFile(join(demo.dataDir, name), 'x');
      await utimes(join(demo.dataDir, name), old, old);
    };
    await write(`${UNKNOWN_ID}.source`);
    await write(`${UNKNOWN_ID}.17.part`);
    await write('notes.txt');
    await writeFile(join(demo.dataDir, `${UNKNOWN_ID}.br`), 'just written');
    await utimes(join(demo.dataDir, `${id}.br`), old, old);

    expect(await demo.app.get(DocumentsJanitor, { strict: false }).sweep()).toBe(2);
    const files = await demo.files();
    expect(files).toEqual(expect.arrayContaining(['notes.txt', `${UNKNOWN_ID}.br`, `${id}.br`]));
    expect(files.filter((name) => name.startsWith(UNKNOWN_ID))).toEqual([`${UNKNOWN_ID}.br`]);
  });
});

describe('the size limit', () => {
  let demo: RunningDemo;

  beforeAll(async () => {
    demo = await startDemo({ maxBytes: MIB });
  });

  afterAll(async () => {
    await demo.stop();
  });

  /** Sends everything before it reads anything: a connection that is cut meanwhile never shows the answer. */
  function send(body: Uint8Array, headers: string, encode: (chunk: Uint8Array) => Uint8Array[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(demo.url).port), '127.0.0.1')
        .pause()
        .on('error', reject);
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const [head = '', json = ''] = text.split('\r\n\r\n');
        if (!json.endsWith('}')) return;
        resolve({ status: head.slice(0, 12), ...JSON.parse(json) });
        socket.destroy();
      });
      socket.pause();
      socket.write(`POST /documents HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`);
      for (let at = 0; at < body.length; at += MIB) {
        for (const piece of encode(body.subarray(at, at + MIB))) socket.write(piece);
      }
      socket.write('', () => socket.resume());
    });
  }

  const refusal = {
    status: 'HTTP/1.1 413',
    statusCode: 413,
    error: 'Payload Too Large',
    message: `The document is larger than the limit of ${MIB} bytes.`,
    maxBytes: MIB,
  };

  it('refuses a body that says that it is too large', async () => {
    const body = noise(16 * MIB);
    expect(await send(body, `Content-Length: ${body.length}`, (chunk) => [chunk])).toEqual(refusal);
    expect(await demo.files()).toEqual([]);
  });

  it('refuses it before a byte of it was sent', async () => {
    const upload = request(`${demo.url}/documents`, { method: 'POST', headers: { 'content-length': MIB + 1 } });
    upload.on('error', () => undefined);
    const status = new Promise((resolve) => upload.on('response', (response) => resolve(response.statusCode)));
    upload.flushHeaders();
    expect(await status).toBe(413);
    upload.destroy();
  });

  it('refuses a body that turns out to be too large', async () => {
    const chunked = (chunk: Uint8Array) => [
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ];
    expect(await send(noise(16 * MIB), 'Transfer-Encoding: chunked', chunked)).toEqual(refusal);
    await until('nothing to be left of it', async () => (await demo.files()).length === 0);
  });

  it('accepts a body of exactly the limit', async () => {
    const { status, result } = await demo.digest(noise(MIB));
    expect({ status, bytes: result?.bytes }).toEqual({ status: 'completed', bytes: MIB });
  });
});

describe('a service that stops', () => {
  it('gives up a job that does not end in time, and keeps its upload', async () => {
    const demo = await startDemo({ engine: { shutdown: { timeout: 50 } } });
    const id = await demo.post(noise(48 * MIB));
    await demo.until(id, 'active', ({ status, progress }) => status === 'active' && progress > 0);
    await demo.app.close();
    expect(await demo.files()).toEqual([`${id}.source`]);
    await demo.stop();
  });

  it('cuts an upload off and leaves nothing of it', async () => {
    const demo = await startDemo();
    const upload = request(`${demo.url}/documents`, { method: 'POST', headers: { 'content-length': 8 * MIB } });
    const cut = new Promise((resolve) => upload.on('error', resolve));
    upload.write(noise(MIB));
    await until('the upload to begin', async () => (await demo.files()).length > 0);
    await demo.app.close();
    expect(await demo.files()).toEqual([]);
    await cut;
    await demo.stop();
  });
});

describe('a disk that fails', () => {
  let demo: RunningDemo;

  afterEach(async () => {
    await demo.stop();
  });

  /** The first attempt of a job cannot write its artifact. */
  class FailingFiles extends DocumentFiles {
    private failures = 1;

    override part(id: string, writer: string): string {
      if (writer === 'upload' || this.failures-- <= 0) return super.part(id, writer);
      return join(this.directory, 'no-such-directory', id);
    }
  }

  it('is tried again', async () => {
    demo = await startDemo({}, (directory) => new FailingFiles(directory));
    const { status, attempt, result } = await demo.digest('try again');
    expect({ status, attempt }).toEqual({ status: 'completed', attempt: 2 });
    expect(result?.sha256).toBe(sha256('try again'));
  });

  it('is not tried again when the upload is gone', async () => {
    demo = await startDemo({}, (directory) => new FailingFiles(directory));
    const id = await demo.post('lost');
    await demo.until(id, 'waiting for another attempt', ({ status }) => status === 'delayed');
    await rm(join(demo.dataDir, `${id}.source`));
    const { status, attempt, error } = await demo.untilFinal(id);
    expect({ status, attempt }).toEqual({ status: 'failed', attempt: 2 });
    expect(error?.message).toBe(`The uploaded file of document ${id} is gone.`);
  });
});

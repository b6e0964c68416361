import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { DocumentFiles } from '#contracts';
import type { ApiSettings } from '../../apps/api/src/api-settings.js';
import type { DocumentView } from '../../apps/api/src/documents/document-view.js';
import { configureHttp, HTTP_OPTIONS } from '../../apps/api/src/http.js';
import { DemoModule } from '../../apps/demo/src/demo.module.js';
import { until } from '../support/until.js';

export const MIB = 1024 * 1024;

const FINAL = ['completed', 'failed', 'cancelled'];

/** A busy client would take the processor away from the job that it waits for. */
const POLL_MS = 20;

/** A service as its clients see it. */
export class Client {
  constructor(readonly url: string) {}

  async post(body: Uint8Array | string): Promise<string> {
    const response = await fetch(`${this.url}/documents`, { method: 'POST', body });
    if (response.status !== 202) throw new Error(`POST /documents: ${response.status} ${await response.text()}`);
    const { id } = (await response.json()) as { id: string };
    return id;
  }

  async view(id: string): Promise<DocumentView> {
    const response = await fetch(`${this.url}/documents/${id}`);
    if (!response.ok) throw new Error(`GET /documents/${id}: ${response.status}`);
    return (await response.json()) as DocumentView;
  }

  until(id: string, what: string, done: (view: DocumentView) => boolean, deadlineMs = 30_000): Promise<DocumentView> {
    const probe = async () => {
      await sleep(POLL_MS);
      const view = await this.view(id);
      return done(view) ? view : undefined;
    };
    return until(`document ${id} to be ${what}`, probe, deadlineMs);
  }

  untilFinal(id: string, deadlineMs = 30_000): Promise<DocumentView> {
    return this.until(id, 'finished', ({ status }) => FINAL.includes(status), deadlineMs);
  }

  /** Posts a body and waits for its end. */
  async digest(body: Uint8Array | string): Promise<DocumentView> {
    return this.untilFinal(await this.post(body));
  }
}

export interface RunningDemo extends Client {
  readonly app: NestExpressApplication;
  readonly dataDir: string;
  /** Names of the files in the data directory. */
  files(): Promise<string[]>;
  stop(): Promise<void>;
}

/** The demo in this process, with a data directory of its own. */
export async function startDemo(
  settings: Partial<ApiSettings> = {},
  makeFiles: (directory: string) => DocumentFiles = (directory) => new DocumentFiles(directory),
): Promise<RunningDemo> {
  const dataDir = await mkdtemp(join(tmpdir(), 'oqronkit-e2e-'));
  const root = DemoModule.forRoot({
    engine: { shutdown: { timeout: 5_000 } },
    host: '127.0.0.1',
    port: 0,
    maxBytes: 64 * MIB,
    ...settings,
    dataDir,
  });
  const testing = await Test.createTestingModule({ imports: [root] })
    .overrideProvider(DocumentFiles)
    .useValue(makeFiles(dataDir))
    .compile();
  const app = testing.createNestApplication<NestExpressApplication>({ ...HTTP_OPTIONS, logger: false });
  configureHttp(app);
  await app.listen(0, '127.0.0.1');
  return Object.assign(new Client(await app.getUrl()), {
    app,
    dataDir,
    files: () => readdir(dataDir),
    stop: async () => {
      await app.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  });
}

/** Bytes that do not compress. */
export const noise = (bytes: number): Buffer => randomBytes(bytes);

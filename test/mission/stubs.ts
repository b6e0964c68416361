import { queue } from 'oqronkit';

/** What the pages leave undeclared, and nothing else. */

export interface Request {
  readonly body: { readonly filePath: string; readonly fileHash: string };
}

export interface Response {
  json(body: unknown): void;
}

type Route = (req: Request, res: Response) => unknown;

const routes = new Map<string, Route>();

/** An HTTP framework that keeps its routes. */
export const app = {
  post: (path: string, route: Route): void => {
    routes.set(path, route);
  },
};

/** Answers what the route sent. */
export async function post(path: string, body: Request['body']): Promise<unknown> {
  const route = routes.get(path);
  if (!route) throw new Error(`there is no route ${path}`);
  let sent: unknown;
  await route({ body }, { json: (answer) => (sent = answer) });
  return sent;
}

/** Declared in another file of the page, and not exported there. */
export interface VideoMetadata {
  videoId: string;
  s3ResourceUri: string;
  codec: 'h264' | 'hevc' | 'av1';
  bitrate: number;
}

/** What the video stubs were called with, and what they do then. */
export const video = {
  calls: [] as string[],
  onDownload: (): Promise<void> => Promise.resolve(),
};

export async function download(uri: string): Promise<void> {
  video.calls.push(`download ${uri}`);
  await video.onDownload();
}

export async function transcode(uri: string, codec: VideoMetadata['codec']): Promise<void> {
  video.calls.push(`transcode ${uri} to ${codec}`);
}

export async function uploadToCDN(videoId: string): Promise<void> {
  video.calls.push(`upload ${videoId}`);
}

export const chunks = ['first', 'second', 'third'];
/** The page counts with it and never says how. */
export const i = 0;
export const processed: string[] = [];
export const processing = { onChunk: (_chunk: string): Promise<void> => Promise.resolve() };

export async function processChunk(chunk: string): Promise<void> {
  processed.push(chunk);
  await processing.onChunk(chunk);
}

export interface RabbitChannel {
  sendToQueue(queue: string, content: Buffer, options: { headers?: Record<string, unknown> }): Promise<void>;
  get(queue: string, options: { noAck: boolean }): Promise<unknown>;
}

export const emailQueue = queue<{ to: string }>({ name: 'email' });
export const extractQueue = queue<{ source: string }>({ name: 'extract' });
export const transformQueue = queue<{ mergeFrom: string[] }>({ name: 'transform' });

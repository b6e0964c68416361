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

/** A table service that keeps its items. */
const tables = new Map<string, Map<string, { readonly id: string; readonly data: string }>>();
const tableOf = (name: string) => tables.get(name) ?? new Map<string, { readonly id: string; readonly data: string }>();

interface TableRequest<K> {
  readonly TableName: string;
  readonly Key: K;
}

export const dynamo = {
  putItem: async ({ TableName, Item }: { TableName: string; Item: { id: string; data: string } }): Promise<void> =>
    void tables.set(TableName, tableOf(TableName).set(Item.id, Item)),
  getItem: async ({ TableName, Key }: TableRequest<{ id: string }>) => ({ Item: tableOf(TableName).get(Key.id) }),
  scan: async ({ TableName, Select }: { TableName: string; Select?: 'COUNT' }) => ({
    Items: Select === 'COUNT' ? undefined : [...tableOf(TableName).values()],
    Count: tableOf(TableName).size,
  }),
  deleteItem: async ({ TableName, Key }: TableRequest<{ id: string }>): Promise<void> =>
    void tableOf(TableName).delete(Key.id),
};

export const queues: Record<string, string> = { mail: 'https://sqs.example.com/mail' };

/** A message service that keeps what it is sent. */
export const sqs = {
  sent: [] as { QueueUrl?: string; MessageBody: string; DelaySeconds?: number }[],
  sendMessage: async (message: { QueueUrl?: string; MessageBody: string; DelaySeconds?: number }): Promise<void> =>
    void sqs.sent.push(message),
  receiveMessage: async (request: { QueueUrl?: string; MaxNumberOfMessages: number; VisibilityTimeout: number }) => ({
    Messages: sqs.sent
      .filter(({ QueueUrl }) => QueueUrl === request.QueueUrl)
      .slice(0, request.MaxNumberOfMessages)
      .map(({ MessageBody }): { Body?: string } => ({ Body: MessageBody })),
  }),
};

/** A key-value service that keeps who holds what. */
const held = new Map<string, { session: string; Value: string }>();

export const consul = {
  session: {
    create: async ({ ttl }: { ttl: string }): Promise<string> => `session of ${ttl}`,
    renew: async (ownerId: string): Promise<boolean> => [...held.values()].some(({ Value }) => Value === ownerId),
  },
  kv: {
    acquire: async ({ key, session, value }: { key: string; session: string; value: string }): Promise<boolean> => {
      if (held.has(key)) return false;
      held.set(key, { session, Value: value });
      return true;
    },
    release: async ({ key }: { key: string; session: string }): Promise<void> => void held.delete(key),
    get: async (key: string) => held.get(key),
  },
};

export const emailQueue = queue<{ to: string }>({ name: 'email' });
export const extractQueue = queue<{ source: string }>({ name: 'extract' });
export const transformQueue = queue<{ mergeFrom: string[] }>({ name: 'transform' });

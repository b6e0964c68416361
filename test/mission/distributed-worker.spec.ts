import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { isFinal, OqronKit, queueModule, workerModule, type JobHandle, type Queue } from 'oqronkit';
import { VirtualClock } from 'oqronkit/testing';
import type { ModuleFolder } from '../docs/support/modules.js';
import { compile, describePage, runIn } from './examples.js';
import { EXAMPLES, type Example } from './manifest.js';
import { post, video, type VideoMetadata } from './stubs.js';
import { until } from '../support/until.js';

type VideoQueue = Queue<VideoMetadata, string>;

const upload = { filePath: 's3://videos/cat.mov', fileHash: 'cafe' };
const status = (kind: 'queue' | 'worker') => OqronKit.engine.definitions().find((one) => one.kind === kind);

async function finished(queue: VideoQueue, id: string): Promise<JobHandle<VideoMetadata, string>> {
  return until(`job ${id} ends`, async () => {
    const job = await queue.getJob(id);
    return job && isFinal(job.status) ? job : undefined;
  });
}

const read = async (run: (id?: string) => Promise<Record<string, unknown>>): Promise<VideoQueue> =>
  (await run('distributed-worker-1')).videoEncodeQueue as VideoQueue;

describePage('distributed-worker', {
  'distributed-worker-1': async (run) => {
    const queue = await read(run);
    await OqronKit.init({ config: { logger: false } });
    expect(queue.name).toBe('video-encode-topic');
    expect(status('queue')).toMatchObject({ active: false, reason: 'publishes only' });
  },
  'distributed-worker-2': async (run) => {
    const queue = await read(run);
    await run();
    await OqronKit.init({ config: { logger: false, modules: [queueModule] } });
    expect(await post('/api/upload', upload)).toEqual({ trackingId: 'vid-cafe' });
    expect(await queue.getJob('vid-cafe')).toMatchObject({
      status: 'waiting',
      data: { videoId: expect.stringMatching(/^vid_/), s3ResourceUri: upload.filePath, codec: 'hevc', bitrate: 4500 },
    });
  },
  'distributed-worker-3': async (run) => {
    const { videoEncodeWorker } = await run();
    await OqronKit.init({ config: { logger: false } });
    expect(videoEncodeWorker).toEqual({ topic: 'video-encode-topic' });
    expect(status('worker')).toMatchObject({ active: true, concurrency: 2 });
    expect(videoEncodeWorker).not.toHaveProperty('add');
  },
  'distributed-worker-4': async (run) => {
    const queue = await read(run);
    await run('distributed-worker-3');
    await run();
    expect(OqronKit.engine.health()).toMatchObject({ state: 'started', running: 0 });
    expect(status('worker')).toMatchObject({ active: false, reason: 'the worker module is not selected' });
    const job = await queue.add({ videoId: 'v', s3ResourceUri: 's3://v', codec: 'av1', bitrate: 1 });
    expect(job.status).toBe('waiting');
  },
  'distributed-worker-5': async (run) => {
    const queue = await read(run);
    await run('distributed-worker-3');
    await run();
    expect(status('worker')).toMatchObject({ active: true });
    const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    // Publishing needs no module. In one process the worker's own memory is the store.
    const { id } = await queue.add({ videoId: 'v', s3ResourceUri: 's3://v', codec: 'av1', bitrate: 1 });
    expect(await finished(queue, id)).toMatchObject({ status: 'completed' });
    await OqronKit.stop();
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  },
});

describe('the page "distributed-worker" as a whole, in one process', () => {
  let folder: ModuleFolder;
  let queue: VideoQueue;
  const printed = { log: [] as string[], error: [] as string[] };

  beforeAll(async () => {
    const files: readonly Example[] = EXAMPLES.filter((example) =>
      ['distributed-worker-1', 'distributed-worker-2', 'distributed-worker-3'].includes(example.id),
    );
    folder = compile(files);
    const [publisher] = await Promise.all(files.map((example) => runIn(folder, example)));
    queue = publisher?.videoEncodeQueue as VideoQueue;
  });

  beforeEach(() => {
    printed.log = [];
    printed.error = [];
    video.calls = [];
    video.onDownload = () => Promise.resolve();
    jest.spyOn(console, 'log').mockImplementation((text) => printed.log.push(String(text)));
    jest.spyOn(console, 'error').mockImplementation((...texts) => printed.error.push(texts.map(String).join(' ')));
  });

  afterEach(async () => {
    await OqronKit.stop();
    jest.restoreAllMocks();
  });

  afterAll(() => folder.remove());

  const config = { logger: false, modules: [queueModule, workerModule] } as const;

  it('encodes what a route pushes, and keeps result, progress and logs', async () => {
    await OqronKit.init({ config });
    const { trackingId } = (await post('/api/upload', upload)) as { trackingId: string };
    const job = await finished(queue, trackingId);
    const { videoId } = job.data;

    expect(job).toMatchObject({
      status: 'completed',
      returnValue: `https://cdn.example.com/videos/${videoId}.mp4`,
      attemptMade: 1,
      progressPercent: 100,
      progressLabel: 'Done',
    });
    expect(job.logs).toEqual([
      expect.objectContaining({ level: 'info', message: `Fetching source from ${upload.filePath}` }),
    ]);
    expect(video.calls).toEqual([
      `download ${upload.filePath}`,
      `transcode ${upload.filePath} to hevc`,
      `upload ${videoId}`,
    ]);
  });

  it('calls onSuccess with the job and the address', async () => {
    await OqronKit.init({ config });
    await post('/api/upload', upload);
    const line = await until('onSuccess', () => printed.log[0]);
    expect(line).toMatch(/^Video (vid_\w+) uploaded to: https:\/\/cdn\.example\.com\/videos\/\1\.mp4$/);
    expect(printed.error).toEqual([]);
  });

  it('adds the same file once, whether its job waits or is done', async () => {
    await OqronKit.init({ config });
    const first = await post('/api/upload', upload);
    expect(await post('/api/upload', upload)).toEqual(first);
    const done = await finished(queue, 'vid-cafe');
    const again = await queue.add({ ...done.data, videoId: 'another' }, { jobId: 'vid-cafe' });
    expect(again).toMatchObject({ created: false, status: 'completed', data: done.data });
    expect(await queue.count()).toBe(1);
    expect(video.calls.filter((call) => call.startsWith('upload'))).toHaveLength(1);
  });

  it('runs a failed video once more after 10 s, then calls onFail once', async () => {
    const clock = new VirtualClock();
    video.onDownload = () => Promise.reject(new Error('S3 does not answer'));
    await OqronKit.init({ config, parts: { clock } });
    await post('/api/upload', upload);

    await clock.settle();
    expect(await queue.getJob('vid-cafe')).toMatchObject({ status: 'delayed', attemptMade: 1 });
    expect(printed.error).toEqual([]);
    await clock.advance(9_999);
    expect(video.calls).toHaveLength(1);
    await clock.advance(1);
    expect(await queue.getJob('vid-cafe')).toMatchObject({ status: 'failed', attemptMade: 2 });
    expect(printed.error).toEqual([expect.stringMatching(/^Video vid_\w+ failed: Error: S3 does not answer$/)]);
    expect(printed.log).toEqual([]);
  });

  it('does not transcode a video that was cancelled while it was downloaded', async () => {
    let arrive = (): void => undefined;
    const under = new Promise<void>((resolve) => {
      video.onDownload = () => {
        resolve();
        return new Promise((done) => (arrive = done));
      };
    });
    await OqronKit.init({ config });
    await post('/api/upload', upload);
    await under;
    const job = await queue.getJob('vid-cafe');
    expect(await job?.cancel('withdrawn')).toBe('cancelled');
    arrive();
    await OqronKit.engine.drain();
    expect(await queue.getJob('vid-cafe')).toMatchObject({ status: 'cancelled', reason: 'withdrawn' });
    expect(video.calls).toEqual([`download ${upload.filePath}`]);
    expect(printed).toEqual({ log: [], error: [] });
  });
});

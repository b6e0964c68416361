import { describe, expect, it } from '@jest/globals';
import type { FindReply, FindRequest, IStorageEngine, Job, JobAdmin } from 'oqronkit';
import { MemoryStorage } from '../../../lib/backends/memory/index.js';
import { withJobsView } from '../../../lib/engine/jobs-view.js';
import type { StoredJob } from '../../../lib/kernel/job/stored-job.js';
import { VirtualClock } from '../../../lib/testing/virtual-clock.js';

// What a store answers during a walk, and no engine can be made to answer at will.

function stored(id: string, status: StoredJob['status'] = 'waiting'): StoredJob {
  const times = { createdAt: 0, runAt: 0 };
  const counts = { priority: 0, attempt: 0, stalledCount: 0, fence: 0 };
  return { queue: 'mail', id, name: 'default', status, meta: {}, ...counts, ...times, logs: [], timeline: [] };
}

function viewOf(find: (request: FindRequest) => FindReply): { storage: IStorageEngine; asked: FindRequest[] } {
  const asked: FindRequest[] = [];
  const admin = {
    queues: async () => ['mail'],
    find: async (request: FindRequest) => {
      asked.push(request);
      return find(request);
    },
  } as unknown as JobAdmin;
  const storage = withJobsView(
    new MemoryStorage(new VirtualClock()),
    { project: 'p', environment: 'e' },
    { admin: async () => admin, codecOf: () => undefined },
  );
  return { storage, asked };
}

describe('a walk over the jobs', () => {
  it('answers a job once that moved on to another state meanwhile', async () => {
    const { storage } = viewOf(({ status }) => ({
      jobs: status === 'waiting' || status === 'active' ? [stored('a', status)] : [],
    }));
    expect(await storage.list<Job>('jobs')).toMatchObject([{ id: 'a', status: 'waiting' }]);
  });

  it('goes on behind an empty page that has a cursor', async () => {
    const { storage } = viewOf(({ status, cursor }) => {
      if (status !== 'waiting') return { jobs: [] };
      return cursor === undefined ? { jobs: [], cursor: 'next' } : { jobs: [stored('a')] };
    });
    expect(await storage.list<Job>('jobs')).toMatchObject([{ id: 'a' }]);
  });

  it('reads no more than a list without an order needs', async () => {
    const { storage, asked } = viewOf(() => ({ jobs: [stored('a'), stored('b')], cursor: 'next' }));
    expect(await storage.list<Job>('jobs', { status: 'waiting' }, { limit: 1 })).toMatchObject([{ id: 'a' }]);
    expect(asked).toHaveLength(1);
  });

  it('lets the store look for what it can look for', async () => {
    const { storage, asked } = viewOf(() => ({ jobs: [stored('a')] }));
    const filter = { status: 'waiting', correlationId: 'order-7', priority: 0 };
    // The store of this test ignores the filter; the view does not.
    expect(await storage.list('jobs', filter)).toEqual([]);
    expect(asked).toMatchObject([{ queue: 'mail', status: 'waiting', filter: { correlationId: 'order-7' } }]);
  });

  it('is refused when it would read more than 100 000 jobs', async () => {
    let n = 0;
    const { storage } = viewOf(() => ({
      jobs: Array.from({ length: 500 }, () => stored(`j${(n += 1)}`)),
      cursor: 'next',
    }));
    await expect(storage.list('jobs', { priority: 1 })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('more than 100000 jobs would have to be read; narrow the filter'),
    });
    await expect(storage.count('jobs', { priority: 1 })).rejects.toThrow('storage.count ("jobs")');
  });
});

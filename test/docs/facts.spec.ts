import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { JOB_STATUSES, OqronEngine, OqronManager, type Job } from 'oqronkit';
import { JobContext } from '../../lib/kernel/runtime/job-context.js';
import {
  contractSchema,
  jobOptionsSchema,
  moduleShape,
  queueSchema,
  workerSchema,
} from '../../lib/modules/queue/options.schema.js';
import { PAGES } from './pages.js';
import { failureOf } from '../support/until.js';
import { readRepoFile, ROOT } from './support/root.js';

// What the pages list is what the code has: no more and no less.

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].toSorted();
const QUEUES = 'docs/queues.md';
const WORKERS = 'docs/workers.md';
const CONFIGURATION = 'docs/configuration.md';
const MANAGER = 'docs/manager.md';
const NESTJS = 'docs/nestjs.md';

/** The text under a heading, up to the next one of its level. */
function section(page: string, heading: string): string {
  const [, level, rest] = new RegExp(`^(#+) ${heading}\\n([\\s\\S]*)`, 'm').exec(readRepoFile(page)) ?? [];
  if (level === undefined || rest === undefined) throw new Error(`${page} has no heading "${heading}"`);
  return rest.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] as string;
}

/** Names in the first column of a section's tables; `log(level, ...)` counts as `log`. */
function listed(page: string, heading: string, table?: number): string[] {
  const tables = section(page, heading)
    .split(/\n\s*\n/)
    .map((block) => block.trim())
    .filter((block) => block.startsWith('|'));
  const chosen = table === undefined ? tables : [tables[table] ?? ''];
  const cells = chosen.flatMap((block) => block.split('\n').map((row) => row.split('|')[1] ?? ''));
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w:-]+)[^`]*`/g)].map(([, name = '']) => name));
}

const option = (name: string): object => ({ [name]: 1 });

function thrown(error: unknown): never {
  throw error;
}

/** The keys that an error about an unknown one lists. */
function knownKeys(tryIt: () => unknown): string[] {
  try {
    tryIt();
  } catch (error) {
    return /known: (.*)$/m.exec(String(error))?.[1]?.split(', ') ?? [];
  }
  throw new Error('an unknown key was accepted');
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`);
}

describe('options', () => {
  const execution = sorted([...listed(WORKERS, 'Options', 0)]);
  const shared = sorted(listed(QUEUES, 'Options of a definition', 0));

  it('of a job', () => {
    expect(sorted(listed(QUEUES, 'Job options'))).toEqual(sorted(Object.keys(jobOptionsSchema.shape)));
  });

  it('of any definition', () => {
    expect(shared).toEqual(sorted(Object.keys(contractSchema.shape)));
  });

  it('of a queue', () => {
    const own = listed(QUEUES, 'Options of a definition', 1);
    const all = [...shared, ...own, ...execution].filter((name) => name !== 'topic');
    expect(sorted(all)).toEqual(sorted(Object.keys(queueSchema.shape)));
  });

  it('of a worker', () => {
    expect(sorted([...shared, ...execution])).toEqual(sorted(Object.keys(workerSchema.shape)));
  });

  it('of retries', () => {
    const { retries } = contractSchema.shape;
    expect(sorted(listed(WORKERS, 'Retries'))).toEqual(sorted(Object.keys(retries.unwrap().shape)));
  });

  it('of a module', () => {
    expect(sorted(listed(CONFIGURATION, 'Modules', 1))).toEqual(sorted([...Object.keys(moduleShape), 'consume']));
  });

  it('of the configuration', () => {
    const rows = (readRepoFile(CONFIGURATION).split(/^## /m)[0] ?? '').matchAll(/^\| ([^|]+)\|/gm);
    const named = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
    expect(sorted(named)).toEqual(sorted(knownKeys(() => new OqronEngine(option('no such key')))));
  });

  it('of shutdown', () => {
    const known = knownKeys(() => new OqronEngine({ shutdown: option('no such key') }));
    expect(sorted(listed(CONFIGURATION, 'Shutdown'))).toEqual(sorted(known));
  });
});

describe('the manager', () => {
  const { manager } = new OqronEngine({ logger: false });

  it('has the methods that are listed', () => {
    const members = Object.getOwnPropertyNames(OqronManager.prototype).filter((name) => name !== 'constructor');
    expect(sorted(listed(MANAGER, 'Methods'))).toEqual(sorted(members));
  });

  it('answers the figures that are listed', async () => {
    expect(sorted(listed(MANAGER, 'The system'))).toEqual(sorted(Object.keys(await manager.getSystemStats())));
  });

  it('takes the query options that are listed', async () => {
    const error = await failureOf(manager.queryJobs(option('no such key')));
    expect(sorted(listed(MANAGER, 'Find jobs'))).toEqual(sorted(knownKeys(() => thrown(error))));
  });

  it('tells apart the kinds of problems that verify finds', () => {
    const kinds = /type VerifyProblemKind = ([^;]*);/.exec(readRepoFile('lib/kernel/ports/job-admin.ts'))?.[1] ?? '';
    const names = [...kinds.matchAll(/'([\w-]+)'/g)].map(([, name = '']) => name);
    const told = [...section(MANAGER, 'Verify the store').matchAll(/\(`([\w-]+)`\)/g)].map(([, name = '']) => name);
    expect(sorted(told)).toEqual(sorted(names));
  });
});

describe('names', () => {
  it('of states', () => {
    const [, states] = section(QUEUES, 'Look at jobs')
      .split(/\n\s*\n/)
      .filter((block) => block.startsWith('|'));
    const names = [...(states ?? '').matchAll(/^\| `([\w-]+)`/gm)].map(([, name = '']) => name);
    expect(sorted(names)).toEqual(sorted(JOB_STATUSES));
  });

  it('of the fields of a job', () => {
    const fields = listed(QUEUES, 'Look at jobs', 2);
    const all: Record<keyof Job | 'created' | 'skipped', true> = {
      ...{ type: true, project: true, environment: true, maxAttempts: true, skipped: true, triggeredBy: true },
      ...{ parentId: true, childrenIds: true, dependsOn: true, deduplicationKey: true, dead: true, origin: true },
      ...{ scheduleId: true, pausedReason: true },
      ...{ id: true, queueName: true, name: true, data: true, opts: true, status: true, created: true, priority: true },
      ...{ tags: true, correlationId: true, createdAt: true, runAt: true, startedAt: true, finishedAt: true },
      ...{ latencyMs: true, durationMs: true, attemptMade: true, stalledCount: true, workerId: true, fence: true },
      ...{ progress: true, progressPercent: true, progressLabel: true, logs: true, timeline: true, returnValue: true },
      ...{ error: true, stacktrace: true, reason: true, retriedFromId: true, retriedById: true },
    };
    expect(sorted(fields)).toEqual(sorted(Object.keys(all)));
  });

  it('of the members of a context', () => {
    const own = ['data', 'maxAttempts', 'timeoutMs'];
    const members = Object.getOwnPropertyNames(JobContext.prototype).filter((name) => name !== 'constructor');
    expect(sorted(listed(WORKERS, 'The context'))).toEqual(sorted([...own, ...members]));
  });

  it('of events', () => {
    const source = readRepoFile('lib/kernel/events.ts');
    const [body = ''] = /interface EngineEvents \{[\s\S]*?\n\}/.exec(source) ?? [];
    const events = [...body.matchAll(/^ {2}'?([\w:-]+)'?: /gm)].map(([, name = '']) => name);
    expect(sorted(listed(WORKERS, 'Hooks and events'))).toEqual(sorted(events));
  });

  it('of the fields of health', () => {
    const health = Object.keys(new OqronEngine({ logger: false }).health());
    expect(sorted(listed(WORKERS, 'Health'))).toEqual(sorted(health));
  });

  it('of error codes', () => {
    const thrown = sourceFiles('lib')
      .filter((path) => !path.startsWith('lib/conformance/'))
      .flatMap((path) => [...readRepoFile(path).matchAll(/(?:super\(|new OqronError\(|code:)\s*'([A-Z_]+)'/g)])
      .map(([, code = '']) => code);
    const told = [QUEUES, WORKERS, MANAGER, NESTJS]
      .flatMap((page) => listed(page, 'Errors'))
      .filter((name) => /^[A-Z_]+$/.test(name));
    const texts =
      ['Triggers', 'Redis', 'PostgreSQL'].map((heading) => section(CONFIGURATION, heading)).join('') +
      section(WORKERS, 'Errors');
    const inText = [...texts.matchAll(/\(`([A-Z_]+)`\)/g)].map(([, code = '']) => code);
    expect(sorted([...told, ...inText])).toEqual(sorted(thrown));
  });
});

describe('references', () => {
  const anchorOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  const anchors = (page: string): string[] =>
    [...readRepoFile(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
  const withoutCode = (page: string): string => readRepoFile(page).replaceAll(/^```[\s\S]*?^```/gm, '');

  it.each([...PAGES, 'test/README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'])('%s links to what is there', (page) => {
    const broken = [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchors(target).includes(anchor);
      });
    expect(broken).toEqual([]);
  });

  it.each([...PAGES, 'test/README.md'])('%s names only scripts that exist', (page) => {
    const { scripts } = JSON.parse(readRepoFile('package.json')) as { scripts: Record<string, string> };
    const named = [...readRepoFile(page).matchAll(/npm (?:run )?(start|test|[\w:]+)\b/g)].map(([, name = '']) => name);
    const ofNpm = ['install', 'ci', 'package', 'init', 'pkg'];
    expect(sorted(named).filter((name) => !(name in scripts) && !ofNpm.includes(name))).toEqual([]);
  });

  it('test/README.md names only tests that exist', () => {
    const rows = readRepoFile('test/README.md')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    const named = rows.flatMap((row) => [...row.matchAll(/`([\w./-]+)`/g)].map(([, path = '']) => path));
    const paths = named.filter((path) => !path.endsWith('.md') && path !== 'docs/' && path !== 'npm');
    expect(paths).not.toHaveLength(0);
    expect(paths.filter((path) => !existsSync(join(ROOT, 'test', path)))).toEqual([]);
  });
});

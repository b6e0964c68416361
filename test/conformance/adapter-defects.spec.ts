import { afterAll, describe, expect, it } from '@jest/globals';
import {
  collectBrokerConformance,
  collectLeaderConformance,
  collectLockConformance,
  collectStorageConformance,
  type AdapterFactory,
  type AdapterSubject,
  type ConformanceCase,
} from '../../lib/conformance/index.js';
import type { Backend } from '../../lib/kernel/ports/backend.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';
import { ADAPTER_DEFECTS, type AdapterKit } from './adapter-defects.js';
import { SeededBackends, type Edit } from './seeded-backend.js';

type Adapters = Required<NonNullable<Backend['adapters']>> & { readonly leader: NonNullable<Backend['leader']> };
type Subject = <K extends AdapterKit>(part: K) => Promise<AdapterSubject<Adapters[K]>>;

const backends = new SeededBackends();
afterAll(() => backends.remove());

const cases: Readonly<Record<AdapterKit, (subject: Subject) => ConformanceCase[]>> = {
  storage: (subject) => collectStorageConformance(() => subject('storage')),
  broker: (subject) => collectBrokerConformance(() => subject('broker')),
  lock: (subject) => collectLockConformance(() => subject('lock')),
  leader: (subject) => collectLeaderConformance(() => subject('leader')),
};

const never: Subject = () => Promise.reject(new Error('never called'));

/**
 * Runs a case to its end. One that waits for what never comes is red as well: it is given up once the virtual clock
 * has nothing left to do.
 */
async function isRed(one: ConformanceCase, clocks: readonly VirtualClock[]): Promise<boolean> {
  let state: 'running' | 'green' | 'red' = 'running';
  void one.run().then(
    () => (state = 'green'),
    () => (state = 'red'),
  );
  for (let turn = 0; turn < 200 && (state as string) === 'running'; turn += 1) {
    await new Promise((next) => setImmediate(next));
    for (const clock of clocks) await clock.settle();
  }
  return (state as string) !== 'green';
}

/** Names of the cases that fail on a copy of the memory adapters with these edits. */
async function redCases(kit: AdapterKit, edits: readonly Edit[]): Promise<string[]> {
  const create = await backends.load(edits);
  const clocks: VirtualClock[] = [];
  const subject: Subject = async (part) => {
    const clock = new VirtualClock();
    clocks.push(clock);
    const backend = create({ clock });
    const adapter = ({ ...backend.adapters, leader: backend.leader } as Adapters)[part];
    return { adapter, clock, close: () => backend.close() };
  };
  const red: string[] = [];
  for (const one of cases[kit](subject)) {
    if (await isRed(one, clocks.splice(0))) red.push(one.name);
  }
  return red;
}

describe('the adapter kits have teeth', () => {
  it.each(['storage', 'broker', 'lock', 'leader'] as const)(
    'unmodified copies pass every case of the %s kit',
    async (kit) => {
      expect(await redCases(kit, [])).toEqual([]);
    },
  );

  it.each(ADAPTER_DEFECTS.map((defect) => [`${defect.kit}: ${defect.name}`, defect] as const))(
    '%s',
    async (_name, { kit, edits, red: expected }) => {
      const red = await redCases(kit, edits);
      expect(expected.filter((name) => !red.includes(name))).toEqual([]);
      // A copy that does not work at all would prove nothing about the named cases.
      expect(red.length).toBeLessThan(cases[kit](never).length * 0.75);
    },
  );
});

describe('the adapter kits', () => {
  const all = (Object.keys(cases) as AdapterKit[]).map((kit) => [kit, cases[kit](never)] as const);

  it.each(all)('the %s kit names each case once, beginning with its tag', (_kit, list) => {
    const names = list.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(names.filter((name) => !/^\[[a-z]+\] \S/.test(name))).toEqual([]);
  });

  const unused: AdapterFactory<Adapters['storage']> = () => never('storage');

  it('leave out what an adapter is said to lack', () => {
    const names = collectStorageConformance(unused, { lacks: ['bulkGet'] }).map(({ name }) => name);
    expect(names.filter((name) => name.includes('bulkGet'))).toEqual([]);
    expect(names).toHaveLength(collectStorageConformance(unused).length - 1);
    const required = ['save'] as unknown as ['bulkSave'];
    expect(() => collectStorageConformance(unused, { lacks: required })).toThrow('"save" is no optional method');
  });

  it('leave out what they are told to, and refuse a name that no case has', () => {
    const [first, ...rest] = collectStorageConformance(unused);
    expect(collectStorageConformance(unused, { without: [first?.name ?? ''] })).toHaveLength(rest.length);
    expect(() => collectStorageConformance(unused, { without: ['[save] gone'] })).toThrow('"[save] gone"');
    const json = collectStorageConformance(unused, { dates: false });
    expect(json.filter(({ name }) => name.startsWith('[dates]'))).toEqual([]);
    expect(json.length).toBeLessThan(rest.length + 1);
  });

  it('notice a method that is missing, and one that is said to be missing and is there', async () => {
    const create = await backends.load([]);
    const run = async (lacks: readonly ['bulkGet'] | [], missing: string): Promise<unknown> => {
      const clock = new VirtualClock();
      const adapter = Object.create(create({ clock }).adapters?.storage ?? null, { [missing]: { value: undefined } });
      const factory = async () => ({ adapter, clock, close: async () => undefined });
      const [one] = collectStorageConformance(factory, { lacks });
      return one?.run();
    };
    await expect(run([], 'bulkGet')).rejects.toThrow('bulkGet: expected function');
    await expect(run(['bulkGet'], 'unrelated')).rejects.toThrow('bulkGet: expected undefined');
    await expect(run(['bulkGet'], 'bulkGet')).resolves.toBeUndefined();
  });

  it('close each subject once, also after a failure', async () => {
    const closed: string[] = [];
    const [, test] = collectStorageConformance(async () => ({
      adapter: { get: () => Promise.reject(new Error('broken')) } as unknown as Adapters['storage'],
      clock: new VirtualClock(),
      close: async () => void closed.push('closed'),
    }));
    await expect(test?.run()).rejects.toThrow('broken');
    expect(closed).toEqual(['closed']);
  });
});

import assert from 'node:assert/strict';
import type { Bench } from '../bench.js';
import { complete, job, jobs, LEASE_MS, policy, release, retry } from '../build.js';
import { wakes, type Inbox } from '../inbox.js';
import type { ClaimedJob } from '../../kernel/ports/job-store.js';
import type { Process } from '../process.js';
import { suite } from '../suite.js';

/** A process that listens and has found the queue empty. */
async function idle(bench: Bench, name: string, queue = 'mail'): Promise<Inbox> {
  const inbox = await bench.listen(name);
  assert.deepEqual(await bench.process(name).take(queue, 5), []);
  return inbox;
}

/** An idle process looks for work by itself at the latest after this (ms). */
const LONGEST_SLEEP_MS = 10_000;
/** A store may keep what it wrote down at an earlier claim, as long as that lasts until the next one. */
const SECONDS_UNTIL_ANOTHER_CLAIM = [1, 4, 7, 9];

/** Transitions into `ready`, each from a job that `p` holds or that is delayed for a minute. */
const WAKING: readonly (readonly [string, (p: Process, bench: Bench, held: ClaimedJob) => Promise<unknown>])[] = [
  ['an added job', (p) => p.add('mail', job('new'))],
  ['a retry without delay', (p, _bench, held) => p.finish('mail', retry(held, 0))],
  ['a release', (p, _bench, held) => p.finish('mail', release(held))],
  ['a promotion', (p) => p.promote('mail', 'delayed')],
  ['a delay changed to none', (p) => p.changeDelay('mail', 'delayed', 0)],
  [
    'a follow-up job',
    (p, _bench, held) => p.finish('mail', complete(held, { then: [{ queue: 'mail', job: job('next') }] })),
  ],
  ['a job that is run again', (p) => p.again('mail', 'stopped', 'stopped-2', ['cancelled'])],
  [
    'an expired lease that a sweep takes back',
    (_p, bench) => {
      bench.forward(10);
      return bench.sweep(['mail']);
    },
  ],
];

export const signalCases = suite(
  'signals',
  (it) => {
    for (const [what, act] of WAKING) {
      it(`[rule 9] an idle process is woken by ${what}`, async (p, bench) => {
        await p.add('mail', job('held'), job('stopped'), job('delayed', { delayMs: 60_000 }));
        await p.cancel('mail', 'stopped');
        const held = await p.takeOne('mail', { leaseMs: 10 });
        const inbox = await idle(bench, 'sleeper');
        await inbox.settled();
        assert.equal(inbox.wakes('mail'), 0);
        await act(p, bench, held);
        await inbox.woken('mail');
      });
    }

    it('[rule 9] who takes leave by a claim for no jobs is not woken any more', async (p, bench) => {
      const gone = await idle(bench, 'gone');
      const stays = await idle(bench, 'stays');
      assert.deepEqual(await bench.process('gone').take('mail', 0), []);
      await p.add('mail', job('a'));
      await stays.woken('mail');
      assert.equal(await wakes([gone, stays], 1), 1);
    });

    it('[rule 9] a process that went without taking leave swallows no wake-up', async (p, bench) => {
      const gone = await idle(bench, 'gone');
      const stays = await idle(bench, 'stays');
      await gone.close();
      await p.add('mail', job('a'));
      await stays.woken('mail');
    });

    it('[rule 9] a hint that is passed on passes over a process that went', async (p, bench) => {
      const busy = await idle(bench, 'busy');
      const gone = await idle(bench, 'gone');
      const stays = await idle(bench, 'stays');
      await gone.close();
      await p.add('mail', job('a'));
      await busy.woken('mail');
      await bench.signals.passOn('mail', 'busy', bench.at);
      await stays.woken('mail');
    });

    it('[rule 9] a delayed job that becomes the earliest due one wakes one idle process', async (p, bench) => {
      await p.add('mail', job('later', { delayMs: 60_000 }));
      const inboxes = [await idle(bench, 'one'), await idle(bench, 'two')];
      await p.add('mail', job('last', { delayMs: 90_000 }));
      assert.equal(await wakes(inboxes, 0), 0, 'a job that is due after another changes nothing for sleepers');
      await p.add('mail', job('soon', { delayMs: 500 }));
      assert.equal(await wakes(inboxes, 1), 1);
    });

    it('[rule 9] a delay that is shortened wakes one idle process', async (p, bench) => {
      await p.add('mail', job('later', { delayMs: 60_000 }));
      const inbox = await idle(bench, 'one');
      await p.changeDelay('mail', 'later', 500);
      await inbox.woken('mail');
    });

    it('[rule 9] an idle process is woken by resume', async (p, bench) => {
      await p.add('mail', job('a'));
      await p.pause('mail');
      const inbox = await idle(bench, 'sleeper');
      await p.resume('mail');
      await inbox.woken('mail');
    });

    it('[rule 9] an idle process is woken by a follow-up job from another queue', async (p, bench) => {
      await p.add('mail', job('a'));
      const held = await p.takeOne('mail');
      const inbox = await idle(bench, 'sleeper', 'audit');
      await p.finish('mail', complete(held, { then: [{ queue: 'audit', job: job('entry') }] }));
      await inbox.woken('audit');
    });

    it('[rule 9] a claim that makes more jobs ready than it takes wakes others for the rest', async (p, bench) => {
      await p.add('mail', ...jobs(3));
      await p.take('mail', 3, { leaseMs: 10 });
      const inboxes = [await idle(bench, 'one'), await idle(bench, 'two'), await idle(bench, 'three')];
      bench.forward(10);
      assert.equal((await bench.process('busy').take('mail', 1)).length, 1);
      assert.equal(await wakes(inboxes, 2), 2);
    });

    it('[rule 9] a settle that finds nothing to claim makes its process idle', async (p, bench) => {
      const inbox = await bench.listen('p');
      await p.add('mail', job('a'));
      const held = await p.takeOne('mail');
      await p.settle('mail', [complete(held)], { count: 1 });
      await bench.process('other').add('mail', job('b'));
      await inbox.woken('mail');
    });

    it('[rule 9] a process that could have taken more is idle, too', async (p, bench) => {
      const inbox = await bench.listen('p');
      await p.add('mail', job('a'));
      assert.equal((await p.take('mail', 2)).length, 1);
      await bench.process('other').add('mail', job('b'));
      await inbox.woken('mail');
    });

    it('[rule 9] as many processes are woken as there are jobs, each once', async (p, bench) => {
      const inboxes = [await idle(bench, 'one'), await idle(bench, 'two'), await idle(bench, 'three')];
      await p.add('mail', ...jobs(2));
      assert.equal(await wakes(inboxes, 2), 2);
      assert.ok(inboxes.every((inbox) => inbox.wakes('mail') <= 1));
      await p.add('mail', job('more'));
      assert.equal(await wakes(inboxes, 3), 3);
      assert.ok(inboxes.every((inbox) => inbox.wakes('mail') === 1));
    });

    it('[rule 9] a process is woken once until it claims again', async (p, bench) => {
      const inbox = await idle(bench, 'sleeper');
      await p.add('mail', ...jobs(5));
      await p.add('mail', job('more'));
      assert.equal(await wakes([inbox], 1), 1);
      await bench.process('sleeper').take('mail', 100);
      await p.add('mail', job('again'));
      await inbox.woken('mail', 2);
    });

    it('[rule 9] nobody is woken who never claimed this queue', async (p, bench) => {
      const inboxes = [await bench.listen('stranger'), await idle(bench, 'elsewhere', 'sms')];
      await p.add('mail', ...jobs(5));
      assert.equal(await wakes(inboxes, 0), 0);
      assert.equal(await wakes(inboxes, 0, 'sms'), 0);
    });

    it('[rule 9] a process that got all it asked for is not idle any more', async (p, bench) => {
      const busy = await idle(bench, 'busy');
      const free = await bench.listen('free');
      // A delayed job becomes due without a hint, so the idle process finds it by itself.
      await p.add('mail', job('a', { delayMs: 10 }));
      bench.forward(10);
      assert.equal((await bench.process('busy').take('mail', 1)).length, 1);
      assert.deepEqual(await bench.process('free').take('mail', 1), []);
      // It may have been told how soon the delayed job is due, and that may still be on its way.
      const before = await wakes([busy], 1);
      await p.add('mail', job('b'));
      await free.woken('mail');
      await busy.settled();
      assert.equal(busy.wakes('mail'), before);
    });

    it('[rule 9] an id that exists makes nothing ready and wakes nobody', async (p, bench) => {
      await p.add('mail', job('a'));
      await p.takeOne('mail');
      const inbox = await idle(bench, 'sleeper');
      await p.add('mail', job('a'));
      assert.equal(await wakes([inbox], 0), 0);
    });

    it('[rule 9] adding to a paused queue wakes nobody', async (p, bench) => {
      await p.pause('mail');
      const inbox = await idle(bench, 'sleeper');
      await p.add('mail', job('a'));
      assert.equal(await wakes([inbox], 0), 0);
      await p.resume('mail');
      await inbox.woken('mail');
    });

    it('[rule 9] a hint that one process passes on reaches another idle one, never itself', async (p, bench) => {
      const inboxes = new Map([
        ['one', await idle(bench, 'one')],
        ['two', await idle(bench, 'two')],
      ]);
      await p.add('mail', job('a'));
      assert.equal(await wakes([...inboxes.values()], 1), 1);
      const [woken] = [...inboxes].find(([, inbox]) => inbox.wakes('mail') === 1) ?? [];
      assert.ok(woken);
      await bench.signals.passOn('mail', woken, bench.at);
      assert.equal(await wakes([...inboxes.values()], 2), 2);
      for (const inbox of inboxes.values()) assert.equal(inbox.wakes('mail'), 1);
      // Nobody is left: passing on is no error and wakes nobody.
      await bench.signals.passOn('mail', woken, bench.at);
      assert.equal(await wakes([...inboxes.values()], 2), 2);
    });

    it('[rule 9] a process never passes a hint to itself, even when it is idle', async (_p, bench) => {
      const one = await idle(bench, 'one');
      await bench.signals.passOn('mail', 'one', bench.at);
      assert.equal(await wakes([one], 0), 0);
      const two = await idle(bench, 'two');
      await bench.signals.passOn('mail', 'one', bench.at);
      await two.woken('mail');
      assert.equal(await wakes([one], 0), 0);
    });

    it('[rule 9] a process that has not claimed for an hour swallows no hint', async (p, bench) => {
      await idle(bench, 'dead');
      bench.forward(3_600_000);
      const live = await idle(bench, 'live');
      await p.add('mail', job('a'));
      await live.woken('mail');
    });

    for (const again of SECONDS_UNTIL_ANOTHER_CLAIM) {
      it(`[rule 9] who claims again after ${again} s sleeps for ${LONGEST_SLEEP_MS / 1_000} s more and is woken`, async (p, bench) => {
        const inbox = await idle(bench, 'sleeper');
        bench.forward(again * 1_000);
        assert.deepEqual(await bench.process('sleeper').take('mail', 5), []);
        bench.forward(LONGEST_SLEEP_MS);
        await p.add('mail', job('a'));
        await inbox.woken('mail');
      });
    }

    it('[rule 9] resume wakes also for suspects', async (p, bench) => {
      const rules = policy({ maxStalledCount: 1 });
      await p.add('mail', job('a'));
      await p.takeOne('mail', { policy: rules });
      bench.forward(LEASE_MS);
      await p.pause('mail');
      const inbox = await idle(bench, 'sleeper');
      await p.resume('mail');
      await inbox.woken('mail');
    });

    it('[rule 9] who found a paused queue learns of its delayed jobs, then or when it is resumed', async (p, bench) => {
      await p.pause('mail');
      await p.add('mail', job('a', { delayMs: 5_000 }));
      const inbox = await bench.listen('sleeper');
      const { nextDueMs } = await bench.process('sleeper').claim('mail', 5);
      await p.resume('mail');
      if (nextDueMs === undefined) await inbox.woken('mail');
      else assert.equal(nextDueMs, 5_000);
    });

    it('[rule 9] a message to one process arrives there whole, in order, and nowhere else', async (_p, bench) => {
      const one = await bench.listen('one');
      const two = await bench.listen('two');
      const messages = [
        {
          kind: 'cancel' as const,
          queue: 'a:b',
          id: 'a}b{c 日本語',
          fence: 1_700_000_000_000_123,
          reason: 'it "must"',
        },
        { kind: 'wake' as const, queue: 'mail' },
        { kind: 'cancel' as const, queue: 'mail', id: '0', fence: 7 },
      ];
      for (const message of messages) await bench.signals.send('one', message);
      await one.settled();
      await two.settled();
      const received = one.messages.filter(({ kind }) => kind !== 'nonce');
      assert.deepEqual(JSON.parse(JSON.stringify(received)), messages);
      assert.deepEqual(
        two.messages.filter(({ kind }) => kind !== 'nonce'),
        [],
      );
    });

    it('[rule 9] sending to a process that does not listen is no error', async (_p, bench) => {
      await bench.signals.send('nobody', { kind: 'wake', queue: 'mail' });
    });

    it('[rule 9] who stopped listening receives nothing, and nobody waits for it', async (p, bench) => {
      const gone = await idle(bench, 'gone');
      await gone.close();
      await p.add('mail', job('a'));
      await bench.signals.send('gone', { kind: 'wake', queue: 'mail' });
      assert.equal(gone.wakes('mail'), 0);
    });

    it('[rule 9] a lost hint loses no job: a claim finds it all the same', async (p, bench) => {
      assert.deepEqual(await bench.process('deaf').take('mail', 1), []);
      await p.add('mail', job('a'));
      bench.forward(LEASE_MS);
      assert.equal((await bench.process('deaf').take('mail', 1)).length, 1);
    });
  },
  { needsSignals: true },
);

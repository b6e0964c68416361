import { expect } from '@jest/globals';
import { OqronContainer, OqronKit, type IBrokerEngine, type ILockAdapter, type IStorageEngine } from 'oqronkit';
import { describePage } from './examples.js';
import { sqs, type RabbitChannel } from './stubs.js';

describePage('adapters', {
  'adapters-7': async (run) => {
    const { RabbitMQBroker } = (await run()) as {
      RabbitMQBroker: new () => IBrokerEngine & { channel: RabbitChannel };
    };
    const sent: unknown[] = [];
    const broker = new RabbitMQBroker();
    broker.channel = {
      sendToQueue: async (queue, content, options) => void sent.push([queue, String(content), options]),
      get: () => Promise.resolve(undefined),
    };
    await broker.publish('mail', 'job-1', 250);
    await broker.publish('mail', 'job-2');
    expect(sent).toEqual([
      ['mail', 'job-1', { headers: { 'x-delay': 250 } }],
      ['mail', 'job-2', { headers: undefined }],
    ]);
    await broker.claim('mail', 'consumer-1', 10, 30_000);
    await broker.ack('mail', 'job-1');
  },
  'adapters-8': async (run) => {
    const names = Object.entries(await run()).map(([name, value]) => [name, typeof value]);
    expect(names.toSorted()).toEqual([
      ['createBroker', 'function'],
      ['createLock', 'function'],
      ['createStorage', 'function'],
    ]);
  },
  'adapters-9': async (run) => {
    const { dynamoStorage: storage } = (await run()) as { dynamoStorage: IStorageEngine };
    await storage.save('invoices', '7', { total: 12 });
    expect(await storage.get('invoices', '7')).toEqual({ total: 12 });
    expect(await storage.get('invoices', '8')).toBeNull();
    expect(await storage.list('invoices')).toEqual([{ total: 12 }]);
    expect(await storage.count('invoices')).toBe(1);
    await storage.delete('invoices', '7');
    expect(await storage.list('invoices')).toEqual([]);
  },
  'adapters-10': async (run) => {
    const { sqsBroker: broker } = (await run()) as { sqsBroker: IBrokerEngine };
    await broker.publish('mail', 'job-1', 1_500);
    await broker.publish('mail', 'job-2');
    expect(sqs.sent).toEqual([
      { QueueUrl: 'https://sqs.example.com/mail', MessageBody: 'job-1', DelaySeconds: 2 },
      { QueueUrl: 'https://sqs.example.com/mail', MessageBody: 'job-2', DelaySeconds: undefined },
    ]);
    expect(await broker.claim('mail', 'consumer-1', 1, 30_000)).toEqual(['job-1']);
    // Optional, and not on the page.
    expect(broker.claimBlocking).toBeUndefined();
  },
  'adapters-11': async (run) => {
    const { consulLock: lock } = (await run()) as { consulLock: ILockAdapter };
    expect(await lock.acquire('leader', 'a', 30_000)).toBe(true);
    expect(await lock.acquire('leader', 'b', 30_000)).toBe(false);
    expect(await lock.isOwner('leader', 'a')).toBe(true);
    expect(await lock.renew('leader', 'a', 30_000)).toBe(true);
    await lock.release('leader', 'a');
    expect(await lock.isOwner('leader', 'a')).toBe(false);
  },
  'adapters-12': async (run) => {
    // "Missing a method throws immediately": createStorage is the first that is asked.
    await expect(run()).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      problems: ['save', 'get', 'list', 'delete', 'prune', 'count'].map((name) => expect.stringContaining(name)),
    });
  },
  'adapters-13': async (run) => {
    await run();
    expect(OqronKit.engine.health()).toMatchObject({ state: 'started', backend: 'redis' });
    await OqronKit.engine.producer('invoices').add({ total: 12 }, { jobId: 'a' });
    expect(await OqronContainer.get().storage.count('jobs')).toBe(1);
    await OqronKit.stop();
    await run('adapters-13', 1);
    expect(OqronKit.getConfig()).toMatchObject({ project: 'notifications', environment: 'staging' });
    expect(await OqronContainer.get().storage.count('jobs')).toBe(0);
    expect(await OqronKit.engine.producer('invoices').getJob('a')).toBeUndefined();
  },
});

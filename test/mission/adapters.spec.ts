import { expect } from '@jest/globals';
import type { IBrokerEngine } from 'oqronkit';
import { describePage } from './examples.js';
import type { RabbitChannel } from './stubs.js';

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
});

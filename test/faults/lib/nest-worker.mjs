// A worker as an application of NestJS has it: a class with handlers, and the shutdown hooks of Nest at SIGTERM. Started
// as worker.mjs is, with as much of its configuration as the scenarios with it need.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { openLedger } from './ledger.mjs';

const config = JSON.parse(process.argv[2]);
const { who, library, ledgers, connection, project, consume, engine: options } = config;
const ledger = openLedger(ledgers, who);
const { OqronModule, Queue } = await import(pathToFileURL(join(library, 'nestjs', 'index.js')).href);
const { OqronEngine } = await import(pathToFileURL(join(library, 'index.js')).href);

process.on('unhandledRejection', (error) => {
  ledger.note('unhandled', '-', '-', '-', error?.stack ?? error);
  process.exit(1);
});
// Before Nest hears of it.
process.on('SIGTERM', () => ledger.note('sigterm'));
// The driver is gone, whatever became of it.
process.once('disconnect', () => process.exit(1));

class Jobs {
  async run({ ms = 0, spawn = [] } = {}, ctx) {
    const { queueName, id, fence } = ctx;
    ledger.note('start', queueName, id, fence, `attempt=${ctx.attempt}`);
    await sleep(ms);
    for (const child of spawn) {
      ledger.note('try', child.queue, child.id);
      const { created } = await ctx.spawnChild(child.queue, child.data, { jobId: child.id });
      ledger.note('ack', child.queue, child.id, '-', created === false ? 'exists' : 'created');
    }
    ledger.note('effect', queueName, id, fence);
    return fence;
  }
}

// As a compiler would write it: there is none here. One class by queue, with the one method.
const providers = Object.entries(consume).map(([queue, how]) => {
  const Consumer = class extends Jobs {
    run(data, ctx) {
      return super.run(data, ctx);
    }
  };
  Object.defineProperty(Consumer, 'name', { value: `Jobs_${queue}` });
  const { prototype } = Consumer;
  const keep = { removeOnComplete: false, removeOnFail: false };
  Queue(queue, { ...keep, ...how })(prototype, 'run', Object.getOwnPropertyDescriptor(prototype, 'run'));
  return Consumer;
});

class App {}
const store =
  connection.kind === 'redis'
    ? { mode: 'redis', redis: connection.url }
    : { mode: 'db', postgres: { connectionString: connection.url, poolSize: 4 } };
Module({ providers, imports: [OqronModule.forRoot({ ...store, project, logger: false, ...options })] })(App);

ledger.note('up', '-', '-', '-', process.pid);
const app = await NestFactory.createApplicationContext(App, { logger: ['error'] });
app.enableShutdownHooks(undefined, { useProcessExit: true });
const engine = app.get(OqronEngine);
engine.on('job:stalled', ({ queue, id, stalledCount }) => ledger.note('stalled', queue, id, '-', stalledCount));
process.on('message', ({ n, do: what }) => {
  if (what === 'stop') void app.close().then(() => process.send({ is: 'answer', n }, () => process.exit(0)));
});
ledger.note('ready');
process.send({ is: 'ready' });

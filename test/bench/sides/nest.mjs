// We, by `face`: 'engine' is the engine alone, 'nest' a method with @Queue, and 'enhanced' one with a guard, a pipe and an
// interceptor, all of which do nothing. Whatever else they have is the same, the contract too: it goes with each job. Each
// queue is an application of its own. It is made with the first producer or consumer, and runs jobs from the first consumer
// on.
import 'reflect-metadata';
import { Injectable, Module, UseGuards, UseInterceptors, UsePipes } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getQueueToken, OqronModule, OqronRunner, Queue } from '../lib/oqronkit-nestjs.mjs';
import { defineQueue, OqronEngine } from '../lib/oqronkit.mjs';

const AGE_SECONDS = 24 * 3600;

export async function connect({ face, concurrency, keep, url, space }) {
  const store = { ...(url && { mode: 'redis', redis: url }), project: space, logger: false };
  const contractOf = (name) => defineQueue(name, { removeOnComplete: { count: keep, age: AGE_SECONDS } });
  const make = face === 'engine' ? onEngine : inNest(face === 'enhanced');
  const homes = new Map();
  const homeOf = (name) => {
    if (!homes.has(name)) homes.set(name, make(contractOf(name), store, { concurrency }));
    return homes.get(name);
  };
  return {
    async producer(name) {
      const { queue } = await homeOf(name);
      return {
        add: (data) => queue.add(data),
        addBulk: (all) => queue.addBulk(all.map((data) => ({ data }))),
      };
    },
    async consumer(name, { handler }) {
      await (await homeOf(name)).run(handler);
      return { close: async () => undefined };
    },
    async counts(name) {
      const { queue } = await homeOf(name);
      // Who asks again and again would else leave no turn to what it waits for: in memory every answer is there at once.
      await new Promise((turn) => setImmediate(turn));
      const [waiting, active] = await Promise.all([queue.count('waiting'), queue.count('active')]);
      return { waiting, active };
    },
    async close() {
      for (const home of homes.values()) await (await home).close();
    },
  };
}

async function onEngine(contract, store, options) {
  const engine = new OqronEngine(store);
  let handle;
  engine.queue(contract, { ...options, handler: ({ data }) => handle(data) });
  return {
    queue: engine.producer(contract),
    async run(handler) {
      handle = handler;
      await engine.start();
    },
    close: () => engine.stop(),
  };
}

const inNest = (enhanced) => async (contract, store, options) => {
  let handle;
  // As a compiler would write it: there is none here.
  class Processor {
    run(data) {
      return handle(data);
    }
  }
  Injectable()(Processor);
  const method = Object.getOwnPropertyDescriptor(Processor.prototype, 'run');
  for (const decorate of [Queue(contract, options), ...(enhanced ? ENHANCERS : [])]) {
    decorate(Processor.prototype, 'run', method);
  }
  class App {}
  const forRoot = OqronModule.forRoot({ ...store, autoStart: false });
  Module({ providers: [Processor], imports: [OqronModule.forFeature([contract]), forRoot] })(App);
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  return {
    queue: app.get(getQueueToken(contract), { strict: false }),
    async run(handler) {
      handle = handler;
      await app.get(OqronRunner).start();
    },
    close: () => app.close(),
  };
};

const guard = { canActivate: () => true };
const pipe = { transform: (value) => value };
const interceptor = { intercept: (_context, next) => next.handle() };
const ENHANCERS = [UseGuards(guard), UsePipes(pipe), UseInterceptors(interceptor)];

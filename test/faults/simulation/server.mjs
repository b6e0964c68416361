import { createMemoryBackend } from 'oqronkit/testing';
import { storeClock } from './process.mjs';

/**
 * The store that all processes share. Everything that is carried out passes through here: a mutation may change it, and
 * the ledger sees what was asked and what was answered.
 */
export class Server {
  constructor(world, mutation = {}) {
    this.world = world;
    this.clock = storeClock(world.scheduler);
    this.backend = createMemoryBackend({ clock: this.clock });
    this.mutation = mutation;
    this.signals = this.backend.signals;
    this.capabilities = { ...this.backend.store.capabilities, ordered: world.options.inOrder };
    this.adminOperations = methodsOf(this.backend.store.admin);
  }

  get now() {
    return this.clock.now();
  }

  async execute(process, operation, args) {
    if (operation !== 'claim') return this.#one(process, operation, args);
    // A claim that came late may be refused for one queue when it was carried out for the others.
    const [requests, opts] = args;
    const replies = [];
    let refused;
    for (const request of requests) {
      try {
        replies.push(...(await this.#one(process, operation, [[request], opts])));
      } catch (error) {
        refused = error;
      }
    }
    if (refused) throw refused;
    return replies;
  }

  async #one(process, operation, args) {
    const run = (...given) => this.run(operation, given);
    this.world.trace(operation, process.index);
    const mutant = this.mutation[operation];
    const reply = await (mutant ? mutant(run, args, this, process) : run(...args));
    try {
      this.world.ledger.executed(process, operation, args, reply);
    } catch (error) {
      // It would reach the caller as an answer of the store, and be taken for one.
      this.world.ledger.breach('LAB', error.stack);
    }
    return reply;
  }

  /** Straight at the store: nothing of it is seen by the ledger. */
  run(operation, args) {
    const [part, method] = operation.includes('.') ? operation.split('.') : ['store', operation];
    const { store, signals, leader } = this.backend;
    const target = { store, signals, leader, admin: store.admin }[part];
    return target[method](...args);
  }
}

function methodsOf(object) {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((name) => name !== 'constructor');
}

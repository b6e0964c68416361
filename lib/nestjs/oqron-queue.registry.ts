import { Injectable } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import { nameProblem } from '../kernel/job/ids.js';
import type { Queue, QueueContract } from '../modules/queue/index.js';
import { twoContracts } from './messages/lifecycle.messages.js';
import { queueName, type QueueTarget } from './oqron.tokens.js';
import { FEATURE_QUEUES, handledContracts, injectedContract, injectionsOf, sameContract } from './queue-contracts.js';

/**
 * The producers of one application, one for each name. Two applications in one process may have different contracts of
 * one queue: each takes what its own classes and `forFeature` name,
 * those that inject queues and those that run jobs.
 */
@Injectable()
export class OqronQueueRegistry {
  readonly #problems: string[] = [];
  readonly #contracts = new Map<string, { readonly contract: QueueContract; readonly place: string }>();
  readonly #noted = new Set<QueueTarget>();
  readonly #names = new Set<string>();
  readonly #queues = new Map<string, Queue>();

  constructor(
    private readonly engine: OqronEngine,
    modules: ModulesContainer,
  ) {
    for (const { name, providers, controllers, injectables } of modules.values()) {
      for (const { metatype } of [...providers.values(), ...controllers.values(), ...injectables.values()]) {
        if (!metatype) continue;
        this.#note([...injectionsOf(metatype), ...handledContracts(metatype)], `${metatype.name} (${name})`);
      }
      const feature = providers.get(FEATURE_QUEUES)?.instance as readonly QueueTarget[] | undefined;
      if (feature) this.#note(feature, 'OqronModule.forFeature()');
    }
  }

  /** Names that have two contracts in this application, one text each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /**
   * @throws InvalidOptionsError for a bad name, and when a module that is loaded later brings another contract of a name
   */
  queue(target: QueueTarget): Queue {
    const name = queueName(target);
    if (typeof target !== 'string' && !this.#noted.has(target)) this.#noteLate(target);
    const queue = this.#queues.get(name) ?? this.engine.producer(this.#contracts.get(name)?.contract ?? name);
    this.#queues.set(name, queue);
    return queue;
  }

  /**
   * A queue that some class of the process injects. When nobody here is known to, it may still be middleware, which Nest
   * finds later; a name that is none then is the mistake of another application.
   */
  injectedQueue(name: string): Queue | undefined {
    if (this.#names.has(name)) return this.queue(name);
    const contract = injectedContract(name);
    if (!contract && nameProblem(name) !== undefined) return undefined;
    return this.engine.producer(contract ?? name);
  }

  #note(targets: readonly QueueTarget[], place: string): void {
    for (const contract of targets) {
      this.#noted.add(contract);
      this.#names.add(queueName(contract));
      if (typeof contract === 'string') continue;
      const first = this.#contracts.get(contract.name);
      if (!first) this.#contracts.set(contract.name, { contract, place });
      else if (!sameContract(first.contract, contract)) {
        this.#problems.push(twoContracts(contract.name, first.place, place));
      }
    }
  }

  #noteLate(contract: QueueContract): void {
    const before = this.#problems.length;
    // What was made of the name alone knows nothing of the contract.
    if (!this.#contracts.has(contract.name)) this.#queues.delete(contract.name);
    this.#note([contract], 'a module that was loaded later');
    const problems = this.#problems.slice(before);
    if (problems.length > 0) throw new InvalidOptionsError('OqronModule', problems);
  }
}

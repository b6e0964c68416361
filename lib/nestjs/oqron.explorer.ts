import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { OqronEngine } from '../engine/oqron-engine.js';
import { InvalidOptionsError } from '../kernel/errors/index.js';
import { classMetadata, handlerMetadata } from './decorators/handler.metadata.js';
import { listenerMetadata } from './decorators/on-job.decorator.js';
import { planConsumer, type ConsumerPlan } from './discovery/consumers.js';
import { Discovery } from './discovery/discovery.js';
import { Findings } from './discovery/findings.js';
import { hostsOf, methodOf, type Host } from './discovery/hosts.js';
import { planListener, type ListenerPlan } from './discovery/listeners.js';
import { OqronInvoker } from './invocation/oqron.invoker.js';
import type { NamedMethod } from './named-methods.js';
import { handlersWithoutWorker } from './oqron.messages.js';

type Plan = ConsumerPlan | ListenerPlan;

/**
 * Finds what carries our decorators, inherited methods included: in every provider and controller that exists when the
 * application starts, so not in modules that are loaded lazily later. It reads classes, never the getters of instances.
 */
@Injectable()
export class OqronExplorer {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly invoker: OqronInvoker,
    private readonly engine: OqronEngine,
  ) {}

  /**
   * Gives the engine everything that was found.
   *
   * @param problems what others found wrong, to be reported along
   * @throws InvalidOptionsError with every problem of the application at once
   */
  async explore(problems: readonly string[] = []): Promise<Discovery> {
    const hosts = hostsOf([...this.discovery.getProviders(), ...this.discovery.getControllers()]);
    // Factories of options may take their time: they do it together. What comes of them keeps the order of the walk.
    const plans = await Promise.all(hosts.flatMap((host) => this.plansOf(host)));
    const findings = new Findings(problems);
    for (const plan of plans) findings.add(plan);
    findings.defineOn(this.engine);
    if (findings.problems.length > 0) throw new InvalidOptionsError('OqronModule', findings.problems);
    return new Discovery(this.engine, findings.places, findings.listeners);
  }

  /** One decorator with options of its own is one line here. */
  private plansOf(host: Host): Promise<Plan>[] {
    const plans: Promise<Plan>[] = [];
    const named: NamedMethod[] = [];
    for (const method of this.scanner.getAllMethodNames(host.prototype)) {
      const run = methodOf(host.prototype, method);
      if (!run) continue;
      const place = { host, name: `${host.name}.${method}` };
      const metadata = handlerMetadata(run);
      const listeners = listenerMetadata(run);
      if (!metadata && listeners.length === 0) continue;
      plans.push(Promise.resolve({ place, problems: this.invoker.problems(host.wrapper, method, place.name) }));
      if (metadata) {
        const handler = this.invoker.handler(host.wrapper, method);
        if (metadata.kind === 'handler') named.push({ place: place.name, metadata, run: handler });
        else plans.push(planConsumer(place, metadata, handler));
      }
      for (const listener of listeners) {
        plans.push(planListener(place, listener, this.invoker.listener(host.wrapper, method)));
      }
    }
    const place = { host, name: host.name };
    const worker = classMetadata(host.prototype);
    if (worker) plans.push(planConsumer(place, worker, named));
    else if (named.length > 0) {
      const methods = named.map((method) => method.place);
      plans.push(Promise.resolve({ place, problems: [handlersWithoutWorker(host.name, methods)] }));
    }
    return plans;
  }
}

import { InvalidOptionsError } from '../../kernel/errors/index.js';
import { AVAILABLE, isAvailable, type ModuleName } from '../modules.js';
import type { ManagerHost } from './manager-host.js';
import type { ModuleInfo } from './manager.types.js';
import { disableQueue, type QueuesManager } from './queues.js';

/** What the manager does with modules, and with single definitions of them. */
export class ModulesManager {
  constructor(
    private readonly host: ManagerHost,
    private readonly queues: QueuesManager,
  ) {}

  list(): ModuleInfo[] {
    const definitions = this.host.definitions();
    return AVAILABLE.map((name) => {
      const module = this.host.modules.get(name);
      return {
        name,
        selected: module !== undefined,
        consume: module !== undefined && module.consume !== false,
        enabled: !this.host.disabledModules.has(name),
        definitions: definitions.filter(({ kind }) => kind === name),
      };
    });
  }

  async disable(name: string): Promise<void> {
    const where = 'OqronManager.disableModule';
    const module = known(where, name);
    await this.host.ready(where);
    // First of all: a definition that joins meanwhile must not slip through.
    this.host.disabledModules.add(module);
    for (const queue of this.host.consumed(module)) await disableQueue(this.host, where, queue);
  }

  async enable(name: string): Promise<void> {
    const where = 'OqronManager.enableModule';
    const module = known(where, name);
    await this.host.ready(where);
    this.host.disabledModules.delete(module);
    for (const queue of this.host.consumed(module)) await this.queues.enable(where, queue);
  }

  async disableInstance(type: string, name: string): Promise<void> {
    const where = 'OqronManager.disableInstance';
    known(where, type);
    await this.queues.disable(where, name);
  }

  async enableInstance(type: string, name: string): Promise<void> {
    const where = 'OqronManager.enableInstance';
    known(where, type);
    await this.queues.enable(where, name);
  }
}

function known(where: string, name: string): ModuleName {
  if (isAvailable(name)) return name;
  throw new InvalidOptionsError(where, [`unknown module "${name}"; known: ${AVAILABLE.join(', ')}`]);
}

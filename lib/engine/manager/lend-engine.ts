import { jsonCodec, type Codec } from '../../kernel/job/codec.js';
import { Queue, type QueueDefinition, type QueueHost } from '../../modules/queue/index.js';
import type { ResolvedConfig } from '../config.js';
import type { EngineRuntime } from '../engine-runtime.js';
import type { EngineHealth } from '../health.js';
import type { Registry } from '../registry.js';
import type { ManagerHost } from './manager-host.js';

/** The parts of an engine that its manager works with. */
export interface LentEngine {
  readonly runtime: EngineRuntime;
  readonly config: ResolvedConfig;
  readonly registry: Registry;
  newId(): string;
  ready(where: string): Promise<void>;
  host(definition: QueueDefinition): () => QueueHost;
  health(): EngineHealth;
  uptimeMs(): number;
}

export function lendEngine(engine: LentEngine): ManagerHost {
  const { runtime: rt, config, registry } = engine;
  const host = (name: string): (() => QueueHost) => {
    const settings = { codec: tolerant(registry.codecOf(name) ?? jsonCodec) };
    return engine.host({ kind: 'queue', name, settings, consumes: false });
  };
  const queue = (name: string): Queue => new Queue(name, host(name));
  return {
    owner: rt.owner,
    project: config.project,
    environment: config.environment,
    mode: config.mode,
    modules: config.modules,
    store: rt.store,
    events: rt.events,
    disabledModules: registry.disabledModules,
    newId: engine.newId,
    ready: (where) => engine.ready(where),
    queue,
    queueHost: (name) => host(name)(),
    handles: (name) => {
      const handles = queue(name);
      return (job, created = false) => handles.handleOf(job, created);
    },
    call: (where, name, send) => rt.lane(name).run(`${where} (queue "${name}")`, send),
    definitions: () => registry.statuses(),
    consumed: (kind) => registry.consumed(kind),
    health: () => engine.health(),
    uptimeMs: () => engine.uptimeMs(),
    now: () => rt.clock.now(),
    monotonic: () => rt.clock.monotonic(),
  };
}

/** Whoever looks after jobs must be able to see those, too, that somebody encoded in a way unknown here. */
function tolerant(codec: Codec): Codec {
  return {
    encode: (value) => codec.encode(value),
    decode: (text) => {
      try {
        return codec.decode(text);
      } catch {
        return text;
      }
    },
  };
}

import type {
  BriefError,
  ClusterEventName,
  ClusterEvents,
  ClusterListener,
  EngineEventName,
  EngineEvents,
  EventBus,
} from '../events.js';
import type { Progress, StoredError } from '../job/stored-job.js';
import { safeText } from '../job/text.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { SignalMessage, Signals } from '../ports/signals.js';

/** An interest is told again this often (ms), for processes that started meanwhile or missed it. */
const BEAT_MS = 5_000;
/** How long others remember an interest (ms): two lost messages do not end it. */
const TTL_MS = 15_000;
/** Nobody can ask us to remember an interest for longer than this (ms). */
const MAX_TTL_MS = 60_000;
/** Processes whose interest is remembered. */
const MAX_PEERS = 100;
/** Events and queues that one process may ask for. */
const MAX_TOPICS = 64;
/** Messages under way. Beyond it they are dropped: they are hints, and must not pile up before a slow bus. */
const MAX_SENDS = 1_000;
/** Beyond so many queues the end of all jobs is asked for, so that the message stays small. */
const MAX_QUEUES = 16;
/** A text in a payload, in characters; the short form where a payload is still too large. */
const TEXT_CHARS = 1_000;
const SHORT_CHARS = 100;
/** The payload of a message, encoded. */
const MAX_PAYLOAD_BYTES = 4 * 1024;

/** Asks for the end of the jobs of one queue, instead of for those of all. */
const FINISH = 'finish:';
const FINISHING: ReadonlySet<string> = new Set<ClusterEventName>(['job:success', 'job:fail', 'job:cancelled']);

type AnyListener = (event: object) => unknown;

interface ClusterHost {
  readonly owner: string;
  readonly clock: Clock;
  readonly events: EventBus;
  readonly signals: Signals;
}

/** What another process wants to hear of. */
interface Peer {
  readonly topics: ReadonlySet<string>;
  /** Monotonic. */
  readonly until: number;
}

/** What somebody here wants to hear of. */
interface Want {
  count: number;
  /** Told along until then (monotonic), so that one wait after another does not tell it anew each time. */
  until: number;
}

/** Hears of a job that ended in another process. */
export type FinishListener = (queue: string, id: string, event: ClusterEventName, payload: object) => void;

/**
 * Events of other processes. Who has a listener for them tells everybody what it wants to hear of; who emits such an
 * event tells those who asked. A lost message costs a hint, nothing else. While nobody asks, an emitted event costs one
 * look into an empty set.
 */
export class ClusterChannel {
  readonly #listeners = new Map<string, Map<AnyListener, { readonly tell: AnyListener; readonly off: () => void }>>();
  readonly #wants = new Map<string, Want>();
  readonly #peers = new Map<string, Peer>();
  /** Every event that some peer may want. */
  readonly #wanted = new Set<string>();
  /** What the last interest said, and when. */
  #told: { readonly topics: ReadonlySet<string>; readonly at: number } | undefined;
  #timer: Timer | undefined;
  #scheduled = false;
  #online = false;
  #sends = 0;
  #failing = false;
  #onFinish: FinishListener = () => undefined;
  #onGap: () => void = () => undefined;

  constructor(private readonly host: ClusterHost) {
    host.events.forwardTo(this.#wanted, (event, payload) => this.#forward(event, payload));
  }

  /** Calls `listener` for this event of any process: its own at once, those of others as hints. */
  on<K extends ClusterEventName>(event: K, listener: ClusterListener<K>): () => void {
    return this.#add(event, listener as AnyListener, false);
  }

  /** The same for the next one only, whosever it is. */
  once<K extends ClusterEventName>(event: K, listener: ClusterListener<K>): () => void {
    return this.#add(event, listener as AnyListener, true);
  }

  off<K extends ClusterEventName>(event: K, listener: ClusterListener<K>): void {
    this.#listeners
      .get(event)
      ?.get(listener as AnyListener)
      ?.off();
  }

  /** From now on `onFinish` hears of jobs of the queues asked for, `onGap` of messages that may have been missed. */
  watch(onFinish: FinishListener, onGap: () => void): void {
    this.#onFinish = onFinish;
    this.#onGap = onGap;
  }

  /** Asks the others to tell when jobs of this queue end. Answers a function that ends it. */
  wantFinish(queue: string): () => void {
    return this.#want(FINISH + queue);
  }

  /** The process's own channel is open. */
  start(): void {
    this.#online = true;
    this.#announceSoon();
  }

  stop(): void {
    this.#online = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#told = undefined;
    this.#peers.clear();
    this.#wanted.clear();
  }

  gap(): void {
    this.#onGap();
  }

  receive(message: SignalMessage): void {
    if (message.kind === 'interest') this.#remember(message);
    else if (message.kind === 'event' && message.from !== this.host.owner)
      this.#deliver(message.event, message.payload);
  }

  #add(event: ClusterEventName, listener: AnyListener, once: boolean): () => void {
    let listeners = this.#listeners.get(event);
    if (!listeners) this.#listeners.set(event, (listeners = new Map()));
    const standing = listeners.get(listener);
    if (standing) return standing.off;
    const tell: AnyListener = (payload) => {
      if (once) off();
      return listener(payload);
    };
    const unlisten = this.host.events.on(event, (payload) => tell(brief(payload)));
    const unwant = this.#want(event);
    const off = (): void => {
      if (!this.#listeners.get(event)?.delete(listener)) return;
      unlisten();
      unwant();
    };
    listeners.set(listener, { tell, off });
    return off;
  }

  #deliver(event: string, payload: unknown): void {
    if (typeof payload !== 'object' || payload === null) return;
    for (const { tell } of this.#listeners.get(event)?.values() ?? []) {
      this.host.events.tell(event as ClusterEventName, () => tell(payload));
    }
    if (!FINISHING.has(event) || !('queue' in payload) || !('id' in payload)) return;
    const { queue, id } = payload;
    if (typeof queue === 'string' && typeof id === 'string') {
      this.#onFinish(queue, id, event as ClusterEventName, payload);
    }
  }

  #want(topic: string): () => void {
    let want = this.#wants.get(topic);
    if (!want) this.#wants.set(topic, (want = { count: 0, until: 0 }));
    want.count += 1;
    this.#announceSoon();
    const counted = want;
    return () => {
      counted.count -= 1;
      counted.until = this.host.clock.monotonic() + BEAT_MS;
    };
  }

  /** Tells the others unless they know; what is wanted in one moment is told in one message. */
  #announceSoon(): void {
    if (!this.#online || this.#scheduled || this.#known()) return;
    this.#scheduled = true;
    this.host.clock.immediate(() => {
      this.#scheduled = false;
      if (!this.#known()) this.#announce();
    });
  }

  #known(): boolean {
    const told = this.#told;
    const fresh = told !== undefined && this.host.clock.monotonic() - told.at <= BEAT_MS;
    for (const [topic, { count }] of this.#wants) if (count > 0 && !(fresh && told.topics.has(topic))) return false;
    return true;
  }

  #announce(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#online) return;
    const now = this.host.clock.monotonic();
    for (const [topic, { count, until }] of this.#wants) if (count === 0 && until <= now) this.#wants.delete(topic);
    if (this.#wants.size === 0) return;
    const topics = new Set(this.#wants.keys());
    this.#told = { topics, at: now };
    const { owner, signals, clock } = this.host;
    this.#sent(signals.broadcast({ kind: 'interest', process: owner, events: compact(topics), ttlMs: TTL_MS }));
    this.#timer = clock.timer(BEAT_MS, () => this.#announce());
    this.#timer.unref();
  }

  #remember({ process, events, ttlMs }: Extract<SignalMessage, { kind: 'interest' }>): void {
    if (process === this.host.owner || !Array.isArray(events) || !(ttlMs > 0)) return;
    const now = this.host.clock.monotonic();
    for (const [name, { until }] of this.#peers) if (until <= now) this.#peers.delete(name);
    if (this.#peers.size >= MAX_PEERS && !this.#peers.has(process)) return;
    const topics = new Set(events.slice(0, MAX_TOPICS));
    this.#peers.set(process, { topics, until: now + Math.min(ttlMs, MAX_TTL_MS) });
    this.#refreshWanted();
  }

  #refreshWanted(): void {
    this.#wanted.clear();
    for (const { topics } of this.#peers.values()) {
      for (const topic of topics) {
        if (topic.startsWith(FINISH)) for (const event of FINISHING) this.#wanted.add(event);
        else this.#wanted.add(topic);
      }
    }
  }

  #forward(event: EngineEventName, payload: object): void {
    // What an error event carries may be anything, and no other process could do something about it.
    if (event === 'error') return;
    const now = this.host.clock.monotonic();
    let message: SignalMessage | undefined;
    let expired = false;
    for (const [process, peer] of this.#peers) {
      if (peer.until <= now) {
        this.#peers.delete(process);
        expired = true;
      } else if (asksFor(peer, event, payload)) {
        message ??= messageOf(this.host.owner, event, payload);
        if (!message) return;
        this.#send(process, message);
      }
    }
    if (expired) this.#refreshWanted();
  }

  #send(process: string, message: SignalMessage): void {
    if (this.#sends >= MAX_SENDS) return;
    this.#sends += 1;
    this.#sent(
      this.host.signals.send(process, message).finally(() => {
        this.#sends -= 1;
      }),
    );
  }

  /** A bus that fails is reported once, until it works again. */
  #sent(done: Promise<void>): void {
    done.then(
      () => {
        this.#failing = false;
      },
      (error: unknown) => {
        if (this.#failing) return;
        this.#failing = true;
        this.host.events.report('cluster events', error);
      },
    );
  }
}

function compact(topics: ReadonlySet<string>): string[] {
  const events = [...topics].filter((topic) => !topic.startsWith(FINISH));
  const queues = [...topics].filter((topic) => topic.startsWith(FINISH));
  return queues.length <= MAX_QUEUES ? [...events, ...queues] : [...new Set([...events, ...FINISHING])];
}

function asksFor({ topics }: Peer, event: EngineEventName, payload: object): boolean {
  if (topics.has(event)) return true;
  return FINISHING.has(event) && 'queue' in payload && topics.has(`${FINISH}${String(payload.queue)}`);
}

function messageOf(from: string, event: EngineEventName, payload: object): SignalMessage | undefined {
  for (const chars of [TEXT_CHARS, SHORT_CHARS]) {
    const sent = brief(payload, chars);
    if (Buffer.byteLength(JSON.stringify(sent)) <= MAX_PAYLOAD_BYTES) {
      return { kind: 'event', from, event, payload: sent };
    }
  }
  return undefined;
}

/** Any event's payload without what may be large. */
function brief<K extends ClusterEventName>(payload: EngineEvents[K], chars?: number): ClusterEvents[K];
function brief(payload: object, chars?: number): object;
function brief(payload: object, chars = TEXT_CHARS): object {
  const { result: _result, error, progress, reason, ...rest } = payload as Wide;
  return {
    ...rest,
    ...(error ? { error: briefError(error, chars) } : {}),
    ...(progress ? { progress: briefProgress(progress, chars) } : {}),
    ...(reason === undefined ? {} : { reason: safeText(reason, chars) }),
  };
}

interface Wide {
  readonly result?: unknown;
  readonly error?: StoredError;
  readonly progress?: Progress;
  readonly reason?: string;
}

function briefError({ name, message, code }: StoredError, chars: number): BriefError {
  return {
    name: safeText(name, chars),
    message: safeText(message, chars),
    ...(code === undefined ? {} : { code: safeText(code, chars) }),
  };
}

function briefProgress({ percent, label }: Progress, chars: number): Omit<Progress, 'detail'> {
  return { percent, ...(label === undefined ? {} : { label: safeText(label, chars) }) };
}

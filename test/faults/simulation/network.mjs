import { StoreUnreachableError } from 'oqronkit';

/** A call takes at least this long (ms) to be called slow: that explains a lease that expired. */
const SLOW_MS = 500;
/** A request that its sender has given up comes at most this much later (ms): a store keeps replies for a minute only. */
const LATEST_MS = 20_000;

/**
 * What lies between one process and the store. A call may be slow, lost, answered to nobody, or carried out long after
 * its sender gave it up. With `inOrder` calls share a connection that keeps their order and breaks as a whole.
 */
export class Network {
  /** Virtual time until which nothing gets through. */
  cutUntil = -1;
  /** Virtual time until which no signal arrives. */
  deafUntil = -1;
  /** Calls under way, by connection. */
  #connections = new Map();
  #listeners = new Set();

  constructor(world, process) {
    this.world = world;
    this.process = process;
    this.random = process.random.fork();
  }

  /** The store as this process sees it. */
  backend() {
    const { server } = this.world;
    const through =
      (operation, lane) =>
      (...args) =>
        this.call(operation, args, lane);
    const store = { capabilities: server.capabilities, admin: {} };
    for (const operation of ['enqueue', 'claim', 'settle', 'annotate', 'sweep']) store[operation] = through(operation);
    store.extend = through('extend', 'heartbeat');
    for (const operation of server.adminOperations) store.admin[operation] = through(`admin.${operation}`);
    const leader = {};
    for (const operation of ['campaign', 'resign', 'current']) leader[operation] = through(`leader.${operation}`);
    return {
      store,
      leader,
      signals: {
        listen: (name, onMessage, onGap) => this.#listen(name, onMessage, onGap),
        send: through('signals.send'),
        broadcast: through('signals.broadcast'),
        passOn: through('signals.passOn'),
      },
      open: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  /** Nothing gets through for this long. */
  cut(ms) {
    const { scheduler } = this.world;
    this.cutUntil = scheduler.now + ms;
    this.process.trouble('cut', this.cutUntil);
    for (const lane of this.#connections.keys()) this.reset(lane);
  }

  /** No signal arrives for this long, and nobody notices. */
  deafen(ms) {
    this.deafUntil = this.world.scheduler.now + ms;
  }

  /** Says to the process that it may have missed signals. */
  gap() {
    for (const { onGap } of this.#listeners) this.world.scheduler.soon(onGap, this.process);
  }

  call(operation, args, lane = 'main') {
    return new Promise((resolve, reject) => {
      const call = { operation, args, resolve, reject, lane, executed: false };
      if (this.world.options.inOrder && !operation.startsWith('signals.')) this.#inOrder(call);
      else this.#alone(call);
    });
  }

  /** The connection breaks: whatever is under way on it has failed for its callers. */
  reset(lane) {
    const { scheduler, ledger } = this.world;
    const connection = this.#connections.get(lane);
    if (!connection) return;
    this.#connections.delete(lane);
    // What the server has read already it carries out, in order; the rest never comes.
    let read = this.random.int(0, connection.size);
    for (const call of connection) {
      call.failed = true;
      if (!call.executed && (read -= 1) < 0) call.dropped = true;
      this.#lost(call);
      scheduler.after(this.random.between(0, 20), () => this.#reject(call), this.process);
    }
    ledger.fault('reset');
  }

  #alone(call) {
    const { scheduler, options, ledger } = this.world;
    const { loss } = this.world;
    const out = this.#delay();
    if (this.#cut()) {
      this.#lost(call);
      scheduler.after(this.random.between(1, options.patience), () => this.#reject(call), this.process);
      return;
    }
    if (this.random.chance(loss)) {
      this.#lost(call);
      const fate = this.random.next();
      const givenUp = this.random.between(1, options.patience);
      scheduler.after(givenUp, () => this.#reject(call), this.process);
      call.failed = true;
      if (fate < 0.3) ledger.fault('lost request');
      else if (fate < 0.7) {
        ledger.fault('lost reply');
        scheduler.after(Math.min(out, givenUp), () => this.#execute(call));
      } else {
        ledger.fault('late request');
        scheduler.after(givenUp + this.random.between(0, LATEST_MS), () => this.#execute(call));
      }
      return;
    }
    scheduler.after(out, () => this.#execute(call));
  }

  #inOrder(call) {
    const { scheduler, loss } = this.world;
    if (this.#cut()) {
      this.#lost(call);
      scheduler.after(this.random.between(1, 1_000), () => this.#reject(call), this.process);
      return;
    }
    let connection = this.#connections.get(call.lane);
    if (!connection) this.#connections.set(call.lane, (connection = new Set()));
    connection.add(call);
    call.connection = connection;
    connection.out = Math.max(connection.out ?? 0, scheduler.now + this.#delay());
    scheduler.at(connection.out, () => this.#execute(call));
    if (this.random.chance(loss)) {
      scheduler.after(this.random.between(0, 50), () => {
        if (this.#connections.get(call.lane) === connection) this.reset(call.lane);
      });
    }
  }

  #execute(call) {
    const { server, scheduler } = this.world;
    // The connection of a dead process may break before the store has read what it sent.
    if (call.dropped || (this.process.dead && this.random.chance(0.5))) return;
    call.executed = true;
    const { operation, args } = call;
    const done = (settle) => {
      if (call.failed) return;
      const reply = () => {
        if (call.failed) return;
        call.connection?.delete(call);
        if (this.#cut()) {
          this.#lost(call);
          this.#reject(call);
        } else settle();
      };
      const { connection } = call;
      let back = scheduler.now + this.#delay();
      if (connection) back = connection.back = Math.max(connection.back ?? 0, back);
      scheduler.at(back, reply, this.process);
    };
    server.execute(this.process, operation, args).then(
      (reply) => {
        // What the store answered must not change on its way, and nobody here may change what the store keeps.
        done(() => {
          this.world.ledger.answered(this.process, operation, args, reply);
          call.resolve(reply);
        });
      },
      (error) => done(() => call.reject(error)),
    );
  }

  #reject(call) {
    this.world.trace(`!${call.operation}`, this.process.index);
    call.reject(new StoreUnreachableError(call.operation));
  }

  #lost(call) {
    const { now } = this.world.scheduler;
    if (!call.operation.startsWith('signals.')) this.process.trouble('lost call', now + this.world.options.patience);
  }

  #cut() {
    return this.world.scheduler.now < this.cutUntil;
  }

  #delay() {
    const { options, slowness, ledger, scheduler } = this.world;
    if (this.random.chance(slowness)) {
      const ms = this.random.between(SLOW_MS, 4_000);
      this.process.trouble('slow call', scheduler.now + ms);
      ledger.fault('slow call');
      return ms;
    }
    return options.delay * (0.3 + 1.4 * this.random.next());
  }

  async #listen(name, onMessage, onGap) {
    const { scheduler, server, options } = this.world;
    const listener = { onGap };
    this.#listeners.add(listener);
    const end = await server.signals.listen(name, (message) => {
      const { now } = scheduler;
      const drop = now < this.deafUntil || now < this.cutUntil || this.random.chance(this.world.dropSignals);
      if (drop || (options.noWakes && message.kind === 'wake')) return;
      scheduler.after(
        this.#delay(),
        () => {
          if (this.#listeners.has(listener)) onMessage(message);
        },
        this.process,
      );
    });
    this.#unlisten = end;
    return () => {
      this.#listeners.delete(listener);
      return end();
    };
  }

  #unlisten = () => Promise.resolve();

  /** The server notices some time after its death that a process does not listen any more. */
  hangUp() {
    this.world.scheduler.after(this.random.between(0, 30_000), () => void this.#unlisten());
  }
}

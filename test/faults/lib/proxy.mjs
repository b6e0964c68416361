// A TCP proxy on loopback that hurts what passes through it. One proxy for each role (producer, worker, ...), so that a
// fault can be aimed; `match` aims at single connections by what they send first.
import { EventEmitter } from 'node:events';
import net from 'node:net';

/** As much of what a client sends is kept to tell what kind of connection it is. */
const FIRST_BYTES = 4_096;
const PASS = () => ({ up: 'pass', down: 'pass' });

/**
 * `up` is from the client to the server. Set the fields at any time:
 *
 * - `mode.up`, `mode.down`: `pass`, `drop` (a black hole), `hold` (kept, and passed on by `heal`)
 * - `delay.up`, `delay.down`, `jitter`: ms; the order is kept
 * - `slice`: pieces of 1 to so many bytes; 0 = as they come. `mostSlices`: of what came at once no more than that, from
 *   some place in it on; the rest goes as it came
 * - `resetProb`: chance per piece that the connection is reset instead
 * - `loseReplyProb`: chance per piece sent up that the server gets it, and the connection is reset at its answer
 * - `refuse`: new connections are reset
 */
export class FaultProxy extends EventEmitter {
  #server;
  #random;
  #connections = new Set();

  constructor(target, { random = Math.random } = {}) {
    super();
    this.target = target;
    this.#random = random;
    this.mode = PASS();
    this.delay = { up: 0, down: 0 };
    this.jitter = 0;
    this.slice = 0;
    this.mostSlices = Infinity;
    this.resetProb = 0;
    this.loseReplyProb = 0;
    this.refuse = false;
    /** Which connections `mode` is for: a function of what the client has sent so far (latin1). */
    this.match = undefined;
    this.stats = { connections: 0, resets: 0, lostReplies: 0, bytesUp: 0, bytesDown: 0 };
  }

  get open() {
    return this.#connections.size;
  }

  async listen() {
    this.#server = net.createServer({ noDelay: true }, (client) => this.#accept(client));
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    this.port = this.#server.address().port;
    return this;
  }

  /** Nothing passes and nobody is told. A stream that lost bytes is of no use any more: `heal` resets it. */
  blackhole(direction = 'both') {
    this.#set('drop', direction);
  }

  /** Nothing passes until `heal`; then all of it does, late. */
  hold(direction = 'both') {
    this.#set('hold', direction);
  }

  heal() {
    this.mode = PASS();
    this.refuse = false;
    for (const connection of [...this.#connections]) {
      if (connection.holed) {
        this.#reset(connection);
        continue;
      }
      for (const direction of ['up', 'down']) {
        const out = direction === 'up' ? connection.server : connection.client;
        for (const held of connection.held[direction].splice(0)) out.write(held);
      }
    }
  }

  resetAll() {
    for (const connection of [...this.#connections]) this.#reset(connection);
  }

  resetSome(share) {
    for (const connection of [...this.#connections]) if (this.#random() < share) this.#reset(connection);
  }

  async close() {
    this.refuse = true;
    for (const connection of [...this.#connections]) connection.end(false);
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #set(mode, direction) {
    for (const each of direction === 'both' ? ['up', 'down'] : [direction]) this.mode[each] = mode;
  }

  #accept(client) {
    this.stats.connections += 1;
    if (this.refuse) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({ ...this.target, noDelay: true });
    const connection = {
      client,
      server,
      first: '',
      tail: { up: Promise.resolve(), down: Promise.resolve() },
      busy: { up: 0, down: 0 },
      due: { up: 0, down: 0 },
      held: { up: [], down: [] },
      holed: false,
      doomed: false,
    };
    connection.end = (reset) => {
      this.#connections.delete(connection);
      for (const socket of [client, server]) {
        if (reset) socket.resetAndDestroy();
        else socket.destroy();
      }
    };
    this.#connections.add(connection);
    for (const socket of [client, server]) {
      socket.on('error', () => connection.end(true));
      socket.on('close', () => connection.end(false));
    }
    client.on('data', (bytes) => {
      this.stats.bytesUp += bytes.length;
      if (connection.first.length < FIRST_BYTES) connection.first += bytes.toString('latin1');
      this.#pass(connection, 'up', server, bytes);
    });
    server.on('data', (bytes) => {
      this.stats.bytesDown += bytes.length;
      this.#pass(connection, 'down', client, bytes);
    });
    this.emit('connection', connection);
  }

  #pass(connection, direction, out, bytes) {
    const mode = !this.match || this.match(connection.first) ? this.mode[direction] : 'pass';
    if (mode === 'drop') {
      connection.holed = true;
      return;
    }
    if (mode === 'hold') {
      connection.held[direction].push(bytes);
      return;
    }
    if (this.resetProb > 0 && this.#random() < this.resetProb) {
      this.#reset(connection);
      return;
    }
    if (direction === 'up' && this.loseReplyProb > 0 && this.#random() < this.loseReplyProb) connection.doomed = true;
    if (direction === 'down' && connection.doomed) {
      this.stats.lostReplies += 1;
      this.#reset(connection);
      return;
    }
    const wait = this.delay[direction] + (this.jitter > 0 ? this.#random() * this.jitter : 0);
    const parts = this.slice > 0 ? this.#cut(bytes) : [bytes];
    if (wait === 0 && parts.length === 1 && connection.busy[direction] === 0) {
      out.write(bytes);
      return;
    }
    connection.busy[direction] += 1;
    // A latency, and no bandwidth: what comes meanwhile waits from when it came.
    const due = Math.max(performance.now() + wait, connection.due[direction]);
    connection.due[direction] = due;
    connection.tail[direction] = connection.tail[direction].then(async () => {
      const left = due - performance.now();
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
      for (const part of parts) {
        if (out.destroyed) break;
        out.write(part);
        if (parts.length > 1) await new Promise((resolve) => setImmediate(resolve));
      }
      connection.busy[direction] -= 1;
    });
  }

  #cut(bytes) {
    const parts = [];
    let at = this.mostSlices < bytes.length ? Math.floor(this.#random() * (bytes.length - this.mostSlices)) : 0;
    if (at > 0) parts.push(bytes.subarray(0, at));
    for (let n = 0; at < bytes.length; n += 1) {
      const size = n < this.mostSlices ? Math.max(1, Math.ceil(this.#random() * this.slice)) : bytes.length;
      parts.push(bytes.subarray(at, at + size));
      at += size;
    }
    return parts;
  }

  #reset(connection) {
    this.stats.resets += 1;
    connection.end(true);
  }
}

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import net from 'node:net';
import { FaultProxy } from '../../faults/lib/proxy.mjs';
import { until } from '../../support/until.js';

/** A server that answers each piece with `<piece>`, and a client through the proxy. */
describe('the fault proxy', () => {
  let server: net.Server;
  let proxy: FaultProxy;
  let random = 1;
  const sockets: net.Socket[] = [];
  let heard = '';

  beforeEach(async () => {
    heard = '';
    random = 1;
    server = net.createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.toString();
        socket.write(`<${bytes.toString()}>`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    proxy = await new FaultProxy({ host: '127.0.0.1', port }, { random: () => random }).listen();
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });

  async function client(): Promise<{ socket: net.Socket; got: () => string; error: () => string | undefined }> {
    const socket = net.connect(proxy.port, '127.0.0.1');
    sockets.push(socket);
    let text = '';
    let error: string | undefined;
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('error', (cause: NodeJS.ErrnoException) => (error = cause.code));
    await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
    return { socket, got: () => text, error: () => error };
  }

  it('passes what comes', async () => {
    const { socket, got } = await client();
    socket.write('a');
    await until('the answer', () => got() === '<a>');
    expect(proxy.stats).toMatchObject({ connections: 1, resets: 0, bytesUp: 1, bytesDown: 3 });
  });

  it('slices and delays, and keeps the order', async () => {
    proxy.slice = 1;
    proxy.delay.up = 20;
    const { socket, got } = await client();
    const began = performance.now();
    socket.write('abc');
    await until('the server to hear it', () => heard === 'abc');
    expect(performance.now() - began).toBeGreaterThanOrEqual(19);
    await until('the answers', () => got().replaceAll(/[<>]/g, '') === 'abc');
  });

  it('holds what comes, and passes it on late', async () => {
    const { socket, got } = await client();
    proxy.hold();
    socket.write('a');
    await until('the proxy to have it', () => proxy.stats.bytesUp === 1);
    expect(heard).toBe('');
    proxy.heal();
    await until('the answer', () => got() === '<a>');
  });

  it('swallows what comes, and resets a stream with a hole', async () => {
    const { socket, error } = await client();
    proxy.blackhole('up');
    socket.write('a');
    await until('the proxy to have it', () => proxy.stats.bytesUp === 1);
    proxy.heal();
    await until('the reset', () => error() === 'ECONNRESET');
    expect(heard).toBe('');
  });

  it('lets the server have a request, and loses the answer', async () => {
    proxy.loseReplyProb = 0.5;
    random = 0.1;
    const { socket, got, error } = await client();
    socket.write('a');
    await until('the reset', () => error() === 'ECONNRESET');
    expect({ heard, got: got() }).toEqual({ heard: 'a', got: '' });
    expect(proxy.stats).toMatchObject({ resets: 1, lostReplies: 1 });
  });

  it('resets, and refuses', async () => {
    proxy.resetProb = 0.5;
    random = 0.1;
    const first = await client();
    first.socket.write('a');
    await until('the reset', () => first.error() === 'ECONNRESET');
    expect(heard).toBe('');
    proxy.refuse = true;
    const second = await client();
    await until('the refusal', () => second.socket.destroyed);
  });

  it('aims at connections by what they sent first', async () => {
    proxy.match = (first) => first.startsWith('LISTEN');
    const [wake, other] = [await client(), await client()];
    proxy.blackhole();
    wake.socket.write('LISTEN x');
    other.socket.write('a');
    await until('the other one to be answered', () => other.got() === '<a>');
    expect({ heard, got: wake.got() }).toEqual({ heard: 'a', got: '' });
  });
});

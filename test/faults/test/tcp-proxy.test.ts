import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TcpProxy } from '../tcp-proxy.ts';

/** Long enough for what should not happen to happen. */
const NOTHING_MS = 50;

test('bytes pass both ways, whole and in order, and the ends are handed on', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  const client = await dial(t, proxy);
  const sent = 'abcdefghij'.repeat(100_000);
  client.end(sent);
  assert.equal(await text(client), sent);
});

test('what is stalled arrives when the line flows again', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  const client = await dial(t, proxy);
  const received = collect(client);
  proxy.stall('both');
  client.write('later');
  await sleep(NOTHING_MS);
  assert.equal(received(), '');
  assert.equal(proxy.bytes, 'later'.length);
  proxy.flow();
  await until(() => received() === 'later');
});

test('with its answers stalled, a question gets through', async (t) => {
  const { proxy, heard } = await proxyBeforeEcho(t);
  const client = await dial(t, proxy);
  const received = collect(client);
  proxy.stall('answers');
  client.write('question');
  await until(() => heard() === 'question');
  await sleep(NOTHING_MS);
  assert.equal(received(), '');
});

test('a cut ends every connection at once, and new ones are taken', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  const clients = [await dial(t, proxy), await dial(t, proxy)];
  await until(() => proxy.connections === 2);
  const closed = clients.map((client) => new Promise((resolve) => client.once('close', resolve)));
  assert.equal(proxy.cut('reset'), 2);
  await Promise.all(closed);
  await until(() => proxy.connections === 0);
  const again = await dial(t, proxy);
  again.end('again');
  assert.equal(await text(again), 'again');
});

test('a cut ends also what is stalled', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  const client = await dial(t, proxy);
  await until(() => proxy.connections === 1);
  proxy.stall('both');
  client.write('never');
  const closed = new Promise((resolve) => client.once('close', resolve));
  proxy.cut('end');
  await closed;
});

test('refused, nobody can connect until it listens again', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  await dial(t, proxy);
  await proxy.refuse();
  await assert.rejects(dial(t, proxy), { code: 'ECONNREFUSED' });
  await proxy.listen();
  const again = await dial(t, proxy);
  again.end('again');
  assert.equal(await text(again), 'again');
});

test('a slow line takes as long as its bytes do', async (t) => {
  const { proxy } = await proxyBeforeEcho(t);
  const client = await dial(t, proxy);
  const received = collect(client);
  proxy.slow({ latencyMs: 600_000, bytesPerSecond: 1_000 });
  client.write('slowly');
  await sleep(NOTHING_MS);
  assert.equal(received(), '');
  proxy.flow();
  await until(() => received() === 'slowly');
});

test('when nobody listens behind it, a connection ends at once', async (t) => {
  const { proxy, stop } = await proxyBeforeEcho(t);
  await stop();
  const client = await dial(t, proxy);
  client.resume();
  await until(() => (client.readableEnded || client.closed) && proxy.connections === 0);
});

async function proxyBeforeEcho(t: TestContext) {
  let heard = '';
  const sockets = new Set<Socket>();
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()); // reset by the proxy, which is what a test does to it
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const listen = (free.address() as AddressInfo).port;
  await new Promise((resolve) => free.close(resolve));
  const proxy = new TcpProxy({ listen, target: (echo.address() as AddressInfo).port });
  await proxy.listen();
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    if (echo.listening) await new Promise((resolve) => echo.close(resolve));
  };
  t.after(async () => {
    await proxy.close();
    await stop();
  });
  return { proxy, heard: () => heard, stop };
}

async function dial(t: TestContext, proxy: TcpProxy): Promise<Socket> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => socket.destroy());
  return socket;
}

function collect(socket: Socket): () => string {
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  return () => received;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

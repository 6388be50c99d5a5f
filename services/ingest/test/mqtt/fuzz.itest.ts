import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLogger } from '@millrace/observability';
import type { MqttClient } from 'mqtt';
import { WebSocket } from 'ws';
import { READING } from '../fixtures.ts';
import { hostileChunks } from './hostile-bytes.ts';
import {
  connectPacket,
  createAuthority,
  createListener,
  createRawDevice,
  publishPacket,
  until,
} from './listener-fixture.ts';

const CONNECTIONS = 300;
const ROUNDS = 4;
const HALF_OPEN = 1_500;
/** What may be left of a round: what is compiled, cached and not yet collected. A leak of each connection would be more. */
const GROWTH_BYTES_MAX = 2_000_000;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function createTarget(t: TestContext) {
  const authority = await createAuthority(t);
  const server = await authority.sign('localhost');
  const tls = { ...server, clientCa: authority.ca, port: 0, webSocketPort: 0, clientCertificate: 'optional' as const };
  // What is logged, and what the fake Kafka holds, would look like a leak.
  const logger = createLogger({ service: 'ingest', level: 'silent' });
  const target = await createListener(t, { tls, logger, connectionsMax: 10_000 });
  const good = await target.connect('device-1', { keepalive: 0 });
  let sequence = 0;
  /** A good device is served, whatever the others do. */
  async function serves(client: MqttClient = good): Promise<void> {
    sequence += 1;
    await client.publishAsync('devices/device-1/telemetry', JSON.stringify({ ...READING, sequence }), { qos: 1 });
  }
  const { port, webSocketPort, tlsPort = 0, secureWebSocketPort = 0 } = target.listener.ports;
  const ports = { port, webSocketPort, tlsPort, secureWebSocketPort };
  const isQuiet = () => target.listener.connections === 1 && target.listener.sockets === 1;
  return { ...target, ports, serves, isQuiet };
}

function quietly(socket: Socket): Socket {
  return socket.on('error', () => {}).resume();
}

/** One connection that says what it is given, and leaves in one way or another. Resolves when it has said it. */
async function attack(port: number, chunks: readonly Buffer[], way: 'end' | 'destroy' | 'stay'): Promise<Socket> {
  const socket = quietly(connectTcp(port, '127.0.0.1'));
  for (const chunk of chunks) {
    if (socket.destroyed) break;
    await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
  }
  if (way === 'end') socket.end();
  if (way === 'destroy') socket.destroy();
  return socket;
}

/** The same through a WebSocket that is opened in due form. */
async function attackWebSocket(port: number, chunks: readonly Buffer[], way: 'end' | 'destroy' | 'stay') {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'mqtt');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('open', resolve).once('close', () => resolve()));
  for (const chunk of chunks) if (socket.readyState === WebSocket.OPEN) socket.send(chunk);
  if (way === 'end') socket.close();
  if (way === 'destroy') socket.terminate();
  return socket;
}

test('random, mutated, cut and endless bytes at every port: nothing breaks, nothing is left, a good device is served', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const { ports, serves, isQuiet, producer } = await createTarget(t);
  const ways = ['end', 'destroy', 'stay'] as const;
  const heldAfter: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const staying: { destroy(): void }[] = [];
    for (let count = 0; count < CONNECTIONS; count += 1) {
      const way = ways[Math.floor(random() * ways.length)] ?? 'end';
      const chunks = hostileChunks(random);
      const port = Object.values(ports)[count % 4] ?? 0;
      if (port === ports.webSocketPort && count % 8 < 4) {
        const socket = await attackWebSocket(port, chunks, way);
        if (way === 'stay') staying.push({ destroy: () => socket.terminate() });
      } else {
        const socket = await attack(port, chunks, way);
        if (way === 'stay') staying.push(socket);
      }
      if (count % 25 === 0) await serves();
    }
    for (const socket of staying) socket.destroy();
    await until(isQuiet);
    await serves();
    producer.sent.splice(0);
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    heldAfter.push(heapUsed + external);
  }
  const [first = 0, last = 0] = [heldAfter[1], heldAfter.at(-1)];
  assert.ok(last - first < GROWTH_BYTES_MAX, `memory after each round: ${heldAfter.join(', ')} (seed ${seed})`);
});

test('thousands of connections that are half open: a good device comes in and is served, and nothing is left of them', async (t) => {
  const { ports, listener, serves, isQuiet, connect } = await createTarget(t);
  const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name)).length;
  const before = resources();
  const begin = Buffer.of(0x10, 100, 0, 4, 77, 81);
  const upgrade = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n');
  const sockets = Array.from({ length: HALF_OPEN }, (_, index) => {
    const kinds = [
      () => quietly(connectTcp(ports.port, '127.0.0.1')),
      () => {
        const socket = quietly(connectTcp(ports.port, '127.0.0.1'));
        socket.write(begin);
        return socket;
      },
      () => quietly(connectTcp(ports.tlsPort, '127.0.0.1')),
      () => {
        const socket = quietly(connectTcp(ports.webSocketPort, '127.0.0.1'));
        socket.write(upgrade);
        return socket;
      },
    ] as const;
    return kinds[index % 4]?.();
  });
  // A few whose handshake is done, and who say nothing then.
  for (let count = 0; count < 50; count += 1) {
    sockets.push(quietly(connectTls({ port: ports.tlsPort, host: '127.0.0.1', rejectUnauthorized: false })));
  }
  await until(() => listener.sockets >= HALF_OPEN);
  await serves();
  const newcomer = await connect('device-1', { clientId: 'newcomer' });
  await serves(newcomer);
  await newcomer.endAsync();
  for (const socket of sockets) socket?.destroy();
  await until(isQuiet);
  await serves();
  await until(() => resources() <= before);
});

test('JSON that is nested deeper than a stack, and names that reach a prototype, are dead letters like any other', async (t) => {
  const { listener, values } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  const lists = '['.repeat(100_000) + ']'.repeat(100_000);
  const objects = `${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`;
  const names = '{"__proto__":{"a":1},"constructor":{"prototype":1},"metrics":{"__proto__":1}}';
  const payloads = [lists, objects, names, `{"metrics":${lists}}`, `{"attributes":${objects}}`, `{"online":${lists}}`];
  const all = [...payloads, ...payloads.map((payload) => `[${payload}]`)];
  for (const [index, payload] of all.entries()) device.send(publishPacket(2 * index + 1, { payload }));
  const topic = 'devices/device-1/status';
  for (const [index, payload] of all.entries()) device.send(publishPacket(2 * index + 2, { payload, topic }));
  assert.equal((await device.answers(1 + 2 * all.length)).length, 1 + 2 * all.length);
  assert.deepEqual(new Set(values().map(([kafkaTopic]) => kafkaTopic)), new Set(['dead-letters']));
  assert.equal(values().length, 2 * all.length);
});

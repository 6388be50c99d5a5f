import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Aedes, type PublishPacket } from 'aedes';
import { createRandom } from '../../src/random.ts';
import { createDeviceFleet } from '../../src/send/device-fleet.ts';

/** A broker that can be made to drop messages without an acknowledgement, by cutting the connection as ingest does. */
async function startBroker(t: TestContext) {
  const received: { topic: string; payload: string }[] = [];
  const sockets = new Set<Socket>();
  const state = { refuse: 0 };
  const broker = new Aedes({
    authenticate: (_client, username, password, done) => done(null, username === password?.toString()),
    authorizePublish(_client, packet: PublishPacket, done) {
      if (packet.topic.endsWith('/telemetry') && state.refuse > 0) {
        state.refuse -= 1;
        done(new Error('not kept'));
        return;
      }
      received.push({ topic: packet.topic, payload: packet.payload.toString() });
      done(null);
    },
  });
  await broker.listen();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    broker.close();
  });
  const readings = () => received.filter(({ topic }) => topic.endsWith('/telemetry'));
  return { url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, received, readings, state, sockets };
}

function fleetOf(t: TestContext, url: string, deviceIds: readonly string[]) {
  const fleet = createDeviceFleet({ url, deviceIds, random: createRandom(1, 'test'), nowMs: () => 1 });
  t.after(() => fleet.close());
  return fleet;
}

describe('a fleet of devices', () => {
  it('connects each device under its own name, says that it is online, and publishes to its own topic', async (t) => {
    const { url, received } = await startBroker(t);
    const fleet = fleetOf(t, url, ['d1', 'd2', 'd3']);
    await fleet.connect(new AbortController().signal);
    assert.equal(fleet.connected, 3);
    const acknowledged: string[] = [];
    for (const id of ['d1', 'd2', 'd3']) fleet.publish(id, `{"of":"${id}"}`, () => acknowledged.push(id));
    assert.equal(await fleet.drain(5_000), 0);
    assert.deepEqual(acknowledged.toSorted(), ['d1', 'd2', 'd3']);
    assert.deepEqual(received.map(({ topic }) => topic).toSorted(), [
      'devices/d1/status',
      'devices/d1/telemetry',
      'devices/d2/status',
      'devices/d2/telemetry',
      'devices/d3/status',
      'devices/d3/telemetry',
    ]);
  });

  it('sends again what was not acknowledged when the connection broke', async (t) => {
    const { url, readings, state } = await startBroker(t);
    const fleet = fleetOf(t, url, ['d1']);
    await fleet.connect(new AbortController().signal);
    state.refuse = 2;
    let acknowledged = 0;
    for (let number = 0; number < 20; number += 1) fleet.publish('d1', String(number), () => (acknowledged += 1));
    assert.equal(await fleet.drain(20_000), 0);
    assert.equal(acknowledged, 20);
    const firstSeen = [...new Set(readings().map(({ payload }) => Number(payload)))];
    assert.deepEqual(
      firstSeen.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, number) => number),
    );
  });

  it('keeps what is published while there is no connection', async (t) => {
    const { url, readings, sockets } = await startBroker(t);
    const fleet = fleetOf(t, url, ['d1']);
    await fleet.connect(new AbortController().signal);
    for (const socket of sockets) socket.destroy();
    let acknowledged = false;
    fleet.publish('d1', 'kept', () => {
      acknowledged = true;
    });
    assert.equal(await fleet.drain(20_000), 0);
    assert.ok(acknowledged);
    assert.ok(readings().some(({ payload }) => payload === 'kept'));
  });

  it('stops trying to connect when it is told to', async (t) => {
    const fleet = fleetOf(t, 'mqtt://127.0.0.1:9', ['d1', 'd2']);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    await fleet.connect(stop.signal);
    assert.equal(fleet.connected, 0);
  });
});

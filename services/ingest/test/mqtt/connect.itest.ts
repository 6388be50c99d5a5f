import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IConnackPacket, Packet } from 'mqtt-packet';
import { CONNECTIONS_PER_DEVICE_MAX } from '../../src/mqtt/device-sessions.ts';
import { connectPacket, createListener, createRawDevice, publishPacket, until } from './listener-fixture.ts';

const returnCode = (packet: Packet | undefined) => (packet as IConnackPacket | undefined)?.returnCode;
const STATUS = 'devices/device-1/status';
const will = { topic: STATUS, payload: Buffer.from('offline'), qos: 1, retain: true };

/** What is answered to a CONNECT that is not let in, before the connection ends. */
const REFUSED: Readonly<
  Record<string, { readonly packet: Packet | Buffer; readonly code: number; readonly reason?: string }>
> = {
  'MQTT 5': { packet: connectPacket('device-1', { protocolVersion: 5 }), code: 1, reason: 'protocol' },
  'no client identifier without a clean session': {
    packet: Buffer.from([0x10, 12, 0, 4, ...Buffer.from('MQTT'), 4, 0, 0, 60, 0, 0]),
    code: 2,
  },
  'a wrong password': {
    packet: connectPacket('device-1', { password: Buffer.from('wrong') }),
    code: 4,
    reason: 'credentials',
  },
  'no password': { packet: connectPacket('device-1', { password: undefined }), code: 4, reason: 'credentials' },
  'no user name': {
    packet: connectPacket('device-1', { username: undefined, password: undefined }),
    code: 4,
    reason: 'credentials',
  },
  "another device's topic as last will": {
    packet: connectPacket('device-1', { will: { ...will, topic: 'devices/device-2/status' } }),
    code: 5,
    reason: 'topic',
  },
};

for (const [what, { packet, code, reason }] of Object.entries(REFUSED)) {
  test(`${what} is refused with return code ${code}, and the connection ends`, async (t) => {
    const { listener, refused, producer } = await createListener(t);
    const device = createRawDevice(t, listener.ports.port);
    device.send(packet);
    await device.closed;
    assert.deepEqual(device.received.map(returnCode), [code]);
    assert.deepEqual(await refused(), reason === undefined ? {} : { [reason]: 1 });
    assert.deepEqual([producer.sent, listener.clients, listener.connections], [[], 0, 0]);
  });
}

test('no client identifier with a clean session is fine, for any number of connections', async (t) => {
  const { listener } = await createListener(t);
  const devices = [1, 2, 3].map(() => createRawDevice(t, listener.ports.port));
  for (const device of devices) device.send(connectPacket('device-1', { clientId: '' }));
  for (const device of devices) {
    await device.answers(1);
    assert.equal(returnCode(device.received[0]), 0);
  }
  assert.equal(listener.clients, 3);
});

test('packets may follow CONNECT at once, before CONNACK', async (t) => {
  const { listener, sequences } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'), publishPacket(1), { cmd: 'pingreq' }, publishPacket(2));
  assert.deepEqual((await device.answers(4)).toSorted(), ['connack', 'pingresp', 'puback 1', 'puback 2']);
  assert.deepEqual(sequences(), [1, 2]);
});

const BROKEN_ORDER: Readonly<Record<string, readonly Packet[]>> = {
  'a first packet that is not CONNECT': [publishPacket(1)],
  'a second CONNECT': [connectPacket('device-1'), connectPacket('device-1')],
};
for (const [what, packets] of Object.entries(BROKEN_ORDER)) {
  test(`${what} ends the connection`, async (t) => {
    const { listener, refused, producer } = await createListener(t);
    const device = createRawDevice(t, listener.ports.port);
    device.send(...packets);
    await device.closed;
    assert.deepEqual(await refused(), { protocol: 1 });
    assert.deepEqual(producer.sent, []);
  });
}

test('subscriptions are refused one by one, and an UNSUBSCRIBE is answered', async (t) => {
  const { listener, refused } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  const subscriptions = ['#', STATUS, '+/x'].map((topic) => ({ topic, qos: 1 as const }));
  device.send(connectPacket('device-1'), { cmd: 'subscribe', messageId: 5, subscriptions });
  device.send({ cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['#'] });
  assert.deepEqual(await device.answers(3), ['connack', 'suback 5', 'unsuback 6']);
  assert.deepEqual((device.received[1] as { granted: unknown }).granted, [0x80, 0x80, 0x80]);
  assert.deepEqual(await refused(), { subscription: 1 });
});

test('a device that says nothing for one and a half times its keep-alive time is gone, and its will is published', async (t) => {
  const { listener, values } = await createListener(t);
  const [silent, alive, without] = [
    createRawDevice(t, listener.ports.port),
    createRawDevice(t, listener.ports.port),
    createRawDevice(t, listener.ports.port),
  ];
  silent.send(connectPacket('device-1', { keepalive: 1, will }));
  alive.send(connectPacket('device-2', { keepalive: 1 }));
  without.send(connectPacket('device-3', { keepalive: 0 }));
  const pings = setInterval(() => alive.send({ cmd: 'pingreq' }), 300);
  t.after(() => clearInterval(pings));
  await silent.closed;
  await until(() => values().length > 0);
  assert.deepEqual(values()[0]?.[1].metrics, { online: false });
  assert.deepEqual([alive.socket.destroyed, without.socket.destroyed], [false, false]);
});

test('who connects and sends no CONNECT is disconnected, and was never a client', async (t) => {
  const { listener } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.socket.write(Buffer.of(0x10, 200, 1, 0, 4));
  await until(() => listener.connections === 1);
  assert.equal(listener.clients, 0);
  await device.closed;
  assert.equal(listener.connections, 0);
});

test('a device that takes over from itself: the old connection has ended with its will before the new one says a word', async (t) => {
  const { listener, values } = await createListener(t);
  const old = createRawDevice(t, listener.ports.port);
  old.send(connectPacket('device-1', { will }));
  await old.answers(1);
  const newer = createRawDevice(t, listener.ports.port);
  newer.send(connectPacket('device-1', { will }), publishPacket(1, { topic: STATUS, payload: 'online' }));
  await Promise.all([old.closed, newer.answers(2)]);
  assert.deepEqual(
    values().map(([, { metrics }]) => metrics),
    [{ online: false }, { online: true }],
  );
  assert.equal(listener.clients, 1);
});

test('a device with more connections than it may have loses its oldest', async (t) => {
  const { listener } = await createListener(t);
  const devices = Array.from({ length: CONNECTIONS_PER_DEVICE_MAX + 1 }, () => createRawDevice(t, listener.ports.port));
  for (const [index, device] of devices.entries()) {
    device.send(connectPacket('device-1', { clientId: `client ${index}` }));
    await device.answers(1);
  }
  await devices[0]?.closed;
  assert.equal(listener.clients, CONNECTIONS_PER_DEVICE_MAX);
  assert.deepEqual(
    devices.map(({ socket }) => socket.destroyed),
    devices.map((_, index) => index === 0),
  );
});

test('a will is published when the device breaks the protocol, and not after DISCONNECT, nor when the service stops', async (t) => {
  const { listener, producer, values } = await createListener(t);
  const leaving = createRawDevice(t, listener.ports.port);
  leaving.send(connectPacket('device-1', { will, clientId: 'a' }), { cmd: 'disconnect' });
  await leaving.closed;
  const staying = createRawDevice(t, listener.ports.port);
  staying.send(connectPacket('device-1', { will, clientId: 'b' }));
  await staying.answers(1);
  assert.deepEqual(producer.sent, []);
  const breaking = createRawDevice(t, listener.ports.port);
  breaking.send(connectPacket('device-1', { will, clientId: 'c' }), connectPacket('device-1', { clientId: 'c' }));
  await breaking.closed;
  await until(() => producer.sent.length > 0);
  await listener.close();
  await staying.closed;
  assert.deepEqual(
    values().map(([topic, { metrics }]) => [topic, metrics]),
    [['telemetry.raw', { online: false }]],
  );
});

test('messages of QoS 0 before DISCONNECT are kept, also while Kafka is slow', async (t) => {
  const { listener, producer, sequences } = await createListener(t);
  producer.hold();
  const device = createRawDevice(t, listener.ports.port);
  const qos0 = (sequence: number) => publishPacket(sequence, { qos: 0, messageId: undefined });
  device.send(connectPacket('device-1'), qos0(1), qos0(2), qos0(3), { cmd: 'disconnect' });
  await device.closed;
  producer.release();
  await until(() => sequences().length === 3);
  assert.deepEqual(sequences(), [1, 2, 3]);
});

test('no more connections are held than may be, and the next one finds room when one has gone', async (t) => {
  const { listener, refused } = await createListener(t, { connectionsMax: 2 });
  const [first, second, third] = ['a', 'b', 'c'].map((clientId) => {
    const device = createRawDevice(t, listener.ports.port);
    device.send(connectPacket('device-1', { clientId }));
    return device;
  });
  await Promise.all([first?.answers(1), second?.answers(1), third?.closed]);
  assert.deepEqual(await refused(), { connections: 1 });
  first?.socket.destroy();
  await until(() => listener.connections === 1);
  const fourth = createRawDevice(t, listener.ports.port);
  fourth.send(connectPacket('device-1', { clientId: 'd' }));
  assert.deepEqual(await fourth.answers(1), ['connack']);
});

test('when credentials change, those who would not be let in any more are disconnected, and the others are not', async (t) => {
  const allowed = new Set(['device-1', 'device-2']);
  const { listener, refused } = await createListener(t, {
    identify: ({ userName = '' }) => (allowed.has(userName) ? userName : undefined),
  });
  const [one, two] = ['device-1', 'device-2'].map((name) => {
    const device = createRawDevice(t, listener.ports.port);
    device.send(connectPacket(name));
    return device;
  });
  await Promise.all([one?.answers(1), two?.answers(1)]);
  allowed.delete('device-2');
  listener.recheck();
  await two?.closed;
  assert.deepEqual([one?.socket.destroyed, listener.clients], [false, 1]);
  assert.deepEqual(await refused(), { revoked: 1 });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Packet } from 'mqtt-packet';
import { UNRELEASED_MAX } from '../../src/mqtt/device-connection.ts';
import { connectPacket, createListener, createRawDevice, publishPacket, until } from './listener-fixture.ts';

const publish = (sequence: number, options: object = {}) => publishPacket(sequence, { qos: 2, ...options });
const pubrel = (messageId: number): Packet => ({ cmd: 'pubrel', messageId });
const persistent = connectPacket('device-1', { clean: false });

test('PUBLISH is answered by PUBREC after Kafka, and PUBREL by PUBCOMP', async (t) => {
  const { listener, producer, sequences } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  producer.hold();
  device.send(publish(7));
  await until(() => producer.batches > 0);
  await sleep(30);
  assert.deepEqual(await device.answers(1), ['connack']);
  producer.release();
  assert.deepEqual(await device.answers(2), ['connack', 'pubrec 7']);
  device.send(pubrel(7));
  assert.deepEqual(await device.answers(3), ['connack', 'pubrec 7', 'pubcomp 7']);
  assert.deepEqual(sequences(), [7]);
});

test('what is repeated before its PUBREL is one reading; after it the identifier is that of another message', async (t) => {
  const { listener, producer, sequences } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  producer.hold();
  // The first repetition comes while the message is on its way into Kafka, the second when Kafka has it.
  device.send(publish(7), publish(7, { dup: true }));
  await until(() => producer.batches > 0);
  producer.release();
  assert.deepEqual(await device.answers(3), ['connack', 'pubrec 7', 'pubrec 7']);
  device.send(publish(7, { dup: true }));
  assert.deepEqual((await device.answers(4)).slice(3), ['pubrec 7']);
  assert.deepEqual(sequences(), [7]);
  device.send(pubrel(7), publish(8, { messageId: 7 }));
  await device.answers(6);
  device.send(pubrel(7));
  assert.deepEqual((await device.answers(7)).slice(4), ['pubcomp 7', 'pubrec 7', 'pubcomp 7']);
  assert.deepEqual(sequences(), [7, 8]);
});

test('PUBREL of an identifier that is not known is answered as well, so that the device can let go of it', async (t) => {
  const { listener } = await createListener(t);
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'), pubrel(99));
  assert.deepEqual(await device.answers(2), ['connack', 'pubcomp 99']);
});

test('a session that is not clean knows after the break what it had received, and a clean one begins anew', async (t) => {
  const { listener, sequences } = await createListener(t);
  const first = createRawDevice(t, listener.ports.port);
  first.send(persistent, publish(1), publish(2));
  await first.answers(3);
  first.socket.destroy();
  await until(() => listener.clients === 0);

  const second = createRawDevice(t, listener.ports.port);
  second.send(persistent, publish(1, { dup: true }));
  await second.answers(2);
  second.send(pubrel(1), publish(3, { messageId: 1 }));
  assert.deepEqual(await second.answers(4), ['connack', 'pubrec 1', 'pubcomp 1', 'pubrec 1']);
  assert.equal((second.received[0] as { sessionPresent: boolean }).sessionPresent, true);
  assert.deepEqual(sequences(), [1, 2, 3]);
  second.socket.destroy();
  await until(() => listener.clients === 0);

  const third = createRawDevice(t, listener.ports.port);
  third.send(connectPacket('device-1', { clean: true }), publish(2, { dup: true }));
  await third.answers(2);
  assert.equal((third.received[0] as { sessionPresent: boolean }).sessionPresent, false);
  assert.deepEqual(sequences(), [1, 2, 3, 2]);
});

test('a message that was on its way when the connection broke is not taken again on the next one', async (t) => {
  const { listener, producer, sequences } = await createListener(t);
  producer.hold();
  const first = createRawDevice(t, listener.ports.port);
  first.send(persistent, publish(1));
  await until(() => producer.batches > 0);
  first.socket.destroy();
  await until(() => listener.clients === 0);
  const second = createRawDevice(t, listener.ports.port);
  second.send(persistent, publish(1, { dup: true }), publish(2));
  await second.answers(1);
  producer.release();
  assert.deepEqual(await second.answers(3), ['connack', 'pubrec 1', 'pubrec 2']);
  assert.deepEqual(sequences(), [1, 2]);
});

test('the session of one device is not that of another with the same client identifier', async (t) => {
  const { listener, sequences } = await createListener(t);
  const clientId = 'same';
  const first = createRawDevice(t, listener.ports.port);
  first.send(connectPacket('device-1', { clean: false, clientId }), publish(1));
  await first.answers(2);
  first.socket.destroy();
  const second = createRawDevice(t, listener.ports.port);
  const topic = 'devices/device-2/telemetry';
  second.send(connectPacket('device-2', { clean: false, clientId }));
  second.send(publish(1, { topic, payload: '{"event_time": 1772366400000, "sequence": 1, "metrics": {"a": 1}}' }));
  await second.answers(2);
  assert.equal((second.received[0] as { sessionPresent: boolean }).sessionPresent, false);
  assert.deepEqual([sequences('device-1'), sequences('device-2')], [[1], [1]]);
});

test('a device that never sends PUBREL is disconnected at its limit', async (t) => {
  const { listener, refused, sequences } = await createListener(t, {
    rate: { packetsPerSecond: 1_000_000, bytesPerSecond: 1_000_000_000 },
  });
  const device = createRawDevice(t, listener.ports.port);
  device.send(connectPacket('device-1'));
  device.send(...Array.from({ length: UNRELEASED_MAX + 1 }, (_, index) => publish(index + 1)));
  await device.closed;
  assert.equal(new Set(sequences()).size, UNRELEASED_MAX);
  assert.deepEqual(await refused(), { protocol: 1 });
});

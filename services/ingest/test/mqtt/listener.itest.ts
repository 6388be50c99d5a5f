import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MqttClient } from 'mqtt';
import { READING } from '../fixtures.ts';
import { closed, createListener } from './listener-fixture.ts';

for (const qos of [0, 1, 2] as const) {
  test(`a reading with QoS ${qos} is in Kafka, exactly as it was sent`, async (t) => {
    const { connect, producer, values } = await createListener(t);
    const client = await connect('device-1');
    await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos });
    while (producer.sent.length === 0) await sleep(5);
    assert.deepEqual(values(), [['telemetry.raw', READING]]);
    assert.equal(producer.sent[0]?.key, 'device-1');
  });
}

for (const qos of [1, 2] as const) {
  test(`QoS ${qos} is acknowledged only after Kafka has confirmed`, async (t) => {
    const { connect, producer } = await createListener(t);
    const client = await connect('device-1');
    producer.hold();
    let acknowledged = false;
    const published = client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos }).then(() => {
      acknowledged = true;
    });
    while (producer.batches === 0) await sleep(5);
    await sleep(50);
    assert.equal(acknowledged, false);
    producer.release();
    await published;
  });
}

test('messages of a device are in Kafka in the order in which it sent them', async (t) => {
  const { connect, producer } = await createListener(t, {}, { batchRecordsMax: 7 });
  const client = await connect('device-1');
  const sequences = Array.from({ length: 300 }, (_, sequence) => sequence);
  await Promise.all(
    sequences.map((sequence) =>
      client.publishAsync('devices/device-1/telemetry', JSON.stringify({ ...READING, sequence }), { qos: 1 }),
    ),
  );
  assert.deepEqual(
    producer.sent.map(({ value }) => JSON.parse(String(value)).sequence),
    sequences,
  );
});

test('a message that breaks its contract is acknowledged after its dead letter is kept, and counted', async (t) => {
  const { connect, values, counted } = await createListener(t);
  const client = await connect('device-1');
  await client.publishAsync('devices/device-1/telemetry', '{"metrics": {"temperature": "warm"}}', { qos: 1 });
  assert.deepEqual(
    values().map(([topic, { reason }]) => [topic, reason]),
    [['dead-letters', 'invalid-event']],
  );
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'telemetry,mqtt,invalid-event': 1 });
});

test("a message to a topic that is not the device's own is a dead letter, acknowledged, and the end of the connection", async (t) => {
  const { connect, values, refused } = await createListener(t);
  for (const topic of ['devices/device-2/telemetry', 'devices/device-1/commands', 'anything']) {
    const client = await connect('device-1');
    const acknowledged = client.publishAsync(topic, JSON.stringify(READING), { qos: 1 });
    await Promise.all([acknowledged, closed(client)]);
  }
  assert.deepEqual(
    values().map(([topic, { reason, origin, value_base64 }]) => [topic, reason, origin, atob(value_base64)]),
    ['devices/device-2/telemetry', 'devices/device-1/commands', 'anything'].map((topic) => [
      'dead-letters',
      'foreign-topic',
      { kind: 'mqtt', topic, device_id: 'device-1' },
      JSON.stringify(READING),
    ]),
  );
  assert.deepEqual(await refused(), { topic: 3 });
});

test('a wrong password is refused with return code 4', async (t) => {
  const { connect, refused } = await createListener(t);
  await assert.rejects(connect('device-1', { password: 'wrong' }));
  await assert.rejects(connect('device-1', { username: '', password: '' }));
  assert.deepEqual(await refused(), { credentials: 2 });
});

test('a client identifier counts within its device: a device takes over from itself, and never from another', async (t) => {
  const { connect, listener } = await createListener(t);
  const other = await connect('device-2', { clientId: 'same' });
  const first = await connect('device-1', { clientId: 'same' });
  const firstClosed = closed(first);
  const second = await connect('device-1', { clientId: 'same' });
  await firstClosed;
  assert.deepEqual([other.connected, second.connected, listener.clients], [true, true, 2]);
});

test('subscriptions are refused, and retained messages are not kept', async (t) => {
  const { connect } = await createListener(t);
  const client = await connect('device-1');
  await client.publishAsync('devices/device-1/status', 'online', { qos: 1, retain: true });
  await assert.rejects(client.subscribeAsync('devices/device-1/status', { qos: 1 }));
  await assert.rejects(client.subscribeAsync('#', { qos: 1 }));
});

test('a last will becomes a reading when the connection breaks, and not when the device leaves', async (t) => {
  const { connect, producer, values } = await createListener(t);
  const will = { topic: 'devices/device-1/status', payload: Buffer.from('offline'), qos: 1, retain: true } as const;
  const leaving = await connect('device-1', { will });
  await leaving.endAsync();
  const breaking = await connect('device-1', { will });
  await breaking.publishAsync('devices/device-1/status', 'online', { qos: 1, retain: true });
  breaking.stream.destroy();
  while (producer.sent.length < 2) await sleep(5);
  assert.deepEqual(
    values().map(([topic, { metrics }]) => [topic, metrics]),
    [
      ['telemetry.raw', { online: true }],
      ['telemetry.raw', { online: false }],
    ],
  );
});

test('a last will waits for Kafka to come back', async (t) => {
  const { connect, producer, publisher, values } = await createListener(t);
  const will = { topic: 'devices/device-1/status', payload: Buffer.from('offline'), qos: 1, retain: false } as const;
  const client = await connect('device-1', { will });
  producer.failWith(new Error('no broker'));
  client.stream.destroy();
  while (publisher.available) await sleep(5);
  producer.failWith(undefined);
  while (producer.sent.length === 0) await sleep(20);
  assert.deepEqual(values()[0]?.[1].metrics, { online: false });
});

test('while Kafka is away nothing is acknowledged, and devices may connect; afterwards everything is kept', async (t) => {
  const { connect, producer, publisher, values } = await createListener(t);
  const client = await connect('device-1');
  producer.failWith(new Error('no broker'));
  let acknowledged = 0;
  const publish = async (from: MqttClient, device: string) => {
    await from.publishAsync(`devices/${device}/telemetry`, JSON.stringify({ ...READING, device_id: device }), {
      qos: 1,
    });
    acknowledged += 1;
  };
  const first = publish(client, 'device-1');
  while (publisher.available) await sleep(5);
  const second = publish(await connect('device-2'), 'device-2');
  await sleep(50);
  assert.equal(acknowledged, 0);
  producer.failWith(undefined);
  await Promise.all([first, second]);
  assert.deepEqual(
    values().map(([topic, { device_id }]) => [topic, device_id]),
    [
      ['telemetry.raw', 'device-1'],
      ['telemetry.raw', 'device-2'],
    ],
  );
});

test('MQTT over WebSocket works the same way', async (t) => {
  const { connect, listener, values } = await createListener(t);
  const client = await connect('device-1', {}, `ws://127.0.0.1:${listener.ports.webSocketPort}`);
  await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
  assert.deepEqual(values(), [['telemetry.raw', READING]]);
});

test('a packet over the limit ends the connection before it is read', async (t) => {
  const { connect, producer, refused } = await createListener(t);
  const client = await connect('device-1');
  client.publish('devices/device-1/telemetry', Buffer.alloc(300_000), { qos: 1 });
  await closed(client);
  assert.deepEqual(producer.sent, []);
  assert.deepEqual(await refused(), { 'packet-size': 1 });
});

test('bytes that are not MQTT end their own connection only', async (t) => {
  const { connect, listener, values } = await createListener(t);
  const client = await connect('device-1');
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(1_000, 0xff), Buffer.of(0x10, 0x00)]) {
    const socket = connectTcp(listener.ports.port, '127.0.0.1');
    socket.on('error', () => {}); // A reset is as good an end as a close.
    socket.write(bytes);
    socket.resume();
    await once(socket, 'close');
  }
  await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
  assert.equal(values().length, 1);
});

test('closing acknowledges what was on its way', async (t) => {
  const { connect, listener, producer } = await createListener(t);
  const client = await connect('device-1');
  producer.hold();
  const published = client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
  while (producer.batches === 0) await sleep(5);
  const listenerClosed = listener.close();
  producer.release();
  await Promise.all([published, listenerClosed]);
  assert.equal(producer.sent.length, 1);
});

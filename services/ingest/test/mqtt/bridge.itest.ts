import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createIngest, READING } from '../fixtures.ts';
import { createBridge, createDevices, sequencesOf, upTo, values } from './bridge-fixture.ts';
import { until } from './listener-fixture.ts';
import { createMosquitto } from './mosquitto.ts';

test('a reading from the broker is in Kafka, in the trace of its user property', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t);
  await createBridge(t, mosquitto, ingest);
  const { publish } = await createDevices(t, mosquitto);
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await publish('device-1', READING, { properties: { userProperties: { traceparent } } });
  await until(() => ingest.producer.sent.length === 1);
  assert.deepEqual(values(ingest), [READING]);
  assert.match(String(ingest.producer.sent[0]?.headers?.traceparent), /^00-4bf92f3577b34da6a3ce929d0e0e4736-/);
});

test('many messages are on their way into Kafka at once, and the order per device is kept', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t, { limits: { batchRecordsMax: 9 } });
  await createBridge(t, mosquitto, ingest);
  const { publish } = await createDevices(t, mosquitto);
  ingest.producer.hold();
  for (const sequence of upTo(60)) {
    for (const device of ['device-1', 'device-2', 'device-3']) await publish(device, { ...READING, sequence });
  }
  await until(() => ingest.publisher.depth >= 100);
  ingest.producer.release();
  await until(() => ingest.producer.sent.length === 180);
  for (const device of ['device-1', 'device-2', 'device-3']) assert.deepEqual(sequencesOf(ingest, device), upTo(60));
});

test('what Kafka has not confirmed is not acknowledged: the next connection gets it again', async (t) => {
  const mosquitto = await createMosquitto(t);
  const first = await createIngest(t);
  const bridge = await createBridge(t, mosquitto, first);
  const { publish } = await createDevices(t, mosquitto);
  await publish('device-1', { ...READING, sequence: 0 });
  await until(() => first.producer.sent.length === 1);
  first.producer.hold();
  for (const sequence of [1, 2, 3]) await publish('device-1', { ...READING, sequence });
  await until(() => first.publisher.depth === 3);
  await bridge.close(); // It waits in vain for Kafka, and leaves.
  await publish('device-1', { ...READING, sequence: 4 });

  const second = await createIngest(t);
  await createBridge(t, mosquitto, second);
  await until(() => second.producer.sent.length === 4);
  assert.deepEqual(sequencesOf(second, 'device-1'), [1, 2, 3, 4]);
});

test('what was confirmed is acknowledged: the next connection does not get it again', async (t) => {
  const mosquitto = await createMosquitto(t);
  const first = await createIngest(t);
  const bridge = await createBridge(t, mosquitto, first);
  const { publish } = await createDevices(t, mosquitto);
  for (const sequence of upTo(50)) await publish('device-1', { ...READING, sequence });
  await until(() => first.producer.sent.length === 50);
  await bridge.close();

  const second = await createIngest(t);
  await createBridge(t, mosquitto, second);
  await publish('device-1', { ...READING, sequence: 50 });
  await until(() => second.producer.sent.length > 0);
  await sleep(100);
  assert.deepEqual(sequencesOf(second, 'device-1'), [50]);
});

test('while Kafka is away messages wait, and are kept in their order when it is back', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t);
  await createBridge(t, mosquitto, ingest);
  const { publish } = await createDevices(t, mosquitto);
  ingest.producer.failWith(new Error('no broker'));
  for (const sequence of upTo(30)) await publish('device-1', { ...READING, sequence });
  await until(() => !ingest.publisher.available);
  ingest.producer.failWith(undefined);
  await until(() => ingest.producer.sent.length === 30);
  assert.deepEqual(sequencesOf(ingest, 'device-1'), upTo(30));
});

test('a message that breaks its contract is a dead letter, acknowledged, and no obstacle', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t);
  await createBridge(t, mosquitto, ingest);
  const { client, publish } = await createDevices(t, mosquitto);
  await publish('device-1', '{"metrics":');
  await client.publishAsync('devices/not an id/telemetry', JSON.stringify(READING), { qos: 1 });
  await publish('device-1', READING);
  await until(() => ingest.producer.sent.length === 3);
  const topicsAndReasons = ingest.producer.sent.map(({ topic, value }) => [topic, JSON.parse(String(value)).reason]);
  assert.deepEqual(topicsAndReasons.slice(0, 2), [
    ['dead-letters', 'malformed-json'],
    ['dead-letters', 'unknown-topic'],
  ]);
  assert.equal(topicsAndReasons[2]?.[0], 'telemetry.raw');
});

test('instances of one group divide the messages among them', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingests = [await createIngest(t), await createIngest(t)];
  for (const [index, ingest] of ingests.entries()) {
    await createBridge(t, mosquitto, ingest, { clientId: `bridge-${index}`, shareGroup: 'millrace' });
  }
  const { publish } = await createDevices(t, mosquitto);
  for (const sequence of upTo(40)) await publish('device-1', { ...READING, sequence });
  const all = () => ingests.flatMap((ingest) => sequencesOf(ingest, 'device-1'));
  await until(() => all().length === 40);
  await sleep(100);
  assert.deepEqual(
    all().toSorted((a, b) => a - b),
    upTo(40),
  );
});

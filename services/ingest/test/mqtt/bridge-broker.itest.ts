import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { IngestError } from '../../src/errors.ts';
import { MqttBridge } from '../../src/mqtt/bridge.ts';
import type { MqttIntake } from '../../src/mqtt/intake.ts';
import { createIngest, NOW_MS, READING } from '../fixtures.ts';
import { createBridge, createDevices, firstOf, sequencesOf, upTo } from './bridge-fixture.ts';
import { createAuthority, createListener, until } from './listener-fixture.ts';
import { createMosquitto, PERSISTENT } from './mosquitto.ts';

const DEVICES = ['device-1', 'device-2', 'device-3'];

for (const qos of [0, 1, 2] as const) {
  test(`what devices publish with QoS ${qos} is in Kafka, in the order of each`, async (t) => {
    const mosquitto = await createMosquitto(t);
    const ingest = await createIngest(t);
    await createBridge(t, mosquitto, ingest);
    const { publish } = await createDevices(t, mosquitto);
    for (const sequence of upTo(30))
      for (const device of DEVICES) await publish(device, { ...READING, sequence }, { qos });
    await until(() => ingest.producer.sent.length === 90);
    for (const device of DEVICES) assert.deepEqual(sequencesOf(ingest, device), upTo(30));
  });
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`the broker ends (${signal}) with messages on their way and comes back: none is lost, the order is kept`, async (t) => {
    const mosquitto = await createMosquitto(t, PERSISTENT);
    const ingest = await createIngest(t);
    const bridge = await createBridge(t, mosquitto, ingest);
    const { publish } = await createDevices(t, mosquitto);
    for (const sequence of upTo(10)) for (const device of DEVICES) await publish(device, { ...READING, sequence });
    await until(() => ingest.producer.sent.length === 30);
    ingest.producer.hold();
    for (let sequence = 10; sequence < 20; sequence += 1) {
      for (const device of DEVICES) await publish(device, { ...READING, sequence });
    }
    await until(() => ingest.publisher.depth > 0);
    await mosquitto.restart(signal);
    await until(() => bridge.connections === 2);
    for (let sequence = 20; sequence < 25; sequence += 1) {
      for (const device of DEVICES) await publish(device, { ...READING, sequence });
    }
    ingest.producer.release();
    await until(() => DEVICES.every((device) => firstOf(sequencesOf(ingest, device)).length === 25));
    for (const device of DEVICES) assert.deepEqual(firstOf(sequencesOf(ingest, device)), upTo(25));
  });
}

test('Kafka fails again and again while messages come: none is lost, and the order of each device is kept', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t, { limits: { batchRecordsMax: 5, queueRecordsMax: 20 } });
  await createBridge(t, mosquitto, ingest);
  const { publish } = await createDevices(t, mosquitto);
  for (let round = 0; round < 4; round += 1) {
    const some = Array.from({ length: 50 }, (_, index) => round * 50 + index);
    const publishing = (async () => {
      for (const sequence of some) for (const device of DEVICES) await publish(device, { ...READING, sequence });
    })();
    const { batches } = ingest.producer;
    await until(() => ingest.producer.batches > batches);
    ingest.producer.failWith(new Error('no broker'));
    await until(() => !ingest.publisher.available || ingest.producer.sent.length === (round + 1) * 150);
    await publishing;
    ingest.producer.failWith(undefined);
    await until(() => ingest.publisher.available);
  }
  await until(() => DEVICES.every((device) => sequencesOf(ingest, device).length === 200));
  for (const device of DEVICES) assert.deepEqual(sequencesOf(ingest, device), upTo(200));
});

test('a message that is refused comes again, and none that came after it has overtaken it', async (t) => {
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t);
  const taken: number[] = [];
  let refusals = 3;
  const intake: MqttIntake = async ({ payload, abandoned }) => {
    const { sequence } = JSON.parse(Buffer.from(payload).toString()) as { sequence: number };
    if (sequence % 20 === 7 && refusals > 0) {
      refusals -= 1;
      throw new IngestError('overloaded', 'Too much waits for Kafka already.');
    }
    await sleep(5);
    if (abandoned?.() === true) throw new IngestError('closed', 'The sender has left.');
    taken.push(sequence);
  };
  const bridge = await createBridge(t, mosquitto, { ...ingest, intake });
  const { publish } = await createDevices(t, mosquitto);
  for (const sequence of upTo(60)) await publish('device-1', { ...READING, sequence });
  await until(() => firstOf(taken).length === 60);
  assert.deepEqual(firstOf(taken), upTo(60));
  assert.ok(bridge.connections > 1);
});

for (const version of ['5', '3.1.1'] as const) {
  test(`no more messages are in flight than may be (MQTT ${version}), and all arrive`, async (t) => {
    const mosquitto = await createMosquitto(t);
    const ingest = await createIngest(t);
    ingest.producer.hold();
    await createBridge(t, mosquitto, ingest, { version, receiveMax: 7 });
    const { publish } = await createDevices(t, mosquitto);
    for (const sequence of upTo(100)) await publish('device-1', { ...READING, sequence });
    await until(() => ingest.publisher.depth >= 7);
    await sleep(100);
    assert.equal(ingest.publisher.depth, 7);
    ingest.producer.release();
    await until(() => ingest.producer.sent.length >= 100);
    assert.deepEqual(sequencesOf(ingest, 'device-1'), upTo(100));
  });
}

test('with MQTT 3.1.1 the session outlives the bridge as well', async (t) => {
  const mosquitto = await createMosquitto(t);
  const first = await createIngest(t);
  const bridge = await createBridge(t, mosquitto, first, { version: '3.1.1' });
  await bridge.close();
  const { publish } = await createDevices(t, mosquitto);
  for (const sequence of upTo(20)) await publish('device-1', { ...READING, sequence });
  const second = await createIngest(t);
  await createBridge(t, mosquitto, second, { version: '3.1.1' });
  await until(() => second.producer.sent.length === 20);
  assert.deepEqual(sequencesOf(second, 'device-1'), upTo(20));
});

test('a broker that speaks no MQTT 5 is named with the remedy, and tried again', async (t) => {
  const { listener, lines, intake, logger, routes, refused } = await createListener(t);
  const url = `mqtt://127.0.0.1:${listener.ports.port}`;
  const states: boolean[] = [];
  const onConnection = (connected: boolean) => states.push(connected);
  const common = { filters: routes.filters(), receiveMax: 10, clientId: 'bridge-1', nowMs: () => NOW_MS };
  const bridge = new MqttBridge({ url, version: '5', intake, logger, onConnection, ...common });
  t.after(() => bridge.close());
  bridge.start();
  await until(() => states.length >= 2);
  assert.ok(lines.some((line) => line.includes('"level":"warn"') && line.includes('set MQTT_VERSION to 3.1.1')));
  assert.ok(states.every((connected) => !connected));
  assert.ok(((await refused()).protocol ?? 0) >= 1);
});

test('a broker that refuses the bridge for a while has it back when it lets it in', async (t) => {
  const password = ['allow_anonymous false'];
  const mosquitto = await createMosquitto(t);
  const ingest = await createIngest(t);
  const bridge = await createBridge(t, mosquitto, ingest);
  await mosquitto.restart('SIGTERM', password);
  await until(() => ingest.lines.some((line) => line.includes('Not authorized')));
  await mosquitto.restart('SIGTERM', []);
  await until(() => bridge.connections === 2);
  const { publish } = await createDevices(t, mosquitto);
  await publish('device-1', READING);
  await until(() => ingest.producer.sent.length === 1);
});

test('over TLS with a certificate of its own, where the broker asks for one', async (t) => {
  const authority = await createAuthority(t);
  const server = await authority.sign('localhost');
  const files = { 'ca.pem': authority.ca, 'cert.pem': server.cert, 'key.pem': server.key };
  const lines = [
    'cafile {folder}/ca.pem',
    'certfile {folder}/cert.pem',
    'keyfile {folder}/key.pem',
    'require_certificate true',
  ];
  const mosquitto = await createMosquitto(t, { protocol: 'mqtts', files, lines });
  const ingest = await createIngest(t);
  const own = await authority.sign('millrace-ingest');
  await createBridge(t, mosquitto, ingest, { tls: { ca: authority.ca, ...own }, clientId: 'with' });
  const stranger = await (await createAuthority(t)).sign('millrace-ingest');
  const states: boolean[] = [];
  const common = { filters: ['#'], receiveMax: 10, clientId: 'without', nowMs: () => NOW_MS, version: '5' as const };
  const refused = new MqttBridge({
    ...{ url: mosquitto.url, intake: ingest.intake, logger: ingest.logger, tls: { ca: authority.ca, ...stranger } },
    onConnection: (connected) => states.push(connected),
    ...common,
  });
  t.after(() => refused.close());
  refused.start();
  await until(() => states.length >= 2);
  assert.ok(states.every((connected) => !connected));
});

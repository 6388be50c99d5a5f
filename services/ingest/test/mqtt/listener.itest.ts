import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { deviceIdIsPassword } from '../../src/access.ts';
import { MqttListener, type MqttListenerOptions } from '../../src/mqtt/listener.ts';
import { createIngest, NOW_MS, READING } from '../fixtures.ts';

/** A key and a certificate of its own for `localhost`; `openssl` is needed, and missing it is a failure. */
async function createCertificate(t: TestContext): Promise<{ cert: Buffer; key: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), 'certificate-'));
  t.after(() => rm(folder, { recursive: true }));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-nodes', ...curve, ...subject, '-keyout', keyFile, '-out', certFile],
  ]);
  return { cert: await readFile(certFile), key: await readFile(keyFile) };
}

/** The listener on free ports, with a fake producer behind it. */
async function createListener(t: TestContext, limits = {}, tls?: MqttListenerOptions['tls']) {
  const ingest = await createIngest(t, { limits });
  const listener = new MqttListener({
    host: '127.0.0.1',
    port: 0,
    webSocketPort: 0,
    tls,
    intake: ingest.intake,
    checkDevice: deviceIdIsPassword,
    nowMs: () => NOW_MS,
    metrics: ingest.ingestMetrics,
    logger: ingest.logger,
  });
  await listener.start();
  t.after(() => listener.close());

  async function connect(device: string, options: IClientOptions = {}, url?: string): Promise<MqttClient> {
    const client = mqtt.connect(url ?? `mqtt://127.0.0.1:${listener.ports.port}`, {
      username: device,
      password: device,
      protocolVersion: 4,
      reconnectPeriod: 0,
      manualConnect: true,
      ...options,
    });
    t.after(() => client.endAsync(true));
    client.on('error', () => {}); // A test hears of it by the end of the connection.
    client.connect();
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('close', () => reject(new Error('refused')));
    });
    return client;
  }
  const values = () => ingest.producer.sent.map(({ topic, value }) => [topic, JSON.parse(String(value))] as const);
  const refused = () => ingest.counted('millrace_ingest_mqtt_refused_total');
  return { ...ingest, listener, connect, values, refused };
}

const closed = (client: MqttClient) => new Promise<void>((resolve) => client.once('close', () => resolve()));

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
  const { connect, producer } = await createListener(t, { batchRecordsMax: 7 });
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

test("another device's topic, and any other topic, ends the connection; it is counted and nothing is written", async (t) => {
  const { connect, producer, refused } = await createListener(t);
  for (const topic of ['devices/device-2/telemetry', 'devices/device-1/commands', 'anything']) {
    const client = await connect('device-1');
    client.publish(topic, JSON.stringify(READING), { qos: 1 });
    await closed(client);
  }
  assert.deepEqual(producer.sent, []);
  assert.deepEqual(await refused(), { topic: 3 });
});

test('a wrong password is refused with return code 4', async (t) => {
  const { connect, refused } = await createListener(t);
  await assert.rejects(connect('device-1', { password: 'wrong' }));
  await assert.rejects(connect('device-1', { username: '', password: '' }));
  assert.deepEqual(await refused(), { credentials: 2 });
});

test('no device can end the connection of another by using its client id', async (t) => {
  const { connect, refused, listener } = await createListener(t);
  const victim = await connect('device-1', { clientId: 'same' });
  await assert.rejects(connect('device-2', { clientId: 'same' }));
  assert.equal(victim.connected, true);
  assert.deepEqual(await refused(), { 'client-id': 1 });
  const again = await connect('device-1', { clientId: 'same' });
  await closed(victim);
  assert.equal(again.connected, true);
  assert.equal(listener.clients, 1);
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

test('MQTT over TLS works the same way, and a client that trusts another certificate does not connect', async (t) => {
  const { cert, key } = await createCertificate(t);
  const { connect, listener, values } = await createListener(t, {}, { port: 0, cert, key });
  const url = `mqtts://localhost:${listener.ports.tlsPort}`;
  const client = await connect('device-1', { ca: cert }, url);
  await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
  assert.deepEqual(values(), [['telemetry.raw', READING]]);
  await assert.rejects(connect('device-1', {}, url));
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

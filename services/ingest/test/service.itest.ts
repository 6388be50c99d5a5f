import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { allTopics, createTopics } from '@millrace/contracts';
import { createKafka, type InRecord, partitionOf } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import mqtt from 'mqtt';
import { encodePayload } from 'sparkplug-payload/lib/sparkplugbpayload.js';
import { PAYMENT, READING } from './fixtures.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const START_MS_MAX = 30_000;
/** A moment ago, because the real service has the real time. */
const event_time = Date.now() - 60_000;

interface Service {
  readonly http: string;
  readonly mqtt: string;
  readonly process: ChildProcess;
}

/** Topics of its own in the real Kafka, which are gone after the test. */
async function createWorld(t: TestContext) {
  const prefix = `ingest-${randomUUID().slice(0, 8)}.`;
  const topics = createTopics({ prefix });
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  t.after(async () => {
    await admin.deleteTopics(allTopics(topics).map(({ name }) => name));
    await admin.close();
  });

  async function startService(settings: Readonly<Record<string, string>> = {}): Promise<Service> {
    const env = {
      ...process.env,
      KAFKA_BROKERS: testStack().kafkaBrokers.join(','),
      TOPIC_PREFIX: prefix,
      ...{ HTTP_PORT: '0', METRICS_PORT: '0', MQTT_PORT: '0', MQTT_WS_PORT: '0' },
      ...settings,
    };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => {
      if (child.exitCode === null) child.kill('SIGKILL');
    });
    const timeout = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
    let log = '';
    // Not destroyed at the end of the loop: a service that cannot write its log any more would fail.
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      log += chunk;
      const line = log.split('\n').find((text) => text.includes('taking events'));
      if (line === undefined) continue;
      clearTimeout(timeout);
      const started: { http: string; mqtt: { port: number } } = JSON.parse(line);
      child.stdout.resume();
      return { http: started.http, mqtt: `mqtt://127.0.0.1:${started.mqtt.port}`, process: child };
    }
    throw new Error(`ingest did not start: ${log}`);
  }

  /** Everything in a topic, partition by partition. */
  async function readTopic(name: string): Promise<InRecord[]> {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const missing = new Map((await admin.offsets(name)).map(({ partition, end }) => [partition, end]));
    reader.assign([...missing.keys()].map((partition) => ({ topic: name, partition, offset: 'start' })));
    const records: InRecord[] = [];
    while (missing.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 200 })) {
        records.push(...batch.records);
        if (batch.nextOffset >= (missing.get(batch.partition) ?? 0)) missing.delete(batch.partition);
      }
    }
    await reader.close();
    return records;
  }

  return { topics, startService, readTopic };
}

test('records in Kafka are exactly what was accepted: key, partition, timestamp, headers and value', async (t) => {
  const { topics, startService, readTopic } = await createWorld(t);
  const service = await startService();
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const before = Date.now();
  const response = await fetch(`${service.http}/v1/payments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ ...PAYMENT, event_time }),
  });
  assert.equal(response.status, 202);
  const device = await mqtt.connectAsync(service.mqtt, {
    protocolVersion: 4,
    username: 'device-1',
    password: 'device-1',
  });
  await device.publishAsync('devices/device-1/telemetry', JSON.stringify({ ...READING, event_time }), { qos: 1 });
  await device.endAsync();

  const [payment, ...morePayments] = await readTopic(topics.paymentsRaw.name);
  assert.equal(morePayments.length, 0);
  assert.equal(payment?.key?.toString(), 'customer-1');
  assert.equal(payment?.partition, partitionOf(Buffer.from('customer-1'), topics.paymentsRaw.partitions));
  assert.equal(payment?.timestampMs, event_time);
  const { amount, ...rest } = { ...PAYMENT, event_time };
  assert.equal(amount, '12.50');
  assert.deepEqual(JSON.parse(String(payment?.value)), { ...rest, amount_minor: 1_250 });
  const header = (name: string) => String(payment?.headers[name]);
  assert.deepEqual([header('schema'), header('event_id')], ['payment.v1', 't-1']);
  assert.match(header('traceparent'), /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  assert.ok(Number(header('ingested_at')) >= before && Number(header('ingested_at')) <= Date.now());

  const [reading, ...moreReadings] = await readTopic(topics.telemetryRaw.name);
  assert.equal(moreReadings.length, 0);
  assert.deepEqual([reading?.key?.toString(), reading?.timestampMs], ['device-1', event_time]);
  assert.deepEqual(JSON.parse(String(reading?.value)), { ...READING, event_time });
});

test('with a file of routes, foreign JSON and an edge node are in Kafka as readings', async (t) => {
  const { topics, startService, readTopic } = await createWorld(t);
  const sample = (name: string) => fileURLToPath(new URL(`../samples/${name}`, import.meta.url));
  const service = await startService({ MQTT_ROUTES_FILE: sample('mqtt-routes.json') });
  const device = async (id: string) => {
    const client = await mqtt.connectAsync(service.mqtt, { username: id, password: id, protocolVersion: 4 });
    t.after(() => client.endAsync(true));
    return client;
  };
  const uplink = JSON.parse(await readFile(sample('lorawan-uplink.json'), 'utf8'));
  uplink.uplink_message.received_at = new Date(event_time).toISOString();
  const fridge = await device('fridge-12');
  await fridge.publishAsync('v3/cold-chain/devices/fridge-12/up', JSON.stringify(uplink), { qos: 1 });
  const metrics = [{ name: 'Load', type: 'Double' as const, value: 0.5 }];
  const edge = await device('g:e');
  const birth = Buffer.from(encodePayload({ timestamp: event_time, seq: 0, metrics }));
  await edge.publishAsync('spBv1.0/g/NBIRTH/e', birth, { qos: 1 });

  const readings = (await readTopic(topics.telemetryRaw.name)).map(({ value }) => JSON.parse(String(value)));
  assert.deepEqual(
    readings
      .map((reading) => [reading.device_id, reading.event_time, reading.metrics])
      .toSorted(([, , a], [, , b]) => Object.keys(a).length - Object.keys(b).length),
    [
      ['g:e', event_time, { online: true }],
      ['g:e', event_time, { Load: 0.5 }],
      ['fridge-12', event_time, { temperature: 4.2, door_open: false, battery_mv: 3012, rssi: -97 }],
    ],
  );
});

test('everything acknowledged before a kill -9 is in Kafka', async (t) => {
  const { topics, startService, readTopic } = await createWorld(t);
  const acknowledged = { payments: new Set<string>(), readings: new Set<string>() };
  for (let round = 0; round < 2; round += 1) {
    const service = await startService();
    const device = await mqtt.connectAsync(service.mqtt, {
      ...{ protocolVersion: 4, username: 'device-1', password: 'device-1', reconnectPeriod: 0 },
    });
    device.on('error', () => {}); // It is going to be cut off.
    let alive = true;
    const shop = async (lane: number) => {
      for (let i = 0; alive; i += 1) {
        const ids = Array.from({ length: 20 }, (_, k) => `t-${round}-${lane}-${i}-${k}`);
        const body = JSON.stringify(ids.map((transaction_id) => ({ ...PAYMENT, transaction_id, event_time })));
        const headers = { 'content-type': 'application/json' };
        try {
          const { status } = await fetch(`${service.http}/v1/payments`, { method: 'POST', headers, body });
          if (status === 202) for (const id of ids) acknowledged.payments.add(id);
        } catch {
          return; // Cut off: what this request held was not acknowledged.
        }
      }
    };
    const measure = (sequence: number) => {
      const reading = JSON.stringify({ ...READING, event_time, sequence });
      device.publish('devices/device-1/telemetry', reading, { qos: 1 }, (error) => {
        if (error) return;
        acknowledged.readings.add(`device-1:${event_time}:${sequence}`);
        if (alive) measure(sequence + 4);
      });
    };
    const shops = [shop(0), shop(1), shop(2)];
    for (const lane of [0, 1, 2, 3]) measure(round * 1_000_000 + lane);
    // In the middle of it, however fast the machine is.
    const enough = 60 * (round + 1);
    while (acknowledged.payments.size < enough || acknowledged.readings.size < enough) await sleep(20);
    service.process.kill('SIGKILL');
    await once(service.process, 'exit');
    alive = false;
    await Promise.all(shops);
    await device.endAsync(true);
  }

  const idsIn = async (topic: string) =>
    new Set((await readTopic(topic)).map(({ headers }) => String(headers.event_id)));
  const payments = await idsIn(topics.paymentsRaw.name);
  const readings = await idsIn(topics.telemetryRaw.name);
  t.diagnostic(`acknowledged: ${acknowledged.payments.size} payments, ${acknowledged.readings.size} readings`);
  assert.ok(acknowledged.payments.size > 100 && acknowledged.readings.size > 100);
  assert.deepEqual(
    [...acknowledged.payments].filter((id) => !payments.has(id)),
    [],
  );
  assert.deepEqual(
    [...acknowledged.readings].filter((id) => !readings.has(id)),
    [],
  );
});

test('SIGTERM finishes what is under way, and the service ends with 0', async (t) => {
  const { topics, startService, readTopic } = await createWorld(t);
  const service = await startService();
  const lines = Array.from({ length: 20_000 }, (_, index) =>
    JSON.stringify({ ...PAYMENT, transaction_id: `t-${index}`, event_time: '2018-04-01T00:00:31Z' }),
  );
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = fetch(`${service.http}/v1/batches`, { method: 'POST', headers, body: lines.join('\n') });
  await sleep(100);
  service.process.kill('SIGTERM');
  const response = await answer;
  const { accepted } = (await response.json()) as { accepted: number };
  const [code] = await once(service.process, 'exit');
  assert.equal(code, 0);
  assert.ok(response.status === 200 || response.status === 503);
  const records = await readTopic(topics.paymentsRaw.name);
  assert.ok(records.length >= accepted, `${records.length} records of ${accepted} accepted`);
});

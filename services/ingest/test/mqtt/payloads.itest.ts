import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt, { type IClientOptions } from 'mqtt';
import sparkplug from 'sparkplug-payload';
import { MqttBridge } from '../../src/mqtt/bridge.ts';
import { loadMqttRoutes } from '../../src/mqtt/routes-file.ts';
import { createIngest, type Ingest, NOW_MS, READING } from '../fixtures.ts';
import { createListener } from './listener-fixture.ts';
import { createMosquitto } from './mosquitto.ts';
import { DBIRTH, encode, NBIRTH } from './sparkplug/edge.ts';

const sample = (name: string) => new URL(`../../samples/${name}`, import.meta.url);
const SAMPLE_ROUTES = await loadMqttRoutes(sample('mqtt-routes.json').pathname);
const UPLINK = await readFile(sample('lorawan-uplink.json'));
/** What the README says that the sample becomes. */
const UPLINK_READING = {
  device_id: 'fridge-12',
  event_time: Date.parse('2026-03-01T11:59:58.204Z'),
  sequence: 4711,
  metrics: { temperature: 4.2, door_open: false, battery_mv: 3012, rssi: -97 },
  latitude: 38.7223,
  longitude: -9.1393,
  attributes: { application: 'cold-chain', dev_eui: '70B3D57ED0041234' },
};

const records = ({ producer }: Ingest) =>
  producer.sent.map(({ topic, value }) => [topic, JSON.parse(String(value))] as const);
const readings = (ingest: Ingest) =>
  records(ingest).flatMap(([topic, value]) => (topic === 'telemetry.raw' ? [value] : []));
const letters = (ingest: Ingest) =>
  records(ingest).flatMap(([topic, value]) => (topic === 'dead-letters' ? [value] : []));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

/** A bridge with the sample's routes to a real Mosquitto, and clients of that. */
async function createBridged(t: TestContext) {
  const { url } = await createMosquitto(t);
  async function startBridge(clientId = 'bridge-1') {
    const ingest = await createIngest(t, { routes: SAMPLE_ROUTES });
    const subscribed = Promise.withResolvers<void>();
    const bridge = new MqttBridge({
      url,
      version: '5',
      filters: SAMPLE_ROUTES.filters(),
      receiveMax: 1_000,
      clientId,
      intake: ingest.intake,
      nowMs: () => NOW_MS,
      onConnection: (connected) => connected && subscribed.resolve(),
      logger: ingest.logger,
    });
    ingest.sparkplug.sendThrough((topic, payload) => bridge.send(topic, payload));
    t.after(() => bridge.close());
    bridge.start();
    await subscribed.promise;
    return { ingest, bridge };
  }
  async function connect(options: IClientOptions = {}) {
    const client = await mqtt.connectAsync(url, { protocolVersion: 4, ...options });
    t.after(() => client.endAsync(true));
    return client;
  }
  return { ...(await startBridge()), startBridge, connect };
}

/** An edge node as Sparkplug asks for: its death is its will, and it answers NCMD with its births. */
async function createEdgeNode(connect: (options?: IClientOptions) => Promise<mqtt.MqttClient>) {
  const death = encode({ metrics: [{ name: 'bdSeq', type: 'Int64', value: 3 }] });
  const will = { topic: 'spBv1.0/Plant 1/NDEATH/Edge', payload: Buffer.from(death), qos: 1, retain: false } as const;
  const client = await connect({ will });
  const commands: unknown[] = [];
  const born = async () => {
    await client.publishAsync('spBv1.0/Plant 1/NBIRTH/Edge', Buffer.from(encode(NBIRTH)), { qos: 0 });
    await client.publishAsync('spBv1.0/Plant 1/DBIRTH/Edge/Pump', Buffer.from(encode(DBIRTH)), { qos: 0 });
  };
  client.on('message', (_topic, payload) => {
    const { metrics } = sparkplug.get('spBv1.0')?.decodePayload(payload) ?? {};
    commands.push(metrics?.map(({ name, value }) => [name, value]));
    void born();
  });
  await client.subscribeAsync('spBv1.0/Plant 1/NCMD/Edge', { qos: 1 });
  /** Data as Sparkplug 3 sends it, with an alias alone; `value` is a Boolean of alias 11. */
  const sendAlias11 = (value: boolean, seq: number) => {
    // metrics { alias: 11, boolean_value }, seq
    const bytes = Buffer.from([0x12, 0x04, 0x10, 11, 0x70, value ? 1 : 0, 0x18, seq]);
    return client.publishAsync('spBv1.0/Plant 1/DDATA/Edge/Pump', bytes, { qos: 0 });
  };
  return { client, commands, born, sendAlias11 };
}

test('an uplink of a LoRaWAN network server becomes a reading by the mapping of the sample, through the bridge', async (t) => {
  const { ingest, connect } = await createBridged(t);
  const server = await connect();
  await server.publishAsync('v3/cold-chain/devices/fridge-12/up', UPLINK, { qos: 1 });
  await until(() => ingest.producer.sent.length === 1);
  assert.deepEqual(records(ingest), [['telemetry.raw', UPLINK_READING]]);
});

test('the same uplink through the own listener, where only the device itself may send it', async (t) => {
  const { connect, producer, values } = await createListener(t, {}, {}, { routes: SAMPLE_ROUTES });
  const device = await connect('fridge-12');
  await device.publishAsync('v3/cold-chain/devices/fridge-12/up', UPLINK, { qos: 1 });
  assert.deepEqual(values(), [['telemetry.raw', UPLINK_READING]]);
  const other = await connect('fridge-13');
  other.publish('v3/cold-chain/devices/fridge-12/up', UPLINK, { qos: 1 });
  await new Promise<void>((resolve) => other.once('close', () => resolve()));
  while (producer.sent.length < 2) await sleep(5);
  assert.deepEqual(values()[1]?.[0], 'dead-letters');
});

test('an edge node speaks for its devices through the own listener, and for those of no other', async (t) => {
  const { connect, producer, values } = await createListener(t, {}, {}, { routes: SAMPLE_ROUTES });
  const edge = await connect('g:e');
  await edge.publishAsync('spBv1.0/g/NBIRTH/e', Buffer.from(encode(NBIRTH)), { qos: 1 });
  await edge.publishAsync('spBv1.0/g/DBIRTH/e/d', Buffer.from(encode(DBIRTH)), { qos: 1 });
  assert.deepEqual(new Set(values().map(([, { device_id }]) => device_id)), new Set(['g:e', 'g:e:d']));
  const before = producer.sent.length;
  edge.publish('spBv1.0/g/DBIRTH/other/d', Buffer.from(encode(DBIRTH)), { qos: 1 });
  await new Promise<void>((resolve) => edge.once('close', () => resolve()));
  while (producer.sent.length === before) await sleep(5);
  assert.deepEqual(
    values()
      .slice(before)
      .map(([topic]) => topic),
    ['dead-letters'],
  );
});

test('births, data by alias and the death of an edge node, through a real Mosquitto', async (t) => {
  const { ingest, connect } = await createBridged(t);
  const { client, commands, born, sendAlias11 } = await createEdgeNode(connect);
  await born();
  await sendAlias11(false, 2);
  await until(() => readings(ingest).length === 5);
  client.stream.destroy();
  await until(() => readings(ingest).length === 7);
  assert.deepEqual(
    readings(ingest).map(({ device_id, metrics }) => [device_id, metrics]),
    [
      ['Plant_x20_1:Edge', { online: true }],
      ['Plant_x20_1:Edge', { Load: 0.5 }],
      ['Plant_x20_1:Edge:Pump', { online: true }],
      ['Plant_x20_1:Edge:Pump', { Temp_x20__xC2B0_C: 21, Running: true }],
      ['Plant_x20_1:Edge:Pump', { Running: false }],
      ['Plant_x20_1:Edge', { online: false }],
      ['Plant_x20_1:Edge:Pump', { online: false }],
    ],
  );
  assert.deepEqual([letters(ingest), commands], [[], []]);
});

test('an ingest that has not seen the births asks for them, and keeps as it came what it could not read', async (t) => {
  const { bridge, connect, startBridge } = await createBridged(t);
  const { commands, born, sendAlias11 } = await createEdgeNode(connect);
  await born();
  await bridge.close();
  const { ingest } = await startBridge();
  await sendAlias11(false, 2);
  await until(() => readings(ingest).length >= 4);
  assert.deepEqual(
    letters(ingest).map(({ reason, origin, value_base64 }) => [
      reason,
      origin,
      Buffer.from(value_base64, 'base64').toString('hex'),
    ]),
    [
      [
        'unknown-alias',
        { kind: 'mqtt', topic: 'spBv1.0/Plant 1/DDATA/Edge/Pump', device_id: 'Plant_x20_1:Edge:Pump' },
        '1204100b70001802',
      ],
    ],
  );
  assert.deepEqual(commands, [[['Node Control/Rebirth', true]]]);
  await sendAlias11(true, 2);
  await until(() => readings(ingest).length === 5);
  assert.deepEqual(readings(ingest)[4]?.metrics, { Running: true });
});

test('what no route can read is a dead letter as well: an unknown id, bytes, and nothing at all', async (t) => {
  const { ingest, connect } = await createBridged(t);
  const client = await connect();
  const sent: [string, Buffer][] = [
    ['devices/not an id/telemetry', Buffer.from(JSON.stringify(READING))],
    ['devices/device-1/telemetry', Buffer.of(0x00, 0xff, 0x80)],
    ['devices/device-1/status', Buffer.alloc(0)],
    ['v3/cold-chain/devices/fridge-12/up', Buffer.from('{"uplink_message": 7}')],
    ['spBv1.0/g/NDATA/e', Buffer.from('{"not": "protobuf"}')],
    [`spBv1.0/g/NDATA/${'e'.repeat(200)}`, Buffer.from(encode({}))],
  ];
  for (const [topic, payload] of sent)
    await client.publishAsync(topic, payload, { qos: 1, retain: payload.length === 0 });
  await until(() => ingest.producer.sent.length === sent.length);
  assert.deepEqual(
    letters(ingest).map(({ reason }) => reason),
    ['unknown-topic', 'malformed-utf8', 'malformed-status', 'mapping-failed', 'malformed-sparkplug', 'unknown-topic'],
  );
  assert.deepEqual(
    letters(ingest).map(({ origin, value_base64 }) => [
      origin.topic,
      Buffer.from(value_base64, 'base64').toString('hex'),
    ]),
    sent.map(([topic, payload]) => [topic, payload.toString('hex')]),
  );
});

test('many QoS 0 messages are on their way into Kafka at once, in their order', async (t) => {
  const { ingest, connect } = await createBridged(t);
  const client = await connect();
  ingest.producer.hold();
  const sequences = Array.from({ length: 100 }, (_, sequence) => sequence);
  for (const sequence of sequences) {
    await client.publishAsync('devices/device-1/telemetry', JSON.stringify({ ...READING, sequence }), { qos: 0 });
  }
  await until(() => ingest.publisher.depth === 100);
  ingest.producer.release();
  await until(() => ingest.producer.sent.length === 100);
  assert.deepEqual(
    readings(ingest).map(({ sequence }) => sequence),
    sequences,
  );
});

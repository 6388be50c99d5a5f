import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readMqttRoutes } from '../../src/mqtt/routes-file.ts';
import { SPARKPLUG_TEMPLATE } from '../../src/mqtt/sparkplug/topic.ts';
import { createIngest, NOW_MS, READING, topics } from '../fixtures.ts';
import { encode, NBIRTH } from './sparkplug/edge.ts';

const message = (topic: string, payload: unknown) => ({
  topic,
  payload: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
  receivedAtMs: NOW_MS,
});

test('what cannot become a reading is in dead-letters with its bytes, reason and origin before it is acknowledged', async (t) => {
  const { intake, producer, counted } = await createIngest(t);
  await intake(message('devices/device-1/telemetry', [READING, { metrics: { temperature: 'warm' } }]));
  assert.deepEqual(producer.sent.map(({ topic }) => topic).toSorted(), ['dead-letters', 'telemetry.raw']);
  const value = producer.sent.find(({ topic }) => topic === 'dead-letters')?.value;
  const letter = topics.deadLetters.decode(Buffer.from(String(value)));
  assert.deepEqual(letter.origin, { kind: 'mqtt', topic: 'devices/device-1/telemetry', device_id: 'device-1' });
  assert.deepEqual([letter.stage, letter.reason, letter.failed_at], ['ingest', 'invalid-event', NOW_MS]);
  assert.equal(Buffer.from(letter.value_base64, 'base64').toString(), '{"metrics":{"temperature":"warm"}}');
  assert.match(letter.message, /metrics\.temperature/);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'telemetry,mqtt,invalid-event': 1 });
  assert.deepEqual(await counted('millrace_ingest_events_accepted_total'), { 'telemetry,mqtt': 1 });
});

test('a topic of no device (from a bridge) is a dead letter that any reader can decode', async (t) => {
  const { intake, producer } = await createIngest(t);
  await intake(message(`devices/${'\ud800'.repeat(2_000)}/telemetry`, 'x'));
  const letter = topics.deadLetters.decode(Buffer.from(String(producer.sent[0]?.value)));
  assert.equal(letter.reason, 'unknown-topic');
});

test('while Kafka is away messages wait unacknowledged, and are kept in their order when it is back', async (t) => {
  const { intake, producer, publisher } = await createIngest(t);
  producer.failWith(new Error('no broker'));
  const take = (sequence: number) => intake(message('devices/device-1/telemetry', { ...READING, sequence }));
  const before = [take(0), take(1)];
  while (publisher.available) await new Promise(setImmediate);
  const after = [take(2), take(3)];
  assert.equal(producer.sent.length, 0);
  producer.failWith(undefined);
  await Promise.all([...before, ...after]);
  assert.deepEqual(
    producer.sent.map(({ value }) => JSON.parse(String(value)).sequence),
    [0, 1, 2, 3],
  );
});

test('a message whose sender has left meanwhile is not published: it will be sent again', async (t) => {
  const { intake, producer, publisher } = await createIngest(t);
  producer.failWith(new Error('no broker'));
  let gone = false;
  const taken = intake({ ...message('devices/device-1/telemetry', READING), abandoned: () => gone });
  while (publisher.available) await new Promise(setImmediate);
  gone = true;
  producer.failWith(undefined);
  await assert.rejects(taken, { code: 'closed' });
  assert.deepEqual(producer.sent, []);
});

test('messages of a device keep their order while the queue is full', async (t) => {
  const { intake, producer } = await createIngest(t, { limits: { queueRecordsMax: 2, batchRecordsMax: 2 } });
  producer.hold();
  const taken = Array.from({ length: 20 }, (_, sequence) =>
    intake(message('devices/device-1/telemetry', { ...READING, sequence })),
  );
  while (producer.batches === 0) await new Promise(setImmediate);
  producer.release();
  await Promise.all(taken);
  assert.deepEqual(
    producer.sent.map(({ value }) => JSON.parse(String(value)).sequence),
    Array.from({ length: 20 }, (_, sequence) => sequence),
  );
});

/** Foreign JSON and plain readings of the same devices. */
const MAPPED_ROUTES = readMqttRoutes({
  routes: [
    { topic: 'devices/{device_id}/telemetry', payload: 'telemetry' },
    {
      topic: '{site}/{device_id}/up',
      payload: 'telemetry',
      mapping: [
        '{ "event_time": $received_at, "sequence": n, "metrics": { "t": t / 10 },',
        '  "attributes": { "at": $topic.site, "device": $topic.device_id } }',
      ],
    },
  ],
});

test('foreign JSON becomes readings by the mapping of its route', async (t) => {
  const { intake, producer } = await createIngest(t, { routes: MAPPED_ROUTES });
  await intake(message('lisbon/device-1/up', { n: 4, t: 215 }));
  assert.deepEqual(
    producer.sent.map(({ topic, value }) => [topic, JSON.parse(String(value))]),
    [
      [
        'telemetry.raw',
        {
          device_id: 'device-1',
          event_time: NOW_MS,
          sequence: 4,
          metrics: { t: 21.5 },
          attributes: { at: 'lisbon', device: 'device-1' },
        },
      ],
    ],
  );
});

test('what a mapping cannot make a reading of is a dead letter with the bytes as they were sent', async (t) => {
  const { intake, producer, counted } = await createIngest(t, { routes: MAPPED_ROUTES });
  const payloads = ['{"n": 1, "t": "warm"}', '{ "n": -1, "t": 5 }', '{"t": 1'];
  for (const payload of payloads) await intake(message('lisbon/device-1/up', payload));
  const letters = producer.sent.map(({ value }) => topics.deadLetters.decode(Buffer.from(String(value))));
  assert.deepEqual(
    letters.map(({ value_base64 }) => Buffer.from(value_base64, 'base64').toString()),
    payloads,
  );
  assert.match(letters[0]?.message ?? '', /^The mapping of \{site\}\/\{device_id\}\/up failed: T2001 .*line 1/);
  assert.match(letters[1]?.message ?? '', /^The mapping of .* made 1 of 1 readings wrong: sequence must be/);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), {
    'telemetry,mqtt,mapping-failed': 2,
    'telemetry,mqtt,malformed-json': 1,
  });
});

test('messages keep their order when some of them need a mapping and others do not', async (t) => {
  const { intake, producer } = await createIngest(t, { routes: MAPPED_ROUTES, limits: { batchRecordsMax: 7 } });
  const isMapped = fc.sample(fc.boolean(), { numRuns: 200, seed: 7 });
  await Promise.all(
    isMapped.map((mapped, n) =>
      mapped
        ? intake(message('lisbon/device-1/up', { n, t: 1 }))
        : intake(message('devices/device-1/telemetry', { ...READING, sequence: n })),
    ),
  );
  assert.deepEqual(
    producer.sent.map(({ value }) => JSON.parse(String(value)).sequence),
    isMapped.map((_, n) => n),
  );
});

test('a message of an edge node is read once, also when Kafka wants it twice', async (t) => {
  const routes = readMqttRoutes({ routes: [{ topic: SPARKPLUG_TEMPLATE, payload: 'sparkplug-b' }] });
  const { intake, producer, publisher, counted } = await createIngest(t, { routes });
  const send = (topic: string, payload: Parameters<typeof encode>[0]) =>
    intake({ topic: `spBv1.0/${topic}`, payload: encode(payload), receivedAtMs: NOW_MS });
  producer.failWith(new Error('no broker'));
  const kept = [
    send('g/NBIRTH/e', NBIRTH),
    send('g/NDATA/e', { seq: 1, metrics: [{ name: 'Load', type: 'Double', value: 2 }] }),
  ];
  while (publisher.available) await new Promise(setImmediate);
  producer.failWith(undefined);
  await Promise.all(kept);
  assert.deepEqual(
    producer.sent.map(({ key, value }) => [key, JSON.parse(String(value)).metrics]),
    [
      ['g:e', { online: true }],
      ['g:e', { Load: 0.5 }],
      ['g:e', { Load: 2 }],
    ],
  );
  assert.deepEqual(await counted('millrace_ingest_sparkplug_gaps_total'), { '': 0 });
});

test('what small messages of edge nodes have become is counted, too, while they wait for Kafka', async (t) => {
  const routes = readMqttRoutes({ routes: [{ topic: SPARKPLUG_TEMPLATE, payload: 'sparkplug-b' }] });
  const { intake, producer, publisher } = await createIngest(t, { routes });
  producer.failWith(new Error('no broker'));
  const metrics = Array.from({ length: 9_000 }, (_, n) => ({
    name: 'a',
    type: 'Boolean',
    value: true,
    timestamp: NOW_MS - n,
  }));
  const payload = encode({ seq: 1, metrics });
  const message = { topic: 'spBv1.0/g/NDATA/e', payload, receivedAtMs: NOW_MS };
  const first = intake(message);
  while (publisher.available) await new Promise(setImmediate);
  const outcomes: Promise<string>[] = [];
  for (let n = 0; n < 10; n += 1) {
    outcomes.push(
      intake(message).then(
        () => 'kept',
        ({ code }) => code,
      ),
    );
  }
  producer.failWith(undefined);
  const codes = await Promise.all(outcomes);
  // Eight at 9 MB each go beyond 64 MiB, and the first is one of them.
  await first;
  assert.deepEqual(codes, [...Array(7).fill('kept'), ...Array(3).fill('overloaded')]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIngest, NOW_MS, READING, topics } from '../fixtures.ts';

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

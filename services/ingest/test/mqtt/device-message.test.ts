import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDeviceMessage } from '../../src/mqtt/device-message.ts';
import type { StatusTopic, TelemetryTopic } from '../../src/mqtt/routes.ts';
import { NOW_MS } from '../fixtures.ts';

const options = { nowMs: NOW_MS, maxAgeMs: 30 * 86_400_000, tokenizeCard: (digits: string) => digits };
const device = { deviceId: 'device-1', publisherId: 'device-1', levels: {} };
const telemetry: TelemetryTopic = { ...device, kind: 'telemetry', route: 'devices/{device_id}/telemetry' };
const status: StatusTopic = { ...device, kind: 'status' };

function read(topic: TelemetryTopic | StatusTopic, payload: unknown) {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const { readings, refusals } = readDeviceMessage(topic, bytes, options);
  return { readings, refusals: refusals.map(({ reason, bytes }) => [reason, Buffer.from(bytes).toString()]) };
}

test('a reading may leave out the device that its topic names', () => {
  const expected = { device_id: 'device-1', event_time: NOW_MS, sequence: 3, metrics: { temperature: 21.5 } };
  const { device_id, ...short } = expected;
  assert.deepEqual(read(telemetry, expected), { readings: [expected], refusals: [] });
  assert.deepEqual(read(telemetry, short), { readings: [expected], refusals: [] });
  assert.equal(device_id, 'device-1');
});

test('of an array the right readings are taken in order, and each faulty one is refused with its own bytes', () => {
  const good = (sequence: number) => ({ event_time: NOW_MS, sequence, metrics: { on: true } });
  const other = { ...good(2), device_id: 'device-2' };
  const result = read(telemetry, [good(1), other, good(3), { metrics: {} }, 17]);
  assert.deepEqual(
    result.readings.map(({ sequence }) => sequence),
    [1, 3],
  );
  assert.deepEqual(result.refusals, [
    ['device-mismatch', JSON.stringify(other)],
    ['invalid-event', '{"metrics":{}}'],
    ['invalid-event', '17'],
  ]);
});

test('a payload that is no reading at all is refused whole', () => {
  assert.deepEqual(read(telemetry, '{"metrics":'), { readings: [], refusals: [['malformed-json', '{"metrics":']] });
  assert.deepEqual(read(telemetry, ''), { readings: [], refusals: [['malformed-json', '']] });
  assert.deepEqual(read(telemetry, []), { readings: [], refusals: [['array-length', '[]']] });
  assert.equal(
    read(
      telemetry,
      Array.from({ length: 501 }, () => ({})),
    ).refusals[0]?.[0],
    'array-length',
  );
  assert.equal(read(telemetry, Buffer.of(0x7b, 0xff, 0x7d)).refusals[0]?.[0], 'malformed-utf8');
  assert.equal(read(telemetry, 'null').refusals[0]?.[0], 'invalid-event');
});

test('a status becomes the metric online, at the time that it brings or at the time of its arrival', () => {
  for (const payload of ['online', ' true ', '{"online":true}', '"online"']) {
    assert.deepEqual(read(status, payload).readings, [
      { device_id: 'device-1', event_time: NOW_MS, sequence: 9_007_199_254_740_991, metrics: { online: true } },
    ]);
  }
  for (const payload of ['offline', 'false', '{"online":false}']) {
    assert.equal(read(status, payload).readings[0]?.metrics.online, false);
  }
  const [reading] = read(status, { online: false, event_time: '2026-03-01T11:59:00Z' }).readings;
  assert.equal(reading?.event_time, NOW_MS - 60_000);
});

test('going on and off within a millisecond are two readings', () => {
  const [on] = read(status, 'online').readings;
  const [off] = read(status, 'offline').readings;
  assert.notEqual(on?.sequence, off?.sequence);
});

test('another status is refused', () => {
  for (const payload of ['', 'up', '17', '{"online":"yes"}', '{}', 'null']) {
    assert.deepEqual(read(status, payload), { readings: [], refusals: [['malformed-status', payload]] });
  }
  assert.equal(read(status, { online: true, event_time: 'yesterday' }).refusals[0]?.[0], 'invalid-event');
});

test('other levels of the topic are attributes, and a reading may say the same but nothing else', () => {
  const atLisbon = { ...telemetry, levels: { site: 'Lisbon 2', line: '7' } };
  const reading = { event_time: NOW_MS, metrics: { on: true } };
  const expected = { device_id: 'device-1', ...reading, attributes: { site: 'Lisbon 2', line: '7' } };
  const sameAgain = { ...reading, line: '7', attributes: { site: 'Lisbon 2' } };
  const { readings } = read(atLisbon, [reading, sameAgain]);
  assert.deepEqual(
    readings.map(({ attributes }) => ({ ...attributes })),
    [expected.attributes, expected.attributes],
  );
  const elsewhere = { ...reading, site: 'Porto' };
  assert.deepEqual(read(atLisbon, elsewhere), {
    readings: [],
    refusals: [['topic-mismatch', JSON.stringify(elsewhere)]],
  });
  assert.deepEqual(read({ ...status, levels: { site: 'a' } }, 'online').readings[0]?.attributes, { site: 'a' });
});

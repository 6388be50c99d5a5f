import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeadLetter, samples, wireSamples } from '@millrace/contracts';
import { createEventKinds } from '../../src/event-kinds.ts';
import type { Letter } from '../../src/redrive/letter.ts';
import { createLetterReader, type LetterReading, type ReadMqttMessage } from '../../src/redrive/read-letter.ts';
import { topics } from '../fixtures.ts';

const DAY_MS = 86_400_000;
const NOW_MS = samples.payment.event_time + 20 * DAY_MS;

/** A message of MQTT is the age in ms that it may have, and may not have, when it is read. */
const readMqtt: ReadMqttMessage = (_origin, payload, { nowMs }) => {
  const { event_time } = JSON.parse(payload.toString()) as { event_time: number };
  const problem = event_time > nowMs + 300_000 ? 'future' : event_time < nowMs - 30 * DAY_MS ? 'old' : undefined;
  if (problem !== undefined) return { readings: [], refusals: [{ reason: problem, message: `too ${problem}` }] };
  return { readings: [{ ...samples.telemetry, event_time }], refusals: [] };
};

const read = createLetterReader({
  topics,
  kinds: createEventKinds(topics),
  readMqtt,
  tokenizeCard: () => 'token',
  nowMs: () => NOW_MS,
});

function letter(origin: DeadLetter['origin'], value: unknown, others: Partial<Letter> = {}): Letter {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const value_base64 = bytes.toString('base64');
  return { id: 'l-1', origin, stages: ['s'], value_base64, failed_at: NOW_MS - 1_000, ...others };
}

const record = (topic: string, value: unknown, others?: Partial<Letter>) =>
  letter({ kind: 'kafka', topic, partition: 0, offset: 7 }, value, others);
const mqtt = (event_time: number, failed_at: number) =>
  letter({ kind: 'mqtt', topic: 'devices/d/telemetry', device_id: 'd' }, { event_time }, { failed_at });
const http = (path: string, value: unknown, others?: Partial<Letter>) => letter({ kind: 'http', path }, value, others);

function brief(reading: LetterReading) {
  switch (reading.outcome) {
    case 'events':
      return [reading.contract.name, reading.events, reading.forStagesOnly];
    case 'refused':
      return reading.problems.map(({ field, code }) => `${field}:${code}`);
    case 'not-redrivable':
      return reading.code;
  }
}

test('a record is what the contract of its topic says of it now', async () => {
  const { payment, label, enrichedPayment } = samples;
  assert.deepEqual(brief(await read(record('payments.raw', payment))), ['payments.raw', [payment], false]);
  assert.deepEqual(brief(await read(record('payments.raw', 'not json'))), [':malformed-json']);
  assert.deepEqual(brief(await read(record('payments.raw', { ...payment, channel: 'pigeon' }))), ['channel:schema']);
  assert.deepEqual(brief(await read(record('fraud.labels', label))), ['fraud.labels', [label], true]);
  assert.deepEqual(brief(await read(record('payments.enriched', enrichedPayment))), [
    'payments.enriched',
    [enrichedPayment],
    true,
  ]);
  // Kafka would refuse it, and with it the whole transaction.
  const ahead = { ...payment, event_time: NOW_MS + 600_000 };
  assert.deepEqual(brief(await read(record('payments.raw', ahead))), [':in-the-future']);
});

test('topics that hold no events are not written to', async () => {
  for (const topic of [
    'dead-letters',
    'dead-letters.redriven',
    'batches.progress',
    'enricher.payments.seen.changelog',
  ]) {
    assert.equal(brief(await read(record(topic, samples.payment))), 'unknown-origin', topic);
  }
  for (const path of ['/v1/batches', '/v1/ledgers/x', '/v1/__proto__', '']) {
    assert.equal(brief(await read(http(path, wireSamples.payment))), 'unknown-origin', path);
  }
});

test('a message is as old as it was when it came, and what was in the future then may be past now', async () => {
  const cameAt = NOW_MS - 20 * DAY_MS;
  const kept = async (letterOf: Letter) => (await read(letterOf)).outcome;
  // 15 days old when it came, 35 days old now.
  assert.equal(await kept(mqtt(cameAt - 15 * DAY_MS, cameAt)), 'events');
  assert.deepEqual(brief(await read(mqtt(cameAt - 31 * DAY_MS, cameAt))), [':old']);
  // An hour ahead of its time then.
  assert.equal(await kept(mqtt(cameAt + 3_600_000, cameAt)), 'events');
  assert.deepEqual(brief(await read(mqtt(NOW_MS + 3_600_000, cameAt))), [':future']);
});

test('a body is read as its route reads it, with the token for a card number', async () => {
  const card = { ...wireSamples.payment, card_id: '4242424242424242' };
  const reading = await read(http('/v1/payments', card));
  assert.ok(reading.outcome === 'events');
  assert.equal((reading.events[0] as { card_id: string }).card_id, 'token');
  assert.deepEqual(brief(await read(http('/v1/payments', { ...card, amount: 'much' }))), ['amount:malformed']);
  assert.deepEqual(brief(await read(http('/v1/payments', 'not json'))), [':malformed-json']);
});

test('a letter without bytes, or too old to know whether it was redriven, is left', async () => {
  assert.equal(brief(await read(record('payments.raw', ''))), 'no-bytes');
  const old = { failed_at: NOW_MS - 29 * DAY_MS - 1 };
  assert.equal(brief(await read(record('payments.raw', samples.payment, old))), 'too-old');
});

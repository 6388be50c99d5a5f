import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTopics, samples } from '@millrace/contracts';
import type { InRecord } from '@millrace/kafka';
import { idRow, metricRows, type RowMaker, splicedRow, versionRow } from '../src/rows.ts';

const topics = createTopics();
const HEADERS = { event_id: Buffer.from('tx-1'), ingested_at: Buffer.from('1772000000123') };

test('the origin is put in front of the bytes of the record, which are not touched', () => {
  const value = '{"transaction_id":"tx-1","note":"a }{ b é"}';
  assert.deepEqual(lines(splicedRow(topics.paymentsEnriched), record(value)), [
    `{"_topic":"payments.enriched","_partition":3,"_offset":42,"ingested_at":1772000000123,${value.slice(1)}`,
  ]);
});

test('an event that tells its own ingested_at has it once', () => {
  const [line] = lines(splicedRow(topics.fraudDecisions, 'value'), record(JSON.stringify(samples.decision)));
  assert.deepEqual(JSON.parse(line ?? ''), {
    _topic: 'payments.enriched',
    _partition: 3,
    _offset: 42,
    ...samples.decision,
  });
  assert.equal(line?.split('"ingested_at"').length, 2);
});

test('a record without the header was ingested when it was made', () => {
  const [line] = lines(splicedRow(topics.fraudLabels), { ...record('{"a":1}'), headers: {} });
  assert.equal(JSON.parse(line ?? '').ingested_at, 1_500_000_000_000);
});

test('a value that could be read as more or less than one row is decoded and encoded again', () => {
  const pretty = JSON.stringify(samples.label, null, 2);
  const [line, ...others] = lines(splicedRow(topics.fraudLabels), record(`\n${pretty}\n`));
  assert.deepEqual(others, []);
  assert.equal(line?.trimEnd().includes('\n'), false);
  assert.equal(JSON.parse(line ?? '').transaction_id, samples.label.transaction_id);
});

test('what breaks its contract is refused with a code, when it is looked at', () => {
  const label = splicedRow(topics.fraudLabels);
  const reason = (value: string | null, careful: boolean) => {
    const rows = label(record(value), careful);
    return 'reason' in rows ? rows.reason : 'accepted';
  };
  assert.equal(reason(null, false), 'empty');
  assert.equal(reason('null', false), 'schema');
  assert.equal(reason('[]', false), 'schema');
  assert.equal(reason('{"a":1}\n{"a":2}', false), 'malformed-json');
  assert.equal(reason('{"a":1}', false), 'accepted');
  assert.equal(reason('{"a":1}', true), 'schema');
});

test('a reading becomes a row per metric, true and false as 1 and 0', () => {
  const reading = { ...samples.enrichedTelemetry, metrics: { temperature: -3.5, open: true, 'a/b': 0 } };
  const rows = lines(metricRows(topics.telemetryEnriched), record(JSON.stringify(reading))).map((line) =>
    JSON.parse(line),
  );
  assert.deepEqual(
    rows.map(({ metric, value, device_id, _offset }) => [metric, value, device_id, _offset]),
    [
      ['temperature', -3.5, reading.device_id, 42],
      ['open', 1, reading.device_id, 42],
      ['a/b', 0, reading.device_id, 42],
    ],
  );
});

test('a tombstone is a row that says so', () => {
  const row = versionRow(topics.customersProfile, 'customer_id');
  const [line] = lines(row, { ...record(null), key: Buffer.from('cust-"1"') });
  const { customer_id, deleted } = JSON.parse(line ?? '');
  assert.deepEqual([customer_id, deleted], ['cust-"1"', true]);
});

test('an id comes from the header, and from the value only where there is no header', () => {
  const row = idRow(topics.paymentsRaw, 'transaction_id');
  assert.equal(JSON.parse(lines(row, record('not looked at'))[0] ?? '').transaction_id, 'tx-1');
  const bare = { ...record(JSON.stringify(samples.payment)), headers: {} };
  assert.equal(JSON.parse(lines(row, bare)[0] ?? '').transaction_id, samples.payment.transaction_id);
  assert.ok('reason' in row({ ...record('not JSON'), headers: {} }, false));
});

function record(value: string | null): InRecord {
  return {
    topic: 'payments.enriched',
    partition: 3,
    offset: 42,
    timestampMs: 1_500_000_000_000,
    key: null,
    value: value === null ? null : Buffer.from(value),
    headers: HEADERS,
  };
}

function lines(maker: RowMaker, from: InRecord): string[] {
  const rows = maker(from, false);
  assert.ok(!('reason' in rows), JSON.stringify(rows));
  const text = rows.lines.map(String).join('');
  assert.ok(text.endsWith('\n'));
  return text
    .slice(0, -1)
    .split('\n')
    .map((line, _, all) => (all.length === rows.count ? line : `${line}\n`));
}

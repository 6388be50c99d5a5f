import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForStage, recordHeaders, redrivenFor } from '@millrace/contracts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a record carries schema, event id, trace and time of ingest as text', () => {
  const headers = recordHeaders({
    schema: 'payment.v1',
    eventId: 'tx-1',
    traceparent,
    ingestedAtMs: 1_772_366_400_120,
  });
  assert.deepEqual(headers, { schema: 'payment.v1', event_id: 'tx-1', traceparent, ingested_at: '1772366400120' });
});

test('an event that was not traced has no traceparent header', () => {
  const headers = recordHeaders({ schema: 'payment.v1', eventId: 'tx-1', ingestedAtMs: 0 });
  assert.deepEqual(headers, { schema: 'payment.v1', event_id: 'tx-1', ingested_at: '0' });
});

test('a redriven record is for the stages that it names, and one that names none is for all', () => {
  const header = redrivenFor(['customer', 'sink']);
  assert.equal(header, 'customer,sink');
  assert.deepEqual(
    ['customer', 'sink', 'merchant', 'cust'].map((stage) => isForStage(header, stage)),
    [true, true, false, false],
  );
  assert.equal(isForStage(undefined, 'merchant'), true);
});

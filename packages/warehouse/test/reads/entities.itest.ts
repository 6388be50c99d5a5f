import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples } from '@millrace/contracts';
import { findDevice, findMerchant, findProfile, readStatistics } from '../../src/index.ts';
import { insert, testWarehouse } from './test-warehouse.ts';

const START_MS = 1_772_366_400_000;
const INGESTED = { ingested_at: START_MS + 250 };

test('a profile is its newest version, and gone once it was deleted', async (t) => {
  const warehouse = await testWarehouse(t);
  const { customer_id } = samples.profile;
  await insert(warehouse, 'profiles', 0, [
    { ...samples.profile, fields: {}, ...INGESTED },
    { ...samples.profile, ...INGESTED },
  ]);
  assert.deepEqual(await findProfile(warehouse, customer_id), samples.profile);
  assert.equal(await findProfile(warehouse, 'nobody'), undefined);
  await insert(warehouse, 'profiles', 2, [{ customer_id, deleted: true, updated_at: 0, ...INGESTED }]);
  assert.equal(await findProfile(warehouse, customer_id), undefined);
});

test('a merchant is summed up from its payments', async (t) => {
  const warehouse = await testWarehouse(t);
  const payment = { ...samples.enrichedPayment, ...INGESTED };
  const { event_time } = payment;
  await insert(warehouse, 'payments', 0, [
    { ...payment, transaction_id: 'a', event_time, terminal_id: 't1', customer_id: 'c1', merchant: { name: 'Old' } },
    { ...payment, transaction_id: 'b', event_time: event_time + 2, terminal_id: 't2', customer_id: 'c1' },
    { ...payment, transaction_id: 'c', event_time: event_time + 1, terminal_id: 't1', customer_id: 'c2' },
  ]);
  assert.deepEqual(await findMerchant(warehouse, payment.merchant_id ?? ''), {
    merchant_id: payment.merchant_id,
    payments: 3,
    customers: 2,
    merchant: payment.merchant,
    first_payment_at: event_time,
    last_payment_at: event_time + 2,
    terminals: [
      { terminal_id: 't2', payments: 1, last_payment_at: event_time + 2 },
      { terminal_id: 't1', payments: 2, last_payment_at: event_time + 1 },
    ],
  });
  assert.equal(await findMerchant(warehouse, 'nobody'), undefined);
});

test('a device has the newest value of each metric, and its newest readings', async (t) => {
  const warehouse = await testWarehouse(t);
  const device = { device_id: 'd1', owner_id: 'm1', kind: 'terminal', firmware: '1.0', ...INGESTED };
  await insert(warehouse, 'telemetry', 0, [
    { ...device, event_time: START_MS + 1000, sequence: 1, metric: 'temperature', value: 20 },
    { ...device, event_time: START_MS + 1000, sequence: 1, metric: 'tamper', value: 1 },
    { ...device, event_time: START_MS + 2000, sequence: 2, metric: 'temperature', value: 21.5, firmware: '1.1' },
    { ...device, event_time: START_MS + 1500, metric: 'temperature', value: 19 },
    { ...device, device_id: 'd2', event_time: START_MS + 9000, metric: 'temperature', value: 99 },
  ]);
  assert.deepEqual(await findDevice(warehouse, 'd1', 2), {
    device_id: 'd1',
    owner_id: 'm1',
    kind: 'terminal',
    firmware: '1.1',
    last_reading_at: START_MS + 2000,
    metrics: [
      { metric: 'tamper', value: 1, event_time: START_MS + 1000 },
      { metric: 'temperature', value: 21.5, event_time: START_MS + 2000 },
    ],
    readings: [
      { event_time: START_MS + 2000, sequence: 2, metrics: { temperature: 21.5 }, ingested_at: INGESTED.ingested_at },
      { event_time: START_MS + 1500, metrics: { temperature: 19 }, ingested_at: INGESTED.ingested_at },
    ],
  });
  assert.equal(await findDevice(warehouse, 'nobody', 2), undefined);
});

test('statistics count the window by step and decision, and measure latency from acceptance', async (t) => {
  const warehouse = await testWarehouse(t);
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  const decision = (id: string, agoMs: number, kind: string, tookMs: number) => ({
    ...samples.decision,
    transaction_id: id,
    decision: kind,
    ingested_at: nowMs - agoMs,
    decided_at: nowMs - agoMs + tookMs,
  });
  await insert(warehouse, 'decisions', 0, [
    decision('a', 2_000, 'approve', 10),
    decision('b', 1_999, 'decline', 30),
    decision('c', 1_000, 'review', 20),
    decision('old', 600_000, 'approve', 9_999),
  ]);
  const statistics = await readStatistics(warehouse, { nowMs, windowMs: 10_000, stepMs: 1_000 });
  assert.deepEqual(statistics.steps, [
    { time: nowMs - 2_000, payments: 2, approve: 1, review: 0, decline: 1 },
    { time: nowMs - 1_000, payments: 1, approve: 0, review: 1, decline: 0 },
  ]);
  assert.deepEqual(statistics.latencyMs?.decided, { p50: 20, p99: 30 });
  assert.equal(statistics.totals.decisions, 4);
  assert.equal(statistics.totals.rows, 4);
});

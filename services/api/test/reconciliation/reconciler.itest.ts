import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { samples } from '@millrace/contracts';
import { createMetrics } from '@millrace/observability';
import type { HopCounts, Warehouse } from '@millrace/warehouse';
import { reconciliationReads } from '../../src/reads.ts';
import { startReconciler } from '../../src/reconciliation/reconciler.ts';
import { logger } from '../fixtures.ts';
import { createStore, eventually, testWarehouse } from '../test-stack.ts';

const SETTLE_MS = 500;

function start(t: TestContext, warehouse: Warehouse) {
  const metrics = createMetrics('api');
  const reconciler = startReconciler({
    reads: reconciliationReads(warehouse),
    metrics,
    logger,
    partitions: 2,
    settleMs: SETTLE_MS,
    intervalMs: 100,
    stallMs: 1_000,
  });
  t.after(() => reconciler.close());
  const until = (kind: 'payments' | 'telemetry', expected: Partial<HopCounts>) =>
    eventually(
      () => reconciler.report()?.[kind],
      (counts) =>
        counts !== undefined &&
        Object.entries(expected).every(([hop, count]) => counts[hop as keyof HopCounts] === count),
    );
  return { reconciler, metrics, until };
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `t${from + index}`);
const raw = (transaction_id: string) => ({ transaction_id, ingested_at: Date.now() });
const payment = (transaction_id: string) => ({ ...samples.enrichedPayment, transaction_id, ingested_at: Date.now() });
const decision = (transaction_id: string) => ({ ...samples.decision, transaction_id, ingested_at: Date.now() });
const all = (count: number, others: object = {}) => ({
  accepted: count,
  raw: count,
  enriched: count,
  decided: count,
  stored: count,
  lost: 0,
  duplicated: 0,
  ...others,
});

test('what is missing is lost until its row appears, and a restart keeps the totals', async (t) => {
  const warehouse = await testWarehouse(t);
  const store = createStore(warehouse);
  const { reconciler, metrics, until } = start(t, warehouse);
  await until('payments', all(0));

  await store('payments_raw', [...ids(0, 100), 't7', 't8'].map(raw));
  await store('payments', ids(0, 100).map(payment));
  await store('decisions', ids(0, 99).map(decision));
  await until('payments', all(100, { decided: 99, stored: 99, lost: 1 }));
  assert.match(await metrics.registry.metrics(), /millrace_reconciliation_lost\{kind="payments",service="api"\} 1/);

  await store('decisions', [decision('t99')]);
  await until('payments', all(100));

  await reconciler.close();
  await store('payments_raw', ids(100, 110).map(raw));
  await store('payments', ids(100, 110).map(payment));
  await store('decisions', ids(100, 110).map(decision));
  await start(t, warehouse).until('payments', all(110));
});

test('a row that is there twice is counted, also when it was inserted behind what had been read', async (t) => {
  const warehouse = await testWarehouse(t);
  const store = createStore(warehouse);
  const { until } = start(t, warehouse);
  await store('payments_raw', ids(0, 10).map(raw));
  await store('payments', [...ids(0, 10), 't3'].map(payment));
  await store('decisions', ids(0, 10).map(decision));
  await until('payments', all(10, { duplicated: 1 }));
  await warehouse.query(`INSERT INTO decisions SELECT * FROM decisions WHERE transaction_id IN ('t1', 't2')`);
  await until('payments', all(10, { duplicated: 3 }));
  await start(t, warehouse).until('payments', all(10, { duplicated: 3 }));
});

test('what only a ledger knows is lost; what a dead letter holds is not', async (t) => {
  const warehouse = await testWarehouse(t);
  const store = createStore(warehouse);
  const { until } = start(t, warehouse);
  await store('payments_raw', ['a', 'b'].map(raw));
  for (const [table, row] of [
    ['payments', payment('a')],
    ['decisions', decision('a')],
  ] as const) {
    await store(table, [row]);
  }
  const value_base64 = Buffer.from(JSON.stringify({ transaction_id: 'b' })).toString('base64');
  const origin = { kind: 'kafka', topic: 't', partition: 0, offset: 1 };
  await store('dead_letters', [
    { ...samples.deadLetter, _partition: 0, origin, value_base64, ingested_at: Date.now() },
  ]);
  const entry = (id: string) => ({ kind: 'payment', id, acknowledged_at: Date.now(), sender: 's' });
  await store('ledger', ['a', 'b', 'nowhere'].map(entry));
  await until('payments', all(1, { accepted: 3, raw: 2, lost: 1 }));
});

test('readings are reconciled by reading, not by row', async (t) => {
  const warehouse = await testWarehouse(t);
  const store = createStore(warehouse);
  const { until } = start(t, warehouse);
  const now = Date.now();
  await store(
    'telemetry_raw',
    [1, 2, 2].map((n) => ({ reading: `d:${now + n}:`, ingested_at: now })),
  );
  const row = (event_time: number, metric: string) => ({
    device_id: 'd',
    event_time,
    metric,
    value: 1,
    ingested_at: now,
  });
  await store('telemetry', [row(now + 1, 'x'), row(now + 1, 'y'), row(now + 2, 'x')]);
  await until('telemetry', all(2));
});

test('there is no report before the tables are there', async (t) => {
  const warehouse = await testWarehouse(t);
  await warehouse.query(`DROP DATABASE ${warehouse.database}`);
  const { reconciler, until } = start(t, warehouse);
  assert.equal(reconciler.report(), undefined);
  await warehouse.migrate();
  await until('payments', all(0));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples } from '@millrace/contracts';
import { findDecision, findPayment, listAlerts, listDecisions, listPayments } from '../../src/index.ts';
import { insert, testWarehouse } from './test-warehouse.ts';

const INGESTED = { ingested_at: 1_772_366_400_250 };

test('an event is read as it was stored, without the fields that it does not have', async (t) => {
  const warehouse = await testWarehouse(t);
  const bare = {
    transaction_id: 'bare',
    event_time: 1_772_366_400_001,
    customer_id: 'c',
    payee_id: 'p',
    amount_minor: 5,
    currency: 'JPY',
    channel: 'transfer',
  };
  await insert(warehouse, 'payments', 0, [
    { ...samples.enrichedPayment, ...INGESTED },
    { ...bare, ...INGESTED },
  ]);
  await insert(warehouse, 'decisions', 0, [samples.decision]);
  await insert(warehouse, 'alerts', 0, [samples.alert]);

  const { transaction_id } = samples.enrichedPayment;
  assert.deepEqual(await findPayment(warehouse, transaction_id), { ...samples.enrichedPayment, ...INGESTED });
  assert.deepEqual(await findPayment(warehouse, 'bare'), { ...bare, ...INGESTED });
  assert.deepEqual(await findDecision(warehouse, transaction_id), samples.decision);
  assert.deepEqual(await listAlerts(warehouse, {}, { limit: 5 }), [samples.alert]);
  assert.equal(await findPayment(warehouse, "x' OR '1'='1"), undefined);
  assert.equal(await findDecision(warehouse, 'nobody'), undefined);
});

test('pages go through all events once, newest first, also where times are equal', async (t) => {
  const warehouse = await testWarehouse(t);
  const start = samples.decision.event_time;
  // Three at each time, across an hour's end, in an order that is not the answer's.
  const rows = Array.from({ length: 30 }, (_, index) => ({
    ...samples.decision,
    transaction_id: `t${String((index * 7) % 30).padStart(2, '0')}`,
    event_time: start + Math.floor(((index * 7) % 30) / 3) * 600_000,
  }));
  await insert(warehouse, 'decisions', 0, rows);

  const seen: string[] = [];
  let after: { timeMs: number; id: string } | undefined;
  for (;;) {
    const page = await listDecisions(warehouse, {}, { limit: 7, after });
    const last = page.at(-1);
    if (last === undefined) break;
    seen.push(...page.map(({ transaction_id }) => transaction_id));
    after = { timeMs: last.event_time, id: last.transaction_id };
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 30 }, (_, index) => `t${String(29 - index).padStart(2, '0')}`),
  );
});

test('filters narrow a list, and a range takes its beginning and not its end', async (t) => {
  const warehouse = await testWarehouse(t);
  const at = (offsetMs: number) => samples.decision.event_time + offsetMs;
  await insert(warehouse, 'decisions', 0, [
    { ...samples.decision, transaction_id: 'a', event_time: at(0), decision: 'review', customer_id: 'c1' },
    { ...samples.decision, transaction_id: 'b', event_time: at(1), decision: 'decline', customer_id: 'c1' },
    { ...samples.decision, transaction_id: 'c', event_time: at(2), decision: 'review', customer_id: 'c2' },
  ]);
  const ids = async (filter: Parameters<typeof listDecisions>[1]) =>
    (await listDecisions(warehouse, filter, { limit: 10 })).map(({ transaction_id }) => transaction_id);
  assert.deepEqual(await ids({ decision: 'review' }), ['c', 'a']);
  assert.deepEqual(await ids({ decision: 'review', customer_id: 'c1' }), ['a']);
  assert.deepEqual(await ids({ fromMs: at(1), untilMs: at(2) }), ['b']);
  await insert(warehouse, 'payments', 0, [{ ...samples.enrichedPayment, ...INGESTED }]);
  const { merchant_id, channel, terminal_id } = samples.enrichedPayment;
  assert.equal((await listPayments(warehouse, { merchant_id, channel, terminal_id }, { limit: 10 })).length, 1);
  assert.equal((await listPayments(warehouse, { merchant_id: 'other' }, { limit: 10 })).length, 0);
});

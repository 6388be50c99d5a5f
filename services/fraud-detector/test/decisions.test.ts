import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BUILT_IN_RULES, compileRules } from '@millrace/rules';
import { createDetector, HOUR_MS, MINUTE_MS, START_MS } from './detector.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const RULE = {
  id: 'atm-at-night',
  version: 2,
  name: 'Cash',
  reason: 'Cash is suspicious.',
  weight: 600,
  enabled: true,
  when: { feature: 'channel', op: 'eq', value: 'atm' },
} as const;

test('a decision can be read alone', () => {
  const { pay } = createDetector();
  const headers = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`, ingested_at: String(START_MS + 7) };
  const { features, ...decision } = pay({}, headers);
  assert.deepEqual(decision, {
    transaction_id: 'tx-1',
    event_time: START_MS,
    customer_id: 'c-1',
    card_id: 'card-1',
    merchant_id: 'm-1',
    terminal_id: 't-1',
    amount_minor: 2_000,
    currency: 'EUR',
    decision: 'approve',
    score: 0,
    rules: [],
    late: false,
    input: { topic: 'payments.enriched', partition: 0, offset: 0 },
    rules_hash: compileRules(BUILT_IN_RULES).hash,
    ingested_at: START_MS + 7,
    decided_at: START_MS,
    trace_id: TRACE_ID,
  });
  assert.equal(features.amount, 20);
});

test('a payment between two stages is keyed by who is paid, and leaves the profile behind', () => {
  const { pay, driver, topics } = createDetector();
  const profile = { segment: { value: 'worker', source: 'crm', updated_at: START_MS } };
  pay({ profile });
  pay({ profile, transaction_id: 'tx-2', payee_id: 'p-1' });
  const records = driver.records(topics.paymentsByMerchant.name);
  assert.deepEqual(
    records.map(({ key }) => key),
    ['m-1', 'p-1'],
  );
  assert.equal(String(records[0]?.value).includes('profile'), false);
});

test('every payment gets one decision, and the one that is not approved an alert', () => {
  const { pay, paymentAlerts } = createDetector();
  const decline = (n: number) => pay({ transaction_id: `tx-${n}`, event_time: START_MS + n, status: 'declined' });
  assert.deepEqual([decline(1).decision, decline(2).decision], ['approve', 'approve']);
  assert.deepEqual(paymentAlerts(), []);
  assert.equal(decline(3).decision, 'decline');
  const [alert, ...others] = paymentAlerts();
  assert.equal(others.length, 0);
  assert.deepEqual(
    [alert?.alert_id, alert?.kind, alert?.decision, alert?.score, alert?.customer_id],
    ['payment:tx-3', 'payment', 'decline', 850, 'c-1'],
  );
  assert.equal(
    alert?.summary,
    'decline (850): 20.00 EUR from c-1 to m-1 by pos. Many small or declined attempts with the card within 10 minutes, and few others.',
  );
});

test('a late payment is decided and says so', () => {
  const { pay } = createDetector();
  pay({ event_time: START_MS });
  assert.equal(pay({ transaction_id: 'tx-2', event_time: START_MS - MINUTE_MS }).late, false);
  assert.equal(pay({ transaction_id: 'tx-3', event_time: START_MS - MINUTE_MS - 1 }).late, true);
});

test('the same payments give the same decisions, byte for byte, whenever the detector was restarted', () => {
  const run = (restartEvery: number) => {
    const { pay, driver } = createDetector();
    return Array.from({ length: 60 }, (_, n) => {
      if (restartEvery > 0 && n % restartEvery === 0) driver.restart();
      const decision = pay({
        transaction_id: `tx-${n}`,
        event_time: START_MS + n * 17 * MINUTE_MS - (n % 7 === 0 ? 30 * MINUTE_MS : 0),
        amount_minor: 1 + ((n * 7_919) % 40_000),
        customer_id: `c-${n % 2}`,
        latitude: 38.7 + n / 100,
        longitude: -9.1,
      });
      const { input, ...rest } = decision;
      assert.equal(input.partition, 0);
      return JSON.stringify(rest);
    });
  };
  const without = run(0);
  assert.deepEqual(run(1), without);
  assert.deepEqual(run(13), without);
});

test('a rule from the topic decides from then on, and its hash says which rules did', () => {
  const { pay, rule } = createDetector();
  const before = pay({ channel: 'atm' });
  rule(RULE);
  const after = pay({ channel: 'atm', transaction_id: 'tx-2', event_time: START_MS + HOUR_MS });
  assert.deepEqual([before.decision, after.decision], ['approve', 'review']);
  assert.deepEqual(after.rules, [
    { id: 'atm-at-night', version: 2, reason: 'Cash is suspicious.', weight: 600, values: { channel: 'atm' } },
  ]);
  assert.notEqual(after.rules_hash, before.rules_hash);
});

test('a rule with the id of a built-in one takes its place, and a tombstone brings the built-in one back', () => {
  const { pay, rule, driver, topics } = createDetector();
  const threeDeclined = (from: number) =>
    [0, 1, 2]
      .map((n) => pay({ transaction_id: `tx-${from + n}`, card_id: `card-${from}`, status: 'declined' }).decision)
      .at(-1);
  const builtIn = BUILT_IN_RULES.find(({ id }) => id === 'card-testing');
  assert.ok(builtIn);
  rule({ ...builtIn, version: 2, enabled: false });
  assert.equal(threeDeclined(0), 'approve');
  driver.pipe(topics.fraudRules.name, { value: null, key: 'card-testing', timestampMs: START_MS });
  assert.equal(threeDeclined(10), 'decline');
});

test('a rule that cannot be used is reported and left out; the built-in one of its id goes on', () => {
  const { pay, rule, faults } = createDetector();
  rule({ ...RULE, id: 'card-testing', when: { feature: 'no-such-feature', op: 'gt', value: 1 } });
  rule(RULE);
  assert.equal(pay({ channel: 'atm' }).decision, 'review');
  assert.deepEqual(faults, [
    [
      {
        code: 'unknown-feature',
        ruleId: 'card-testing',
        path: 'when.feature',
        message: 'there is no feature no-such-feature',
      },
    ],
  ]);
  assert.equal(pay({ transaction_id: 'tx-2' }).rules_hash, compileRules([...BUILT_IN_RULES, RULE]).hash);
});

test('a card whose fraud was confirmed raises doubt, until an analyst takes it back', () => {
  const { pay, label } = createDetector();
  const fired = (n: number) =>
    pay({ transaction_id: `tx-${n}`, event_time: START_MS + n * HOUR_MS }).rules.map(({ id }) => id);
  assert.deepEqual(fired(0), []);
  label({ labelled_at: START_MS + 2 * HOUR_MS });
  assert.deepEqual([fired(1), fired(3)], [[], ['known-fraud']]);
  label({ labelled_at: START_MS + 4 * HOUR_MS, fraud: false, source: 'analyst' });
  assert.deepEqual(fired(5), []);
});

test('a decision stays small', () => {
  const { pay } = createDetector();
  let bytesMax = 0;
  for (let n = 0; n < 40; n++) {
    const decision = pay({
      transaction_id: `tx-${n}`,
      event_time: START_MS + n * 1_000,
      amount_minor: 123_456,
      latitude: 38.7 + n,
      longitude: -9.1,
    });
    bytesMax = Math.max(bytesMax, JSON.stringify(decision).length);
  }
  assert.ok(bytesMax < 2_048, `${bytesMax} bytes`);
});

test('bytes that are no payment are put aside and the next payment is decided', () => {
  const { pay, driver, topics } = createDetector();
  driver.pipe(topics.paymentsEnriched.name, { value: Buffer.from('not JSON') });
  driver.pipe(topics.paymentsByMerchant.name, { value: null, key: 'm-1' });
  assert.equal(pay().decision, 'approve');
  assert.deepEqual(
    driver.deadLetters().map(({ stage, reason }) => [stage, reason]),
    [
      ['customer', 'malformed-json'],
      ['merchant', 'empty'],
    ],
  );
});

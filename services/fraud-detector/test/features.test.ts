import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EnrichedPayment } from '@millrace/contracts';
import fc from 'fast-check';
import { createDetector, DAY_MS, HOUR_MS, MINUTE_MS, payment, START_MS } from './detector.ts';
import { expectedFeatures } from './feature-oracle.ts';

const SECOND_MS = 1_000;

/** What happens next: how long after the event before, and how much of that it is late. */
const happening = fc.record({
  afterMs: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 5 * MINUTE_MS }) },
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 3 * HOUR_MS }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 12 * DAY_MS }) },
  ),
  lateMs: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: HOUR_MS - SECOND_MS }) },
  ),
  customer: fc.constantFrom('c-1', 'c-1', 'c-2'),
  card: fc.constantFrom('a', 'a', 'b', undefined),
  counterparty: fc.constantFrom('m-1', 'm-2', 'm-3', 'p-1', 'p-2'),
  amount_minor: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 89_000, max: 101_000 })),
  status: fc.constantFrom('authorised', 'authorised', 'declined', 'reversed', undefined),
  country: fc.constantFrom('PT', 'ES', undefined),
});

function toPayments(
  happenings: readonly (typeof happening extends fc.Arbitrary<infer T> ? T : never)[],
): EnrichedPayment[] {
  let nowMs = START_MS;
  return happenings.map(({ afterMs, lateMs, customer, card, counterparty, amount_minor, status, country }, n) => {
    nowMs += afterMs;
    const isTransfer = counterparty.startsWith('p');
    const {
      card_id: _,
      merchant_id: __,
      terminal_id: ___,
      ...base
    } = payment({
      transaction_id: `tx-${n}`,
      event_time: nowMs - lateMs,
      customer_id: customer,
      amount_minor,
    });
    return {
      ...base,
      ...(card === undefined ? {} : { card_id: `${customer}-${card}` }),
      ...(isTransfer
        ? { payee_id: counterparty, channel: 'transfer' }
        : { merchant_id: counterparty, terminal_id: `t-${counterparty}` }),
      ...(status === undefined ? {} : { status: status as 'authorised' | 'declined' | 'reversed' }),
      ...(country === undefined ? {} : { country }),
    };
  });
}

test('features are what one finds by looking at all payments, late ones and restarts included', (t) => {
  const seed = Number(process.env.SEED ?? 20_260_113);
  t.diagnostic(`seed ${seed}`);
  const property = fc.property(
    fc.array(happening, { minLength: 20, maxLength: 90 }),
    fc.nat(),
    (happenings, restartAfter) => {
      const payments = toPayments(happenings);
      const { send, driver } = createDetector();
      for (const [n, event] of payments.entries()) {
        const { features } = send(event);
        const expected = expectedFeatures(payments.slice(0, n + 1));
        assert.deepEqual(
          Object.fromEntries(Object.keys(expected).map((name) => [name, features[name]])),
          expected,
          `payment ${n}`,
        );
        if ('idle_s' in features) assert.ok('idle_s' in expected, `payment ${n} follows none`);
        if (n === restartAfter % payments.length) driver.restart();
      }
    },
  );
  fc.assert(property, { seed, numRuns: 60 });
});

test('speed is that from the last place at or before a late payment, not from a later one', () => {
  const { pay } = createDetector();
  const lisbon = { latitude: 38.72, longitude: -9.14 };
  const porto = { latitude: 41.15, longitude: -8.61 };
  pay({ ...lisbon, transaction_id: 'a', event_time: START_MS });
  pay({ latitude: 52.23, longitude: 21.01, transaction_id: 'b', event_time: START_MS + 10 * HOUR_MS });
  const { features } = pay({ ...porto, transaction_id: 'c', event_time: START_MS + 3 * HOUR_MS });
  // Lisbon to Porto is 274 km by the great circle.
  assert.deepEqual([Math.round(features.distance_km ?? 0), features.speed_kmh], [274, 91]);
});

test('a payment without place, profile, terminal or history has no features of them', () => {
  const { pay } = createDetector();
  const { features } = pay({ payee_id: 'p-1' });
  const absent = [
    'idle_s',
    'distance_km',
    'speed_kmh',
    'card_pace_10m',
    'customer_amount_score',
    'customer_spend_ratio_24h',
    'new_phone',
    'income_ratio',
    'profile_change_age_h',
    'merchant_count_1h',
    'terminal_count_10m',
    'terminal_tamper_age_h',
  ];
  assert.deepEqual(
    absent.filter((name) => name in features),
    [],
  );
});

test('a payment in a currency without a reference rate is decided without its amount', () => {
  const { pay } = createDetector();
  const { features, decision } = pay({ currency: 'MNT', amount_minor: 100_000_000_000 });
  assert.deepEqual([features.amount, features.card_sum_24h, decision], [undefined, 0, 'approve']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEnricher, MINUTE_MS, payment, START_MS } from './enricher.ts';

test('a payment that is sent again comes out once and is counted', () => {
  const { pay, payments, duplicates, driver } = createEnricher();
  pay();
  pay();
  pay({ transaction_id: 'tx-2', event_time: START_MS + MINUTE_MS });
  pay();
  assert.deepEqual(
    payments().map(({ transaction_id }) => transaction_id),
    ['tx-1', 'tx-2'],
  );
  assert.deepEqual(duplicates, ['payment', 'payment']);
  assert.deepEqual(driver.deadLetters(), []);
});

test('another payment under a known id does not come out, is counted as a conflict and kept as a dead letter', () => {
  const { pay, payments, duplicates, driver } = createEnricher();
  pay();
  pay({ amount_minor: 9_900 });
  pay({ event_time: START_MS + MINUTE_MS });
  assert.equal(payments().length, 1);
  assert.deepEqual(duplicates, ['payment conflict', 'payment conflict']);
  const letters = driver.deadLetters();
  assert.deepEqual(
    letters.map(({ reason, stage }) => [reason, stage]),
    [
      ['duplicate-id', 'payments'],
      ['duplicate-id', 'payments'],
    ],
  );
  assert.equal(JSON.parse(Buffer.from(letters[0]?.value_base64 ?? '', 'base64').toString()).amount_minor, 9_900);
});

test('payments that differ in nothing but their id are two payments', () => {
  const { pay, payments } = createEnricher();
  pay();
  pay({ transaction_id: 'tx-2' });
  assert.equal(payments().length, 2);
});

test('a repeat is recognised after a new owner has restored the partition, and for a week', () => {
  const { pay, payments, driver, topics } = createEnricher();
  pay();
  driver.restart();
  pay();
  driver.advanceTo(START_MS + 6 * 24 * 60 * MINUTE_MS);
  driver.restart();
  driver.pipe(topics.paymentsRaw.name, { value: payment() });
  assert.equal(payments().length, 1);
});

test('a payment of years ago is recognised when it comes again, whatever the customer has paid since', () => {
  const { pay, payments, driver } = createEnricher();
  pay({ transaction_id: 'tx-new', event_time: START_MS + 3 * 365 * 24 * 60 * MINUTE_MS });
  pay();
  driver.restart();
  pay();
  assert.deepEqual(
    payments().map(({ transaction_id }) => transaction_id),
    ['tx-new', 'tx-1'],
  );
});

test('a late payment comes out, once', () => {
  const { pay, payments, driver } = createEnricher();
  pay({ transaction_id: 'tx-new', event_time: START_MS + 60 * MINUTE_MS });
  pay();
  pay();
  assert.deepEqual(
    payments().map(({ transaction_id }) => transaction_id),
    ['tx-new', 'tx-1'],
  );
  assert.deepEqual(driver.deadLetters(), []);
});

test('whatever is repeated in whatever order, every id comes out exactly once', (t) => {
  const seed = Number(process.env.SEED ?? 20_260_113);
  t.diagnostic(`seed ${seed}`);
  const sends = fc.array(fc.record({ id: fc.integer({ min: 0, max: 30 }), restart: fc.boolean() }), { maxLength: 120 });
  const property = fc.property(sends, (events) => {
    const { pay, payments, driver } = createEnricher();
    for (const { id, restart } of events) {
      // Event times follow from the id, and are neither unique nor in order.
      pay({
        transaction_id: `tx-${id}`,
        event_time: START_MS + ((id * 7) % 5) * MINUTE_MS,
        customer_id: `c-${id % 3}`,
      });
      if (restart) driver.restart();
    }
    const wanted = [...new Set(events.map(({ id }) => `tx-${id}`))];
    assert.deepEqual(
      payments().map(({ transaction_id }) => transaction_id),
      wanted,
    );
  });
  fc.assert(property, { seed, numRuns: 30 });
});

test('a reading is told apart by device, event time and sequence', () => {
  const { read, readings, duplicates } = createEnricher();
  read();
  read({ sequence: 2 });
  read({ event_time: START_MS + 1 });
  read({ device_id: 'd-2' });
  assert.equal(readings().length, 4);
  read();
  read({ sequence: 2, metrics: { temperature: 99 } });
  assert.equal(readings().length, 0);
  assert.deepEqual(duplicates, ['telemetry', 'telemetry']);
});

test('a device without sequence numbers, and one that restarts counting, lose no reading', () => {
  const { driver, topics, read, readings } = createEnricher();
  for (const minute of [0, 1, 2, 1]) {
    const value = { device_id: 'plain', event_time: START_MS + minute * MINUTE_MS, metrics: { on: true } };
    driver.pipe(topics.telemetryRaw.name, { value });
  }
  for (const minute of [0, 1, 2, 3]) read({ event_time: START_MS + minute * MINUTE_MS, sequence: minute % 2 });
  assert.deepEqual(
    readings().map(({ device_id }) => device_id),
    ['plain', 'plain', 'plain', 'd-1', 'd-1', 'd-1', 'd-1'],
  );
});

test('a batch of 500 readings that was buffered for days and is sent twice comes out once', () => {
  const { read, readings, driver } = createEnricher();
  read({ sequence: 10_000 });
  for (const _ of ['first', 'again']) {
    for (let n = 0; n < 500; n++) read({ sequence: n, event_time: START_MS - 3 * 24 * 60 * MINUTE_MS + n * 1_000 });
    driver.restart();
  }
  assert.equal(readings().length, 501);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnricher, MINUTE_MS, START_MS } from './enricher.ts';

const at = (minute: number) => START_MS + minute * MINUTE_MS;

test('a payment gets its profile, its merchant and its terminal', () => {
  const { driver, topics, tell, pay, payments } = createEnricher();
  driver.pipe(topics.merchants.name, {
    value: { merchant_id: 'm-1', updated_at: at(-9), name: 'Loja', country: 'PT' },
  });
  driver.pipe(topics.devices.name, {
    value: {
      device_id: 't-1',
      updated_at: at(-9),
      merchant_id: 'm-1',
      kind: 'terminal',
      latitude: 38.7,
      longitude: -9.1,
    },
  });
  tell('crm', { name: 'Ana' }, -5);
  pay({ terminal_id: 't-1' });
  const [enriched] = payments();
  assert.deepEqual(enriched?.profile, { name: { value: 'Ana', source: 'crm', updated_at: at(-5) } });
  assert.deepEqual(enriched?.merchant, { name: 'Loja', country: 'PT' });
  assert.deepEqual(enriched?.terminal, { kind: 'terminal', merchant_id: 'm-1', latitude: 38.7, longitude: -9.1 });
});

test('a payment of which nothing is known comes out as it is', () => {
  const { pay, payments } = createEnricher();
  pay({ terminal_id: 't-1' });
  assert.deepEqual(payments(), [
    {
      transaction_id: 'tx-1',
      event_time: START_MS,
      customer_id: 'c-1',
      card_id: 'card-1',
      merchant_id: 'm-1',
      amount_minor: 2_000,
      currency: 'EUR',
      channel: 'pos',
      terminal_id: 't-1',
    },
  ]);
});

test('a payment meets the merchant as it was at the time of the payment', () => {
  const { driver, topics, pay, payments } = createEnricher();
  driver.pipe(topics.merchants.name, { value: { merchant_id: 'm-1', updated_at: at(-60), name: 'before' } });
  driver.pipe(topics.merchants.name, { value: { merchant_id: 'm-1', updated_at: at(10), name: 'after' } });
  pay();
  pay({ transaction_id: 'tx-2', event_time: at(20) });
  assert.deepEqual(
    payments().map(({ merchant }) => merchant?.name),
    ['before', 'after'],
  );
});

test('a reading goes to the partition of the merchant that owns the device, else to its own', () => {
  const { driver, topics, read } = createEnricher();
  driver.pipe(topics.devices.name, {
    value: { device_id: 'd-1', updated_at: at(-9), merchant_id: 'm-1', kind: 'terminal' },
  });
  read();
  read({ device_id: 'd-2' });
  const records = driver.records(topics.telemetryEnriched.name);
  assert.deepEqual(
    records.map(({ key }) => key),
    ['m-1', 'd-2'],
  );
  const [first, second] = records.map(({ value }) => JSON.parse(String(value)));
  assert.deepEqual([first.owner_id, first.kind, second.owner_id, second.kind], ['m-1', 'terminal', 'd-2', undefined]);
});

test('trace context and time of acceptance go on with the payment', () => {
  const { driver, topics } = createEnricher();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  driver.pipe(topics.paymentsRaw.name, {
    value: {
      transaction_id: 'tx-1',
      event_time: START_MS,
      customer_id: 'c-1',
      merchant_id: 'm-1',
      amount_minor: 1,
      currency: 'EUR',
      channel: 'pos',
    },
    headers: { traceparent, ingested_at: String(START_MS + 5) },
  });
  assert.deepEqual(driver.records(topics.paymentsEnriched.name)[0]?.headers, {
    schema: 'enriched-payment.v1',
    event_id: 'tx-1',
    traceparent,
    ingested_at: String(START_MS + 5),
  });
});

test('bytes that are no payment, and a payment without a value, are put aside and the next one is processed', () => {
  const { driver, topics, pay, payments } = createEnricher();
  driver.pipe(topics.paymentsRaw.name, { value: Buffer.from('{"transaction_id": 1}') });
  driver.pipe(topics.paymentsRaw.name, { value: null, key: 'c-1' });
  driver.pipe(topics.telemetryRaw.name, { value: null, key: 'd-1' });
  pay();
  assert.deepEqual(
    driver.deadLetters().map(({ reason }) => reason),
    ['schema', 'empty', 'empty'],
  );
  assert.equal(payments().length, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseCustomerSource,
  parseDevice,
  parseLabel,
  parseMerchant,
  parseTelemetry,
  samples,
  telemetryId,
  wireSamples,
} from '@millrace/contracts';
import { faultsOf, NOW_MS, options } from './parse.ts';

test('the samples become the internal form', () => {
  assert.deepEqual(parseTelemetry(wireSamples.telemetry, options), samples.telemetry);
  assert.deepEqual(parseLabel(wireSamples.label, options), samples.label);
  assert.deepEqual(parseCustomerSource(wireSamples.customerSource, options), samples.customerSource);
  assert.deepEqual(parseMerchant(wireSamples.merchant, options), samples.merchant);
  assert.deepEqual(parseDevice(wireSamples.device, options), samples.device);
});

test('everything that is missing is reported together', () => {
  assert.deepEqual(faultsOf(parseTelemetry, {}), ['device_id required', 'event_time required', 'metrics required']);
  assert.deepEqual(faultsOf(parseLabel, {}), [
    'transaction_id required',
    'customer_id required',
    'fraud required',
    'labelled_at required',
    'source required',
  ]);
  assert.deepEqual(faultsOf(parseCustomerSource, {}), [
    'customer_id required',
    'source required',
    'updated_at required',
  ]);
  assert.deepEqual(faultsOf(parseMerchant, {}), ['merchant_id required', 'updated_at required']);
  assert.deepEqual(faultsOf(parseDevice, {}), ['device_id required', 'updated_at required']);
});

const reading = (change: object) => ({ ...wireSamples.telemetry, ...change });

test('metrics are 1 to 64 numbers or booleans', () => {
  const metrics = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, index]));
  assert.equal(Object.keys(parseTelemetry(reading({ metrics: metrics(64) }), options).metrics).length, 64);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: metrics(65) })), ['metrics too-many']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: {} })), ['metrics out-of-range']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: [1] })), ['metrics wrong-type']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: { a: '1' } })), ['metrics.a wrong-type']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: { a: null } })), ['metrics.a wrong-type']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: { a: JSON.parse('1e999') } })), [
    'metrics.a wrong-type',
  ]);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: { 'a b': 1 } })), ['metrics.a b forbidden-name']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ metrics: JSON.parse('{"__proto__":1,"constructor":1}') })), [
    'metrics.__proto__ forbidden-name',
    'metrics.constructor forbidden-name',
  ]);
});

test('a sequence is a whole number from 0', () => {
  assert.equal(parseTelemetry(reading({ sequence: 0 }), options).sequence, 0);
  for (const sequence of [-1, 1.5, 2 ** 53]) {
    assert.deepEqual(faultsOf(parseTelemetry, reading({ sequence })), ['sequence out-of-range']);
  }
  assert.deepEqual(faultsOf(parseTelemetry, reading({ sequence: '1' })), ['sequence wrong-type']);
});

test('a reading is named by device, time and sequence, and one without sequence by the first two', () => {
  assert.equal(telemetryId(samples.telemetry), 'term-03156:1772366340000:4711');
  assert.equal(telemetryId({ device_id: 'd', event_time: 5 }), 'd:5:');
});

test('firmware is a text of up to 256 characters', () => {
  assert.equal(parseTelemetry(reading({ firmware: '🛒'.repeat(256) }), options).firmware, '🛒'.repeat(256));
  assert.deepEqual(faultsOf(parseTelemetry, reading({ firmware: '🛒'.repeat(257) })), ['firmware out-of-range']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ firmware: 4 })), ['firmware wrong-type']);
  assert.deepEqual(faultsOf(parseTelemetry, reading({ firmware: '\udc00' })), ['firmware malformed']);
});

const label = (change: object) => ({ ...wireSamples.label, ...change });

test('a label is young, but the payment that it labels may be of any age', () => {
  const old = NOW_MS - 31 * 86_400_000;
  assert.equal(parseLabel(label({ payment_time: old }), options).payment_time, old);
  assert.deepEqual(faultsOf(parseLabel, label({ labelled_at: old })), ['labelled_at too-old']);
  assert.deepEqual(faultsOf(parseLabel, label({ payment_time: NOW_MS + 300_001 })), ['payment_time in-the-future']);
});

test('a label says true or false and where it comes from, and its card number is replaced by the token', () => {
  assert.deepEqual(faultsOf(parseLabel, label({ fraud: 1, source: 'rumour' })), [
    'fraud wrong-type',
    'source unknown-value',
  ]);
  assert.equal(parseLabel(label({ card_id: '4111111111111111' }), options).card_id, 'token-of-16-digits');
});

const source = (change: object) => ({ ...wireSamples.customerSource, ...change });

test('a customer source may give its fields at the top or as an object, and takes one back with null', () => {
  const parsed = parseCustomerSource(
    source({ fields: { segment_code: 7, email_verified: true }, phone: null }),
    options,
  );
  assert.deepEqual(parsed.fields, {
    name: 'Ana Sousa',
    home_country: 'PT',
    segment: 'retail',
    phone: null,
    segment_code: 7,
    email_verified: true,
  });
  const { customer_id, updated_at } = wireSamples.customerSource;
  assert.deepEqual(parseCustomerSource({ customer_id, source: 'kyc', updated_at }, options).fields, {});
  assert.deepEqual(faultsOf(parseCustomerSource, source({ address: {} })), ['address wrong-type']);
  assert.deepEqual(faultsOf(parseCustomerSource, source({ fields: { customer_id: 'x' } })), [
    'fields.customer_id conflict',
  ]);
});

test('any source has a name, and reference data may be years old but not from the future', () => {
  assert.equal(parseCustomerSource(source({ source: 'loyalty-2' }), options).source, 'loyalty-2');
  assert.deepEqual(faultsOf(parseCustomerSource, source({ source: 'a b' })), ['source malformed']);
  assert.deepEqual(faultsOf(parseCustomerSource, source({ source: 'constructor' })), ['source malformed']);
  assert.equal(
    parseMerchant({ merchant_id: 'm', updated_at: '2001-01-01T00:00:00Z' }, options).updated_at,
    978_307_200_000,
  );
  assert.deepEqual(faultsOf(parseDevice, { device_id: 'd', updated_at: NOW_MS + 300_001 }), [
    'updated_at in-the-future',
  ]);
});

test('merchants and devices keep what else is known of them', () => {
  assert.deepEqual(parseMerchant({ ...wireSamples.merchant, chain: 'Loja' }, options).attributes, { chain: 'Loja' });
  assert.deepEqual(parseDevice({ ...wireSamples.device, attributes: { vendor: 'V' } }, options).attributes, {
    vendor: 'V',
  });
  assert.deepEqual(faultsOf(parseDevice, { ...wireSamples.device, kind: 'a b', country: 'pt' }), [
    'kind malformed',
    'country unknown-value',
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContractError, createTopics, samples } from '@millrace/contracts';

const topics = createTopics();
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

function failure(decode: () => unknown): ContractError {
  try {
    decode();
  } catch (error) {
    if (error instanceof ContractError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' });
}

test('a record is decoded from any view of bytes, Buffer included', () => {
  const text = JSON.stringify(samples.payment);
  assert.deepEqual(topics.paymentsRaw.decode(bytes(text)), samples.payment);
  assert.deepEqual(topics.paymentsRaw.decode(Buffer.from(`xx${text}`).subarray(2)), samples.payment);
});

test('text beyond ASCII survives', () => {
  const merchant = { ...samples.merchant, name: 'Λήδα 雑貨 🛒' };
  assert.deepEqual(topics.merchants.decode(bytes(topics.merchants.encode(merchant))), merchant);
});

test('fields that are undefined are not written', () => {
  assert.equal(topics.devices.encode({ device_id: 'd', updated_at: 1 }), '{"device_id":"d","updated_at":1}');
});

test('an empty value, bytes that are not UTF-8, and text that is not JSON are poison, each with its code', () => {
  const cases: readonly [Uint8Array, string][] = [
    [new Uint8Array(0), 'empty'],
    [Uint8Array.of(0xff, 0xfe, 0x00), 'malformed-utf8'],
    [Uint8Array.of(0xc3), 'malformed-utf8'],
    [bytes('{not json'), 'malformed-json'],
    [bytes('{"transaction_id":"tx-1"'), 'malformed-json'],
    [bytes('\ufeff{}'), 'malformed-json'],
  ];
  for (const [value, code] of cases) {
    const error = failure(() => topics.paymentsRaw.decode(value));
    assert.equal(error.code, code);
    assert.equal(error.retriable, false);
  }
});

test('a record that is no object is poison', () => {
  for (const value of ['null', '1', '"text"', '[]', 'true']) {
    assert.equal(failure(() => topics.paymentsRaw.decode(bytes(value))).code, 'schema', value);
  }
});

const { merchant_id: _merchant, ...withoutMerchant } = samples.payment;
const poison: readonly [string, unknown, string][] = [
  ['transaction_id', { ...samples.payment, transaction_id: undefined }, 'a missing id'],
  ['transaction_id', { ...samples.payment, transaction_id: 'ä' }, 'an id of another alphabet'],
  ['transaction_id', { ...samples.payment, transaction_id: 'x'.repeat(65) }, 'an id that is too long'],
  ['event_time', { ...samples.payment, event_time: '2026-03-01T12:00:00Z' }, 'a time as text'],
  ['event_time', { ...samples.payment, event_time: 1_772_366_400 }, 'a time in seconds'],
  ['amount_minor', { ...samples.payment, amount_minor: 12.5 }, 'a fraction of a minor unit'],
  ['amount_minor', { ...samples.payment, amount_minor: -1 }, 'a negative amount'],
  ['amount_minor', { ...samples.payment, amount_minor: 2 ** 53 }, 'an amount beyond 2^53 - 1'],
  ['amount_minor', { ...samples.payment, amount_minor: '1250' }, 'an amount as text'],
  ['currency', { ...samples.payment, currency: 'eur' }, 'a currency in small letters'],
  ['channel', { ...samples.payment, channel: 'fax' }, 'an unknown channel'],
  ['mcc', { ...samples.payment, mcc: '541' }, 'an MCC of three digits'],
  ['latitude', { ...samples.payment, latitude: 90.5 }, 'a latitude beyond the pole'],
  ['merchant_id', withoutMerchant, 'nobody who is paid'],
  ['attributes.a', { ...samples.payment, attributes: { a: null } }, 'an attribute that is null'],
  ['attributes.a', { ...samples.payment, attributes: { a: { b: 1 } } }, 'an attribute that is an object'],
];
for (const [field, value, what] of poison) {
  test(`${what} in a topic is poison, and the error names ${field}`, () => {
    const error = failure(() => topics.paymentsRaw.decode(bytes(value)));
    assert.equal(error.code, 'schema');
    assert.equal(error.field, field);
  });
}

test('a payment with merchant and payee, and a place with half its coordinates, are poison', () => {
  const { latitude: _, ...half } = samples.payment;
  assert.equal(failure(() => topics.paymentsRaw.decode(bytes({ ...samples.payment, payee_id: 'p' }))).code, 'schema');
  assert.equal(failure(() => topics.paymentsRaw.decode(bytes(half))).code, 'schema');
});

test('an attribute named __proto__ in a topic is poison, so no reader can be made to copy it', () => {
  const text = JSON.stringify(samples.payment).replace('"entry_mode"', '"__proto__"');
  assert.equal(failure(() => topics.paymentsRaw.decode(bytes(text))).code, 'schema');
});

test('a field that this version does not know is let through, so that writers can be newer than readers', () => {
  const newer = { ...samples.payment, loyalty_points: 7 };
  assert.deepEqual(topics.paymentsRaw.decode(bytes(newer)), newer);
});

test('the error of a poison record repeats no value', () => {
  const error = failure(() => topics.paymentsRaw.decode(bytes({ ...samples.payment, card_id: '4111 1111 1111 1111' })));
  assert.equal(error.field, 'card_id');
  assert.doesNotMatch(error.message, /4111/);
  const json = failure(() => topics.paymentsRaw.decode(bytes('{"card_id": 4111111111111111 oops')));
  assert.doesNotMatch(json.message, /4111/);
  const named = { ...samples.payment, attributes: { '4111111111111111': null } };
  assert.doesNotMatch(failure(() => topics.paymentsRaw.decode(bytes(named))).field, /4111/);
});

test('conditions of a rule nest, and one nested without end is poison instead of a crash', () => {
  assert.deepEqual(topics.fraudRules.decode(bytes(samples.rule)), samples.rule);
  const nested = `${'{"not":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  const text = JSON.stringify(samples.rule).replace(/"when":.*,"updated_at"/, `"when":${nested},"updated_at"`);
  assert.equal(failure(() => topics.fraudRules.decode(bytes(text))).code, 'schema');
});

test('a condition with a comparison that does not exist is poison', () => {
  for (const when of [
    { feature: 'a', op: 'like', value: 'b' },
    { all: [] },
    { feature: 'a', op: 'in', value: 'b' },
    {},
  ]) {
    assert.equal(failure(() => topics.fraudRules.decode(bytes({ ...samples.rule, when }))).code, 'schema');
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCustomerSource, parsePayment, parseTelemetry, wireSamples } from '@millrace/contracts';
import { faultsOf, options, problemsOf } from './parse.ts';

const { entry_mode: _, ...wire } = wireSamples.payment;
const attributesOf = (change: object) => parsePayment({ ...wire, ...change }, options).attributes;
const faults = (change: object) => faultsOf(parsePayment, { ...wire, ...change });
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, index]));

test('an event without unknown fields has no attributes, and an empty object of them is none', () => {
  assert.equal(attributesOf({}), undefined);
  assert.equal(attributesOf({ attributes: {} }), undefined);
});

test('unknown fields join the attributes that are given as an object', () => {
  const attributes = attributesOf({ attributes: { colour: 'red', size: 4 }, 'Größe in cm': 12.5, gift: false });
  assert.deepEqual(attributes, { 'Größe in cm': 12.5, gift: false, colour: 'red', size: 4 });
});

test('what is neither text nor number nor boolean is refused, and the field is named', () => {
  assert.deepEqual(faults({ colour: null }), ['colour wrong-type']);
  assert.deepEqual(faults({ colour: [] }), ['colour wrong-type']);
  assert.deepEqual(faults({ attributes: { colour: {} } }), ['attributes.colour wrong-type']);
  assert.deepEqual(faults({ attributes: [1] }), ['attributes wrong-type']);
  assert.deepEqual(faults({ attributes: null }), ['attributes wrong-type']);
  assert.deepEqual(faults({ colour: JSON.parse('1e999') }), ['colour wrong-type']);
  assert.deepEqual(faults({ colour: '\ud800' }), ['colour malformed']);
});

test('a name given twice, and a name that is a field of the event, are refused', () => {
  assert.deepEqual(faults({ colour: 'red', attributes: { colour: 'blue' } }), ['attributes.colour conflict']);
  assert.deepEqual(faults({ attributes: { amount: 5 } }), ['attributes.amount conflict']);
  assert.deepEqual(faults({ attributes: { card_id: '4111111111111111' } }), ['attributes.card_id conflict']);
  assert.deepEqual(faults({ attributes: { amount_minor: 5 } }), ['attributes.amount_minor conflict']);
});

test('32 attributes are kept, and the 33rd is refused, however they are given', () => {
  assert.equal(Object.keys(attributesOf(many(32)) ?? {}).length, 32);
  assert.equal(Object.keys(attributesOf({ attributes: many(32) }) ?? {}).length, 32);
  assert.deepEqual(faults(many(33)), ['attributes too-many']);
  assert.deepEqual(faults({ attributes: many(32), one_more: 1 }), ['attributes too-many']);
  const [problem] = problemsOf(parsePayment, { ...wire, ...many(5_000) });
  assert.equal(problem?.message, 'has 5000 names with all unknown fields, at most 32 are kept; leave some out');
});

test('4,096 bytes of JSON are kept, counted in UTF-8, and one more is refused', () => {
  const bytesAround = '{"note":""}'.length;
  const ascii = 'x'.repeat(4_096 - bytesAround);
  assert.deepEqual(attributesOf({ note: ascii }), { note: ascii });
  assert.deepEqual(faults({ note: `${ascii}x` }), ['attributes too-many']);
  const euros = '€'.repeat(Math.floor((4_096 - bytesAround) / 3)); // three bytes each
  assert.deepEqual(attributesOf({ note: euros }), { note: euros });
  assert.deepEqual(faults({ note: `${euros}€` }), ['attributes too-many']);
  const carts = '🛒'.repeat(Math.floor((4_096 - bytesAround) / 4)); // four bytes each
  assert.deepEqual(attributesOf({ note: carts }), { note: carts });
  assert.deepEqual(faults({ note: `${carts}🛒` }), ['attributes too-many']);
  const [problem] = problemsOf(parsePayment, { ...wire, note: `${ascii}x` });
  assert.equal(problem?.message, 'takes 4097 bytes as JSON, at most 4096 are kept; leave some out');
});

test('names that would reach into prototypes are refused, at the top and among the attributes', () => {
  const names = '{"__proto__": 1, "constructor": 2, "prototype": 3';
  const hostile = JSON.parse(`${names}, "attributes": ${names}}}`);
  assert.deepEqual(faultsOf(parsePayment, { ...wire, ...hostile }).sort(), [
    '__proto__ forbidden-name',
    'attributes.__proto__ forbidden-name',
    'attributes.constructor forbidden-name',
    'attributes.prototype forbidden-name',
    'constructor forbidden-name',
    'prototype forbidden-name',
  ]);
});

test('other names that every object inherits are plain attributes', () => {
  const attributes = attributesOf({ toString: 'a', hasOwnProperty: 'b' });
  assert.deepEqual(Object.entries(attributes ?? {}), [
    ['toString', 'a'],
    ['hasOwnProperty', 'b'],
  ]);
});

test('a name is 1 to 64 characters without control characters, and no card number', () => {
  assert.deepEqual(attributesOf({ ['n'.repeat(64)]: 1 }), { ['n'.repeat(64)]: 1 });
  assert.deepEqual(faults({ ['n'.repeat(65)]: 1 }), [`${'n'.repeat(61)}... forbidden-name`]);
  assert.deepEqual(faults({ '': 1 }), ['(an empty name) forbidden-name']);
  assert.deepEqual(faults({ 'a\nb': 1 }), ['a\\nb forbidden-name']);
  assert.deepEqual(faults({ '4111111111111111': 1 }), ['(a name with a long number) forbidden-name']);
});

test('a card number under the name card_id is replaced by its token in events that have no such field', () => {
  const reading = parseTelemetry({ ...wireSamples.telemetry, card_id: '4111111111111111' }, options);
  assert.deepEqual(reading.attributes, { card_id: 'token-of-16-digits' });
  const nested = parseTelemetry({ ...wireSamples.telemetry, attributes: { card_id: '4111111111111111' } }, options);
  assert.deepEqual(nested.attributes, { card_id: 'token-of-16-digits' });
  const source = parseCustomerSource({ ...wireSamples.customerSource, card_id: '4111111111111111' }, options);
  assert.equal(source.fields.card_id, 'token-of-16-digits');
});

test('an event of very many faults is answered with the first 64', () => {
  const attributes = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`a${index}`, null]));
  assert.equal(problemsOf(parsePayment, { attributes }).length, 32 + 7);
  const metrics = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`m ${index}`, null]));
  assert.equal(problemsOf(parseTelemetry, { metrics, attributes }).length, 64);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPaymentKeys } from '../../src/decisions/payment-keys.ts';

test('a key that comes again with the same text is the same, and with another one is not', () => {
  const keys = createPaymentKeys();
  assert.equal(keys.claim('key-1', 'a payment'), 'new');
  assert.equal(keys.claim('key-2', 'another payment'), 'new');
  assert.equal(keys.claim('key-1', 'a payment'), 'same');
  assert.equal(keys.claim('key-1', 'another payment'), 'other');
  assert.equal(keys.claim('key-1', 'a payment'), 'same');
});

test('the oldest keys are forgotten first', () => {
  const keys = createPaymentKeys(2);
  for (const key of ['key-1', 'key-2', 'key-3']) keys.claim(key, 'a payment');
  assert.deepEqual([keys.claim('key-2', 'a payment'), keys.claim('key-3', 'a payment')], ['same', 'same']);
  assert.equal(keys.claim('key-1', 'another payment'), 'new');
});

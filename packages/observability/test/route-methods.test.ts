import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouteMethods } from '../src/index.ts';

test('the methods of a route are found by a URL of it, with parameters and a query', () => {
  const methods = createRouteMethods();
  methods.add({ url: '/v1/payments', method: 'POST' });
  methods.add({ url: '/v1/payments/:id', method: ['GET', 'HEAD'] });
  methods.add({ url: '/v1/payments/:id', method: 'DELETE' });
  methods.add({ url: '/files/*', method: 'GET' });
  assert.deepEqual(methods.of('/v1/payments?x=1'), ['POST']);
  assert.deepEqual(methods.of('/v1/payments/t-1'), ['GET', 'HEAD', 'DELETE']);
  methods.add({ url: '/v1/payments/redrive', method: 'POST' });
  assert.deepEqual(methods.of('/v1/payments/redrive'), ['POST']);
  for (const url of ['/v1/payments/', '/v1/payments/t-1/more', '/v1/payment', '/v1-payments', '/files/a', '']) {
    assert.deepEqual(methods.of(url), [], url);
  }
});

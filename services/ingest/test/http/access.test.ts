import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createKeys, sha256 } from '../access/credentials-file.ts';
import { createIngest, PAYMENT, READING } from '../fixtures.ts';

const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';
const NDJSON = { 'content-type': 'application/x-ndjson' };

async function createGuardedIngest(t: TestContext, more: object = {}) {
  const keys = await createKeys(t, [{ name: 'shop', sha256: sha256(KEY), scopes: ['payments:write'], ...more }]);
  return { ...keys, ...(await createIngest(t, keys)) };
}

test('a known key with the scope may write, by either header', async (t) => {
  const { post } = await createGuardedIngest(t);
  assert.equal((await post('/v1/payments', PAYMENT, { authorization: `Bearer ${KEY}` })).statusCode, 202);
  assert.equal((await post('/v1/payments', PAYMENT, { 'x-api-key': KEY })).statusCode, 202);
});

test('no key and an unknown key are answered 401, and nothing is written', async (t) => {
  const { post, producer, counted } = await createGuardedIngest(t);
  const none = await post('/v1/payments', PAYMENT);
  const unknown = await post('/v1/payments', PAYMENT, { authorization: 'Bearer guessed' });
  const otherScheme = await post('/v1/payments', PAYMENT, { authorization: `Basic ${KEY}` });
  assert.deepEqual([none.statusCode, unknown.statusCode, otherScheme.statusCode], [401, 401, 401]);
  assert.equal(none.headers['www-authenticate'], 'Bearer realm="millrace"');
  assert.deepEqual(producer.sent, []);
  assert.deepEqual(await counted('millrace_ingest_http_refused_total'), { 401: 3 });
});

test('a key without the scope is answered 403 with the scope', async (t) => {
  const { post, producer } = await createGuardedIngest(t);
  const telemetry = await post('/v1/telemetry', READING, { 'x-api-key': KEY });
  const ndjson = { 'x-api-key': KEY, ...NDJSON };
  const merchants = await post('/v1/batches?kind=merchants', '{}', ndjson);
  assert.deepEqual([telemetry.statusCode, telemetry.json().scope], [403, 'telemetry:write']);
  assert.deepEqual([merchants.statusCode, merchants.json().scope], [403, 'reference:write']);
  assert.equal((await post('/v1/batches', JSON.stringify(PAYMENT), ndjson)).statusCode, 200);
  assert.equal(producer.sent.length, 1);
});

test('health and OpenAPI need no key', async (t) => {
  const { app } = await createGuardedIngest(t);
  for (const url of ['/health/live', '/health/ready', '/openapi.json']) {
    assert.equal((await app.inject({ url })).statusCode, 200, url);
  }
});

test('a key that has ended is answered 401 from then on', async (t) => {
  const { post, clock } = await createGuardedIngest(t, { not_after: '2026-03-01T12:00:10Z' });
  assert.equal((await post('/v1/payments', PAYMENT, { 'x-api-key': KEY })).statusCode, 202);
  clock.nowMs += 10_000;
  assert.equal((await post('/v1/payments', PAYMENT, { 'x-api-key': KEY })).statusCode, 401);
});

test('without a limit no answer has the fields of one', async (t) => {
  const { post } = await createGuardedIngest(t);
  const { headers } = await post('/v1/payments', PAYMENT, { 'x-api-key': KEY });
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('ratelimit')),
    [],
  );
});

const LIMITED = { rate_limit: { events_per_second: 2, burst_events: 10 } };

test('every answer says what the key may still send', async (t) => {
  const { post } = await createGuardedIngest(t, LIMITED);
  const { statusCode, headers } = await post('/v1/payments', PAYMENT, { 'x-api-key': KEY });
  assert.equal(statusCode, 202);
  assert.equal(headers['ratelimit-policy'], '"events";q=10;w=5');
  assert.equal(headers.ratelimit, '"events";r=9;t=1');
  assert.deepEqual(
    ['limit', 'remaining', 'reset'].map((field) => headers[`ratelimit-${field}`]),
    ['10', '9', '1'],
  );
});

test('events are counted, not requests: an array is as many as it has, also those that are wrong', async (t) => {
  const { post } = await createGuardedIngest(t, LIMITED);
  const payments = ['t-1', 't-2', 't-3'].map((transaction_id) => ({ ...PAYMENT, transaction_id }));
  const { headers } = await post('/v1/payments', [...payments, {}], { 'x-api-key': KEY });
  assert.equal(headers.ratelimit, '"events";r=6;t=2');
});

test('a key that has sent too much is answered 429 and told when to come again; then it may', async (t) => {
  const { post, clock, producer, counted } = await createGuardedIngest(t, LIMITED);
  const key = { 'x-api-key': KEY };
  const payments = Array.from({ length: 13 }, (_, index) => ({ ...PAYMENT, transaction_id: `t-${index}` }));
  // What has been read is taken, and owed.
  assert.equal((await post('/v1/payments', payments, key)).statusCode, 202);
  const refused = await post('/v1/payments', PAYMENT, key);
  assert.equal(refused.statusCode, 429);
  assert.match(String(refused.headers['content-type']), /^application\/problem\+json/);
  assert.deepEqual([refused.json().events_per_second, refused.json().burst_events], [2, 10]);
  assert.deepEqual([refused.headers['retry-after'], refused.headers.ratelimit], ['2', '"events";r=0;t=7']);
  assert.equal(producer.sent.length, 13);
  assert.deepEqual(await counted('millrace_ingest_http_refused_total'), { 429: 1 });
  clock.nowMs += 2_000;
  assert.equal((await post('/v1/payments', PAYMENT, key)).statusCode, 202);
  assert.equal((await post('/v1/payments', PAYMENT, key)).statusCode, 429);
});

test('a request without a right body counts, too', async (t) => {
  const { post } = await createGuardedIngest(t, { rate_limit: { events_per_second: 1, burst_events: 2 } });
  const codes: number[] = [];
  for (const body of ['{', '{', '{']) codes.push((await post('/v1/payments', body, { 'x-api-key': KEY })).statusCode);
  assert.deepEqual(codes, [400, 400, 429]);
});

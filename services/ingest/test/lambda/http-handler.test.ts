import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { createHttpHandler } from '../../src/lambda/http-handler.ts';
import { createKeys, sha256 } from '../access/credentials-file.ts';
import { createIngest, PAYMENT } from '../fixtures.ts';
import { EVENT_SHAPES, type EventShape, eventOf, type Request } from './http-events.ts';

const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';
const JSON_TYPE = { 'content-type': 'application/json', 'x-api-key': KEY };
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson', 'x-api-key': KEY };

async function createFunction(t: TestContext) {
  const scopes = ['payments:write'];
  const keys = await createKeys(t, [{ name: 'shop', sha256: sha256(KEY), scopes }]);
  const ingest = await createIngest(t, keys);
  const handler = createHttpHandler(ingest);
  const call = async (shape: EventShape, request: Request) => {
    const answer = await handler(eventOf(shape, request) as never, {});
    return { ...answer, json: JSON.parse(answer.body) };
  };
  return { ...ingest, call };
}

for (const shape of EVENT_SHAPES) {
  test(`${shape}: one payment is accepted once Kafka has it`, async (t) => {
    const { call, producer } = await createFunction(t);
    const answer = await call(shape, { path: '/v1/payments', headers: JSON_TYPE, body: JSON.stringify(PAYMENT) });
    assert.equal(answer.statusCode, 202);
    assert.deepEqual(answer.json, { accepted: 1, transaction_id: 't-1' });
    assert.equal(answer.isBase64Encoded, false);
    assert.equal(producer.sent.length, 1);
    if (shape === 'loadBalancerLists') {
      const lists = (answer as unknown as { multiValueHeaders: Record<string, string[]> }).multiValueHeaders;
      assert.deepEqual(lists['content-type'], ['application/json; charset=utf-8']);
    } else assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
  });

  test(`${shape}: a body of bytes is a body: gzip, NDJSON, letters beyond ASCII`, async (t) => {
    const { call, producer } = await createFunction(t);
    const lines = ['t-1', 't-2', 't-3'].map((id) =>
      JSON.stringify({ ...PAYMENT, transaction_id: id, customer_id: 'c-1' }),
    );
    const ndjson = await call(shape, {
      path: '/v1/payments',
      headers: { ...NDJSON_TYPE, 'content-encoding': 'gzip' },
      body: gzipSync(lines.join('\n')),
    });
    assert.deepEqual([ndjson.statusCode, ndjson.json.accepted], [202, 3]);
    const described = JSON.stringify({ ...PAYMENT, transaction_id: 't-zoë' });
    const refused = await call(shape, { path: '/v1/payments', headers: JSON_TYPE, body: Buffer.from(described) });
    assert.equal(refused.statusCode, 422, 'an id is of letters that others can type');
    assert.equal(producer.sent.length, 3);
  });

  test(`${shape}: no key is answered 401, a wrong payment 422 with its problems`, async (t) => {
    const { call, producer } = await createFunction(t);
    const path = '/v1/payments';
    const { 'x-api-key': _, ...noKey } = JSON_TYPE;
    const none = await call(shape, { path, headers: noKey, body: JSON.stringify(PAYMENT) });
    assert.equal(none.statusCode, 401);
    const wrong = await call(shape, {
      path,
      headers: JSON_TYPE,
      body: JSON.stringify({ ...PAYMENT, currency: 'euro' }),
    });
    assert.equal(wrong.statusCode, 422);
    assert.equal(wrong.json.problems[0].field, 'currency');
    assert.deepEqual(producer.sent, []);
  });

  test(`${shape}: a query and a path arrive as they were sent`, async (t) => {
    const { call } = await createFunction(t);
    const unknown = await call(shape, {
      path: '/v1/batches',
      query: { kind: 'a,b' },
      headers: NDJSON_TYPE,
      body: '{}',
    });
    assert.equal(unknown.statusCode, 422);
    assert.equal(unknown.json.field, 'kind');
    const missing = await call(shape, { method: 'GET', path: '/v1/nothing' });
    assert.equal(missing.statusCode, 404);
    const health = await call(shape, { method: 'GET', path: '/health/ready' });
    assert.equal(health.statusCode, 200);
  });
}

test('API Gateway 1.0 with a stage in its path reaches the same route', async (t) => {
  const { call } = await createFunction(t);
  const answer = await call('apiGatewayV1', {
    path: '/prod/v1/payments',
    headers: JSON_TYPE,
    body: JSON.stringify(PAYMENT),
  });
  assert.equal(answer.statusCode, 202);
});

test('when Kafka does not confirm, the answer is 503 with Retry-After, and nothing was accepted', async (t) => {
  const { call, producer } = await createFunction(t);
  producer.failWith(new Error('no broker'));
  const request = { path: '/v1/payments', headers: JSON_TYPE, body: JSON.stringify(PAYMENT) };
  const refused = await call('apiGatewayV2', request);
  assert.equal(refused.statusCode, 503);
  assert.match(String(refused.headers['retry-after']), /^\d+$/);
  producer.failWith(undefined);
  // Between requests nothing runs: this one waits for what finds out that Kafka is back.
  assert.equal((await call('apiGatewayV2', request)).statusCode, 202);
});

test('without a reader of decisions, asking for one is refused with a reason', async (t) => {
  const { call, producer } = await createFunction(t);
  const query = { wait: 'decision' };
  const answer = await call('apiGatewayV2', {
    path: '/v1/payments',
    query,
    headers: JSON_TYPE,
    body: JSON.stringify(PAYMENT),
  });
  assert.ok(answer.statusCode >= 400 && answer.statusCode < 500, String(answer.statusCode));
  assert.equal(producer.sent.length, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { API_VERSION } from '../../src/http/openapi.ts';
import { createIngest } from '../fixtures.ts';

test('the OpenAPI text names the routes with their bodies, and the version of the package', async (t) => {
  const { app } = await createIngest(t);
  const document = (await app.inject({ url: '/openapi.json' })).json();
  assert.equal(document.openapi, '3.1.0');
  assert.equal(document.info.version, packageJson.version);
  assert.equal(API_VERSION, packageJson.version);
  assert.deepEqual(Object.keys(document.paths).toSorted(), [
    '/v1/batches',
    '/v1/labels',
    '/v1/payments',
    '/v1/telemetry',
  ]);
  const { requestBody, responses } = document.paths['/v1/payments'].post;
  assert.deepEqual(Object.keys(requestBody.content), ['application/json', 'application/x-ndjson']);
  assert.deepEqual(Object.keys(responses), [
    '200',
    '202',
    '207',
    '400',
    '401',
    '403',
    '408',
    '413',
    '415',
    '422',
    '429',
    '431',
    '503',
  ]);
});

test('the OpenAPI text offers waiting and an Idempotency-Key for payments, and for nothing else', async (t) => {
  const { app } = await createIngest(t);
  const { paths } = (await app.inject({ url: '/openapi.json' })).json();
  const namesOf = (path: string) => paths[path].post.parameters.map(({ name }: { name: string }) => name).toSorted();
  assert.deepEqual(namesOf('/v1/payments'), ['idempotency-key', 'traceparent', 'wait']);
  assert.deepEqual(namesOf('/v1/telemetry'), ['traceparent']);
  assert.deepEqual(namesOf('/v1/labels'), ['traceparent']);
  const { schema } = paths['/v1/payments'].post.responses['200'].content['application/json'];
  assert.deepEqual(schema.properties.decision.enum, ['approve', 'review', 'decline']);
});

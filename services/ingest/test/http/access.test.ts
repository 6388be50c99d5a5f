import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { deviceIdIsPassword, loadApiKeys, loadDeviceCredentials } from '../../src/access.ts';
import { createIngest, PAYMENT, READING } from '../fixtures.ts';

const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function createFile(t: TestContext, content: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'credentials.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

async function createGuardedIngest(t: TestContext) {
  const file = await createFile(t, { keys: [{ name: 'shop', sha256: sha256(KEY), scopes: ['payments:write'] }] });
  return createIngest(t, { findApiKey: await loadApiKeys(file) });
}

test('a known key with the scope may write, by either header', async (t) => {
  const { post } = await createGuardedIngest(t);
  assert.equal((await post('/v1/payments', PAYMENT, { authorization: `Bearer ${KEY}` })).statusCode, 202);
  assert.equal((await post('/v1/payments', PAYMENT, { 'x-api-key': KEY })).statusCode, 202);
});

test('no key and an unknown key are answered 401, and nothing is written', async (t) => {
  const { post, producer } = await createGuardedIngest(t);
  const none = await post('/v1/payments', PAYMENT);
  const unknown = await post('/v1/payments', PAYMENT, { authorization: 'Bearer guessed' });
  assert.deepEqual([none.statusCode, unknown.statusCode], [401, 401]);
  assert.equal(none.headers['www-authenticate'], 'Bearer realm="millrace"');
  assert.deepEqual(producer.sent, []);
});

test('a key without the scope is answered 403 with the scope', async (t) => {
  const { post, producer } = await createGuardedIngest(t);
  const telemetry = await post('/v1/telemetry', READING, { 'x-api-key': KEY });
  const ndjson = { 'x-api-key': KEY, 'content-type': 'application/x-ndjson' };
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

test('a file of keys that is not right is refused with the place of the fault and without its values', async (t) => {
  const file = await createFile(t, { keys: [{ name: 'shop', sha256: KEY, scopes: ['payments:write'] }] });
  await assert.rejects(loadApiKeys(file), (error: Error) => {
    assert.match(error.message, /API_KEYS_FILE: .*\/keys\/0\/sha256/);
    assert.equal(error.message.includes(KEY), false);
    return true;
  });
  await assert.rejects(loadApiKeys(await createFile(t, 'keys: []')), { code: 'credentials-file' });
  await assert.rejects(loadApiKeys('/nowhere/keys.json'), { code: 'credentials-file' });
});

test("a device's password is checked against its hash", async (t) => {
  const file = await createFile(t, { devices: [{ device_id: 'device-1', sha256: sha256('a long secret') }] });
  const check = await loadDeviceCredentials(file);
  assert.equal(check('device-1', 'a long secret'), true);
  assert.equal(check('device-1', 'device-1'), false);
  assert.equal(check('device-2', 'a long secret'), false);
});

test('on a laptop the password is the device id', () => {
  assert.equal(deviceIdIsPassword('device-1', 'device-1'), true);
  assert.equal(deviceIdIsPassword('device-1', 'device-2'), false);
  assert.equal(deviceIdIsPassword('not/an id', 'not/an id'), false);
});

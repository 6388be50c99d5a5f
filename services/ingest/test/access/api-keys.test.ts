import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createApiKeys, readApiKeys } from '../../src/access/api-keys.ts';
import { createDeviceCheck, deviceIdIsPassword, readDeviceCredentials } from '../../src/access/device-credentials.ts';
import { NOW_MS } from '../fixtures.ts';
import { createFile, createKeys, sha256 } from './credentials-file.ts';

const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';
const SHOP = { name: 'shop', scopes: ['payments:write'] };

async function read(t: TestContext, content: unknown) {
  return readApiKeys({ file: await createFile(t, content), rateLimit: undefined, nowMs: () => NOW_MS });
}

test('a key is known by its hash, with its name and scopes', async (t) => {
  const { apiKeys } = await createKeys(t, [{ ...SHOP, sha256: sha256(KEY) }]);
  assert.equal(apiKeys.find(KEY)?.name, 'shop');
  assert.deepEqual([...(apiKeys.find(KEY)?.scopes ?? [])], ['payments:write']);
  assert.equal(apiKeys.find(`${KEY} `), undefined);
  assert.equal(apiKeys.find(sha256(KEY)), undefined);
});

test('a key ends at its not_after, and another one of the same name goes on', async (t) => {
  const { apiKeys, clock } = await createKeys(t, [
    { ...SHOP, sha256: sha256('old'), not_after: new Date(NOW_MS + 60_000).toISOString() },
    { ...SHOP, sha256: sha256('new') },
  ]);
  assert.deepEqual([apiKeys.find('old')?.name, apiKeys.find('new')?.name], ['shop', 'shop']);
  clock.nowMs = NOW_MS + 59_999;
  assert.equal(apiKeys.find('old')?.name, 'shop');
  clock.nowMs = NOW_MS + 60_000;
  assert.deepEqual([apiKeys.find('old')?.name, apiKeys.find('new')?.name], [undefined, 'shop']);
});

test('a client certificate is known by its fingerprint, or by its common name', async (t) => {
  const { apiKeys } = await createKeys(t, [
    { ...SHOP, certificate_sha256: 'a'.repeat(64) },
    { name: 'bank', scopes: ['labels:write'], certificate_cn: 'bank.example' },
  ]);
  const find = (hash: string, commonName?: string) =>
    apiKeys.findCertificate({ sha256: hash.repeat(64), commonName })?.name;
  assert.deepEqual([find('a'), find('a', 'bank.example'), find('b', 'bank.example')], ['shop', 'shop', 'bank']);
  assert.deepEqual([find('b'), find('b', 'shop')], [undefined, undefined]);
});

test('keys of one name draw from one bucket, also when the file is read again', async (t) => {
  const file = await createFile(t, {
    keys: ['one', 'two'].map((key) => ({ ...SHOP, sha256: sha256(key) })),
  });
  const options = { file, rateLimit: { eventsPerSecond: 1, burstEvents: 10 }, nowMs: () => NOW_MS };
  const table = await readApiKeys(options);
  const left = (key: string, from = table) => from.byHash.get(sha256(key))?.bucket?.left(NOW_MS);
  table.byHash.get(sha256('one'))?.bucket?.take(4);
  assert.deepEqual([left('one'), left('two')], [6, 6]);
  const again = await readApiKeys({ ...options, rateLimit: { eventsPerSecond: 2, burstEvents: 5 } }, table);
  assert.deepEqual([left('one', again), again.byHash.get(sha256('two'))?.bucket?.limit.eventsPerSecond], [5, 2]);
});

test('a key may have a limit of its own, or none', async (t) => {
  const limit = { eventsPerSecond: 5, burstEvents: 50 };
  const keys = [
    { ...SHOP, name: 'usual', sha256: sha256('usual') },
    { ...SHOP, name: 'small', sha256: sha256('small'), rate_limit: { events_per_second: 2 } },
    { ...SHOP, name: 'free', sha256: sha256('free'), rate_limit: { events_per_second: 0 } },
  ];
  const { apiKeys } = await createKeys(t, keys, limit);
  assert.deepEqual(
    ['usual', 'small', 'free'].map((key) => apiKeys.find(key)?.bucket?.limit),
    [limit, { eventsPerSecond: 2, burstEvents: 2 }, undefined],
  );
});

test('a file of keys that is not right is refused with the place of the fault and without its values', async (t) => {
  const secret = 'mk_secret_in_the_wrong_place';
  const faulty: [unknown, RegExp][] = [
    [{ keys: [{ ...SHOP, sha256: secret }] }, /\/keys\/0\/sha256/],
    [{ keys: [SHOP] }, /\/keys\/0: .*exactly one of sha256, certificate_sha256, certificate_cn/],
    [{ keys: [{ ...SHOP, sha256: sha256(KEY), certificate_cn: 'shop' }] }, /\/keys\/0: .*exactly one/],
    [{ keys: [{ ...SHOP, sha256: sha256(KEY), not_afer: '2026-01-01T00:00:00Z' }] }, /\/keys\/0/],
    [{ keys: [{ ...SHOP, sha256: sha256(KEY), not_after: 'tomorrow' }] }, /\/keys\/0: not_after/],
    [{ keys: [SHOP, SHOP].map((shop) => ({ ...shop, sha256: sha256(KEY) })) }, /\/keys\/1: .*same sha256/],
    [
      {
        keys: [
          { ...SHOP, sha256: sha256('a') },
          { ...SHOP, sha256: sha256('b'), rate_limit: { events_per_second: 1 } },
        ],
      },
      /\/keys\/1: .*another rate_limit/,
    ],
    [`{ "keys": [{ "sha256": "${secret}" ]`, /is not JSON at line 1 column/],
    ['', /is not JSON/],
  ];
  for (const [content, message] of faulty) {
    await assert.rejects(read(t, content), (error: Error & { code: string; cause?: unknown }) => {
      assert.equal(error.code, 'credentials-file');
      assert.match(error.message, /^API_KEYS_FILE: /);
      assert.match(error.message, message);
      assert.equal(`${error.message} ${String(error.cause)}`.includes(secret), false);
      return true;
    });
  }
  const missing = { file: '/nowhere/keys.json', rateLimit: undefined, nowMs: () => NOW_MS };
  await assert.rejects(readApiKeys(missing), /cannot be read/);
});

test('the table is asked anew each time, so that another one takes effect at once', async (t) => {
  let table = await read(t, { keys: [{ ...SHOP, sha256: sha256('one') }] });
  const apiKeys = createApiKeys(
    () => table,
    () => NOW_MS,
  );
  assert.equal(apiKeys.find('one')?.name, 'shop');
  table = await read(t, { keys: [{ ...SHOP, sha256: sha256('two') }] });
  assert.deepEqual([apiKeys.find('one'), apiKeys.find('two')?.name], [undefined, 'shop']);
});

const withPassword = (userName: string, password: string) => ({ userName, password, certificate: undefined });
const withCertificate = (hash: string, commonName: string | undefined, userName?: string) => ({
  userName,
  password: undefined,
  certificate: { sha256: hash, commonName },
});

test("a device's password is checked against its hashes, of which it may have two for a while", async (t) => {
  const devices = ['a long secret', 'another one'].map((text) => ({ device_id: 'device-1', sha256: sha256(text) }));
  const table = await readDeviceCredentials(await createFile(t, { devices }));
  const identify = createDeviceCheck(() => table);
  assert.equal(identify(withPassword('device-1', 'a long secret')), 'device-1');
  assert.equal(identify(withPassword('device-1', 'another one')), 'device-1');
  assert.equal(identify(withPassword('device-1', 'device-1')), undefined);
  assert.equal(identify(withPassword('device-2', 'a long secret')), undefined);
  assert.equal(identify({ userName: undefined, password: undefined, certificate: undefined }), undefined);
  assert.equal(identify(withCertificate(sha256('any'), 'device-1')), undefined);
});

test('a certificate is the device that its entry says, by its hash or its common name, and no other user name goes with it', async (t) => {
  const [listed, other] = [sha256('listed'), sha256('other')];
  const devices = [
    { device_id: 'device-1', certificate_sha256: listed },
    { device_id: 'device-2', certificate_cn: 'pump 2' },
    { device_id: 'device-3', sha256: sha256('a long secret') },
  ];
  const table = await readDeviceCredentials(await createFile(t, { devices }));
  const identify = createDeviceCheck(() => table);
  assert.equal(identify(withCertificate(listed, undefined)), 'device-1');
  assert.equal(identify(withCertificate(listed, 'pump 2')), 'device-1');
  assert.equal(identify(withCertificate(other, 'pump 2')), 'device-2');
  assert.equal(identify(withCertificate(other, 'pump 2', 'device-2')), 'device-2');
  assert.equal(identify(withCertificate(other, 'pump 2', 'device-3')), undefined);
  assert.equal(identify(withCertificate(other, 'device-1')), undefined);
  // A password does not help a certificate that is not listed.
  const both = { ...withPassword('device-3', 'a long secret'), certificate: { sha256: other, commonName: 'device-3' } };
  assert.equal(identify(both), undefined);
});

test('an entry of a device with no way to log in, or with two, or one that is taken, is refused with its place', async (t) => {
  const hash = sha256('x');
  for (const devices of [
    [{ device_id: 'device-1' }],
    [{ device_id: 'device-1', sha256: hash, certificate_cn: 'x' }],
    [
      { device_id: 'device-1', certificate_cn: 'x' },
      { device_id: 'device-2', certificate_cn: 'x' },
    ],
  ]) {
    const file = await createFile(t, { devices });
    await assert.rejects(readDeviceCredentials(file), new RegExp(`/devices/${devices.length - 1}`));
  }
});

test("on a laptop the password is the device id, and a certificate's common name is", () => {
  assert.equal(deviceIdIsPassword(withPassword('device-1', 'device-1')), 'device-1');
  assert.equal(deviceIdIsPassword(withPassword('device-1', 'device-2')), undefined);
  assert.equal(deviceIdIsPassword(withPassword('not/an id', 'not/an id')), undefined);
  assert.equal(deviceIdIsPassword(withCertificate(sha256('x'), 'device-1')), 'device-1');
  assert.equal(deviceIdIsPassword(withCertificate(sha256('x'), 'device-1', 'device-2')), undefined);
  assert.equal(deviceIdIsPassword(withCertificate(sha256('x'), undefined, 'device-1')), undefined);
});

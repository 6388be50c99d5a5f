import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createApiKeys, readApiKeys } from '../../src/access/api-keys.ts';
import { createDeviceCheck, readDeviceCredentials } from '../../src/access/device-credentials.ts';
import { addDevicePassword, rotateApiKey } from '../../src/access/new-credentials.ts';
import { createFolder, sha256 } from './credentials-file.ts';

const COMMAND = fileURLToPath(new URL('../../src/access/api-key-command.ts', import.meta.url));

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

async function keysIn(file: string, nowMs: () => number = Date.now) {
  const table = await readApiKeys({ file, rateLimit: undefined, nowMs });
  return createApiKeys(() => table, nowMs);
}

async function createFileName(t: TestContext): Promise<string> {
  return join(await createFolder(t), 'keys.json');
}

test('a new key is printed once, and ingest knows it by the file, which only its owner may read', async (t) => {
  const file = await createFileName(t);
  const made = await run('new', '--name', 'shop', '--scopes', 'payments:write,labels:write', '--file', file);
  const key = made.out.trim();
  assert.deepEqual([made.code, /^mk_[\w-]{43}$/.test(key)], [0, true]);
  const found = (await keysIn(file)).find(key);
  assert.deepEqual([found?.name, [...(found?.scopes ?? [])]], ['shop', ['payments:write', 'labels:write']]);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await readFile(file, 'utf8')).includes(key), false);
});

test('a rotation keeps the old key for a while, and the mode and place of the file', async (t) => {
  const file = await createFileName(t);
  const old = (await run('new', '--name', 'shop', '--scopes', 'payments:write', '--file', file)).out.trim();
  await chmod(file, 0o640);
  const link = `${file}.link`;
  await symlink(file, link);
  const rotated = await run('rotate', '--name', 'shop', '--file', link, '--overlap-hours', '2');
  assert.equal(rotated.code, 0, rotated.err);
  const now = await keysIn(file);
  assert.deepEqual([now.find(old)?.name, now.find(rotated.out.trim())?.name], ['shop', 'shop']);
  const later = await keysIn(file, () => Date.now() + 2 * 3_600_000 + 60_000);
  assert.deepEqual([later.find(old), later.find(rotated.out.trim())?.name], [undefined, 'shop']);
  assert.equal((await stat(file)).mode & 0o777, 0o640);
  assert.deepEqual((await readdir(join(file, '..'))).toSorted(), ['keys.json', 'keys.json.link']);
});

test('a password of a device is made and changed', async (t) => {
  const file = await createFileName(t);
  const first = (await run('new', '--device', 'term-1', '--file', file)).out.trim();
  const second = (await run('rotate', '--device', 'term-1', '--file', file)).out.trim();
  const table = await readDeviceCredentials(file);
  const identify = createDeviceCheck(() => table);
  for (const password of [first, second]) {
    assert.equal(identify({ userName: 'term-1', password, certificate: undefined }), 'term-1');
  }
});

test('what cannot be done is said, with code 2, and the file stays as it is', async (t) => {
  const file = await createFileName(t);
  await writeFile(file, '{ "keys": [] }');
  const wrong: [string[], RegExp][] = [
    [[], /^usage/],
    [['new'], /^usage/],
    [['new', '--name', 'a', '--device', 'b'], /^usage/],
    [['new', '--name', 'a', '--scopes', 'all'], /--scopes takes/],
    [['new', '--name', 'a', '--scopes', 'labels:write', '--not-after', 'tomorrow'], /--not-after takes/],
    [['new', '--name', 'a', '--scopes', 'labels:write', '--file', file], /API_KEYS_FILE: .*\/keys/],
    [['rotate', '--name', 'a'], /rotate needs --file/],
    [['rotate', '--name', 'a', '--file', `${file}.none`], /has no key named a/],
    [['new', '--nmae', 'a'], /nmae/],
  ];
  const answers = await Promise.all(wrong.map(([args]) => run(...args)));
  for (const [index, { code, out, err }] of answers.entries()) {
    const [args = [], message = /^$/] = wrong[index] ?? [];
    assert.equal(code, 2, args.join(' '));
    assert.match(out + err, message);
  }
  assert.equal(await readFile(file, 'utf8'), '{ "keys": [] }');
});

test('without a file the entry is printed, for who keeps it elsewhere', async () => {
  const { code, out } = await run('new', '--name', 'shop', '--scopes', 'payments:write');
  const [key = '', , , entry = ''] = out.split('\n');
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(entry), { name: 'shop', sha256: sha256(key), scopes: ['payments:write'] });
});

test('a rotation drops what has ended, ends the others, and leaves other names and certificates alone', () => {
  const scopes = ['payments:write' as const];
  const hash = (digit: string) => digit.repeat(64);
  const entries = [
    { name: 'shop', sha256: hash('1'), scopes, not_after: '2026-01-01T00:00:00Z' },
    { name: 'shop', sha256: hash('2'), scopes, not_after: '2026-03-01T01:00:00Z' },
    { name: 'shop', sha256: hash('3'), scopes, rate_limit: { events_per_second: 9 } },
    { name: 'shop', certificate_cn: 'shop.example', scopes },
    { name: 'bank', sha256: hash('4'), scopes },
  ];
  const nowMs = Date.UTC(2026, 2, 1);
  const made = rotateApiKey(entries, { name: 'shop', nowMs, endMs: nowMs + 7_200_000 });
  assert.deepEqual(made?.entries, [
    { ...entries[1], not_after: '2026-03-01T01:00:00.000Z' },
    { ...entries[2], not_after: '2026-03-01T02:00:00.000Z' },
    entries[3],
    entries[4],
    { name: 'shop', sha256: sha256(made?.secret ?? ''), scopes, rate_limit: { events_per_second: 9 } },
  ]);
  assert.equal(rotateApiKey(entries, { name: 'nobody', nowMs, endMs: nowMs }), undefined);
});

test('of the passwords of a device, the newest two are kept', () => {
  const entry = (digit: string) => ({ device_id: 'term-1', sha256: digit.repeat(64) });
  const others = [{ device_id: 'term-2', sha256: '9'.repeat(64) }];
  const { secret, entries } = addDevicePassword([entry('1'), ...others, entry('2')], 'term-1');
  assert.deepEqual(entries, [...others, entry('2'), { device_id: 'term-1', sha256: sha256(secret) }]);
});

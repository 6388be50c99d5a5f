import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticate, createUsers } from '../../src/clickhouse/users.ts';

const users = createUsers({ isLoopback: true, password: 'p:w', readOnlyPassword: undefined });
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const none = new URLSearchParams();

test('a user comes in by header, basic auth or URL', () => {
  const ways = [
    { headers: { 'x-clickhouse-user': 'default', 'x-clickhouse-key': 'p:w' }, parameters: none },
    { headers: { 'x-clickhouse-key': 'p:w' }, parameters: none },
    { headers: basic('default:p:w'), parameters: none },
    { headers: basic(':p:w'), parameters: none },
    { headers: {}, parameters: new URLSearchParams({ user: 'default', password: 'p:w' }) },
    { headers: {}, parameters: new URLSearchParams({ password: 'p:w' }) },
  ];
  for (const request of ways) assert.equal(authenticate(users, request).name, 'default');
});

test('the headers win over the URL', () => {
  const parameters = new URLSearchParams({ user: 'default', password: 'p:w' });
  const headers = { 'x-clickhouse-user': 'readonly' };
  assert.equal(authenticate(users, { headers, parameters }).name, 'readonly');
});

test('an unknown name and a wrong password are refused in the same words', () => {
  const refused = { type: 'AUTHENTICATION_FAILED', message: /x: Authentication failed|default: Authentication failed/ };
  for (const headers of [basic('x:'), basic('default:'), basic('default:P:W'), {}]) {
    assert.throws(() => authenticate(users, { headers, parameters: none }), refused);
  }
});

test('on loopback nobody needs a password, beyond it everybody does', () => {
  const local = createUsers({ isLoopback: true, password: undefined, readOnlyPassword: undefined });
  assert.deepEqual(
    local.map(({ name, password, readOnly }) => [name, password, readOnly]),
    [
      ['default', '', false],
      ['readonly', '', true],
    ],
  );
  const outside = createUsers({ isLoopback: false, password: 'x', readOnlyPassword: undefined });
  assert.deepEqual(
    outside.map(({ name }) => name),
    ['default'],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadClickHouseConfig } from '../../src/clickhouse/config.ts';

const FLAGS = ['--port', '8123', '--data', '/data'];

test('flags and environment make a configuration', () => {
  assert.deepEqual(loadClickHouseConfig(FLAGS, {}), {
    host: '127.0.0.1',
    port: 8_123,
    dataDir: '/data',
    isLoopback: true,
    password: undefined,
    readOnlyPassword: undefined,
    isSupervised: false,
  });
  const env = { CLICKHOUSE_PASSWORD: 'p', CLICKHOUSE_READONLY_PASSWORD: 'r', MILLRACE_SUPERVISED: '1' };
  const config = loadClickHouseConfig([...FLAGS, '--host', '0.0.0.0'], env);
  assert.deepEqual(
    [config.isLoopback, config.password, config.readOnlyPassword, config.isSupervised],
    [false, 'p', 'r', true],
  );
});

test('what is wrong is named with the usage', () => {
  const wrong = [
    [],
    ['--port', 'x', '--data', '/d'],
    ['--port', '70000', '--data', '/d'],
    ['--port', '1'],
    [...FLAGS, '-x'],
  ];
  for (const args of wrong)
    assert.throws(() => loadClickHouseConfig(args, {}), { code: 'bad-flag', message: /usage:/ });
});

test('an address beyond loopback wants a password', () => {
  const args = [...FLAGS, '--host', '0.0.0.0'];
  assert.throws(() => loadClickHouseConfig(args, {}), { code: 'bad-flag', message: /CLICKHOUSE_PASSWORD/ });
});

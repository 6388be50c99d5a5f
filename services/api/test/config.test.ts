import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { configTable } from '@millrace/observability';
import { configSchema, readConfig } from '../src/config.ts';

test('the README has the table of all settings', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  assert.ok(readme.includes(configTable(configSchema)), `README.md should contain:\n${configTable(configSchema)}`);
});

test('an address that others can reach is refused unless the network is trusted', () => {
  assert.equal(readConfig({}).HTTP_PORT, 8090);
  assert.throws(() => readConfig({ HOST: '0.0.0.0' }), /TRUSTED_NETWORK to true/);
  assert.equal(readConfig({ HOST: '0.0.0.0', TRUSTED_NETWORK: 'true' }).HOST, '0.0.0.0');
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configTable } from '@millrace/observability';
import { configSchema, readConfig } from '../src/config.ts';

test('the README lists every setting as the schema has it', () => {
  const cells = (text: string) => text.match(/^\| `[A-Z_]+`.*$/gm)?.map((line) => line.replaceAll(/\s+/g, ' '));
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  assert.deepEqual(cells(readme), cells(configTable(configSchema)));
});

test('without configuration everything is on this machine', () => {
  const config = readConfig({});
  assert.deepEqual([config.KAFKA_BROKERS, config.CLICKHOUSE_URL], [['127.0.0.1:9092'], 'http://127.0.0.1:8123']);
  assert.deepEqual([config.CLICKHOUSE_DATABASE, config.HOST, config.METRICS_PORT], ['millrace', '127.0.0.1', 9404]);
});

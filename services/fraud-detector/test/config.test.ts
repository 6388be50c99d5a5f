import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configTable } from '@millrace/observability';
import { configSchema, readConfig } from '../src/config.ts';

test('the README has the table of settings as it is', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  assert.ok(readme.includes(configTable(configSchema)), `README.md should contain:\n${configTable(configSchema)}`);
});

test('the defaults are those of a laptop', () => {
  const { KAFKA_BROKERS, TOPIC_PREFIX, TOPIC_PARTITIONS, HOST, METRICS_PORT } = readConfig({});
  assert.deepEqual(
    [KAFKA_BROKERS, TOPIC_PREFIX, TOPIC_PARTITIONS, HOST, METRICS_PORT],
    [['127.0.0.1:9092'], '', 4, '127.0.0.1', 9403],
  );
});

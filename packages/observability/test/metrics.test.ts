import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '@millrace/observability';

test('metrics carry the prefix and the service, and the process metrics are there', async () => {
  const metrics = createMetrics('sink');
  metrics.counter({ name: 'rows_total', help: 'Rows.', labels: ['table'] }).inc({ table: 'payments' }, 3);
  metrics.gauge({ name: 'millrace_lag_records', help: 'Lag.' }).set(7);
  const text = await metrics.registry.metrics();
  assert.match(text, /^millrace_rows_total\{table="payments",service="sink"\} 3$/m);
  assert.match(text, /^millrace_lag_records\{service="sink"\} 7$/m);
  assert.match(text, /^process_resident_memory_bytes\{service="sink"\} \d+$/m);
});

test('asking twice for a metric gives the same one', async () => {
  const metrics = createMetrics('sink');
  metrics.counter({ name: 'retries_total', help: 'Retries.' }).inc();
  metrics.counter({ name: 'retries_total', help: 'Retries.' }).inc();
  assert.match(await metrics.registry.metrics(), /^millrace_retries_total\{service="sink"\} 2$/m);
});

test('asking for a metric as another kind or with other labels is an error', () => {
  const metrics = createMetrics('sink');
  metrics.counter({ name: 'x', help: 'x', labels: ['a'] });
  assert.throws(() => metrics.gauge({ name: 'x', help: 'x', labels: ['a'] }), { code: 'metric-mismatch' });
  assert.throws(() => metrics.counter({ name: 'x', help: 'x', labels: ['b'] }), { code: 'metric-mismatch' });
});

test('a gauge that collects is asked at every scrape', async () => {
  const metrics = createMetrics('sink');
  let calls = 0;
  metrics.gauge({ name: 'depth', help: 'Depth.', collect: (gauge) => gauge.set(++calls) });
  await metrics.registry.metrics();
  assert.match(await metrics.registry.metrics(), /^millrace_depth\{service="sink"\} 2$/m);
});

test('two registries do not share metrics', async () => {
  const one = createMetrics('one');
  createMetrics('two').counter({ name: 'only_in_two', help: 'x' });
  assert.doesNotMatch(await one.registry.metrics(), /only_in_two/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '@millrace/observability';
import { WarehouseError } from '@millrace/warehouse';
import { createSinkMetrics } from '../src/metrics.ts';
import { createPersist, type Waiting } from '../src/outside.ts';
import { BACKOFF_MS_MAX, untilDone } from '../src/retry.ts';
import type { Route } from '../src/routes.ts';

const away = new WarehouseError('unavailable', 'nothing answers');

test('a call is repeated with growing, bounded waits until it has an answer', async () => {
  const waits: number[] = [];
  let attempts = 0;
  const answer = await untilDone(
    async () => {
      attempts += 1;
      if (attempts <= 10) throw away;
      return 'answer';
    },
    {
      isRetriable: () => true,
      onFailure: () => undefined,
      signal: new AbortController().signal,
      wait: async (delayMs) => void waits.push(delayMs),
    },
  );
  assert.equal(answer, 'answer');
  assert.equal(waits.length, 10);
  assert.ok((waits[0] ?? 0) >= 50 && (waits[0] ?? 0) <= 100, `first wait ${waits[0]}`);
  assert.ok(waits.every((waitMs) => waitMs <= BACKOFF_MS_MAX));
  assert.ok((waits[9] ?? 0) >= BACKOFF_MS_MAX / 2);
});

test('what no repeat can cure is thrown at once', async () => {
  let attempts = 0;
  const call = async () => {
    attempts += 1;
    throw new WarehouseError('missing', 'no such table');
  };
  await assert.rejects(persistWith(new AbortController().signal).persist('insert', call), { code: 'missing' });
  assert.equal(attempts, 1);
});

test('while a topic waits it counts as paused, and the service learns why', async () => {
  const stopping = new AbortController();
  const { persist, waiting, metrics } = persistWith(stopping.signal);
  let calls = 0;
  await persist('insert', async () => {
    calls += 1;
    if (calls === 1) throw away;
    assert.match(waiting.get('t') ?? '', /insert fails: nothing answers/);
    assert.match(await metrics.registry.metrics(), /millrace_sink_paused\{topic="t",service="test"\} 1/);
  });
  assert.equal(waiting.size, 0);
  const text = await metrics.registry.metrics();
  assert.match(text, /millrace_sink_paused\{topic="t",service="test"\} 0/);
  assert.match(text, /millrace_sink_retries_total\{topic="t",doing="insert",service="test"\} 1/);
});

test('a stop ends the waiting with the last error', async () => {
  const stopping = new AbortController();
  const { persist } = persistWith(stopping.signal);
  const waiting = persist('insert', async () => {
    setImmediate(() => stopping.abort());
    throw away;
  });
  await assert.rejects(waiting, away);
});

function persistWith(signal: AbortSignal) {
  const metrics = createMetrics('test');
  const waiting = new Map<string, string>();
  const board: Waiting = {
    add: (topic, detail) => void waiting.set(topic, detail),
    delete: (topic) => void waiting.delete(topic),
  };
  const logger = { warn: () => undefined } as never;
  const route = { topic: 't', table: 'labels' } as Route;
  const persist = createPersist({ route, metrics: createSinkMetrics(metrics), waiting: board, logger, signal });
  return { persist, waiting, metrics };
}

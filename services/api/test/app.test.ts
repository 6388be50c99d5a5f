import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { samples } from '@millrace/contracts';
import { WarehouseError } from '@millrace/warehouse';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { API_VERSION } from '../src/app.ts';
import * as schemas from '../src/http/schemas.ts';
import { COUNTS, NOW_MS, READS, testApp } from './fixtures.ts';

const { transaction_id, customer_id } = samples.decision;

test('every answer is as its schema says', async (t) => {
  const app = await testApp(t);
  const answers: Record<string, TSchema> = {
    [`/v1/payments/${transaction_id}`]: schemas.PaymentAnswer,
    '/v1/payments?channel=pos&limit=1': schemas.pageOfAnswers(schemas.PaymentAnswer),
    [`/v1/decisions/${transaction_id}`]: schemas.DecisionAnswer,
    '/v1/decisions?decision=decline&since=2026-01-01T00:00:00Z': schemas.pageOfAnswers(schemas.DecisionAnswer),
    '/v1/alerts?kind=payment&until=1772366400000': schemas.pageOfAnswers(schemas.AlertAnswer),
    [`/v1/customers/${customer_id}`]: schemas.CustomerAnswer,
    [`/v1/merchants/${samples.merchant.merchant_id}`]: schemas.MerchantAnswer,
    [`/v1/devices/${samples.telemetry.device_id}`]: schemas.DeviceAnswer,
    '/v1/reconciliation': schemas.ReconciliationAnswer,
    '/v1/reconciliation?sender=replay': schemas.ReconciliationAnswer,
    '/v1/stats?window_seconds=10': schemas.StatsAnswer,
  };
  for (const [url, schema] of Object.entries(answers)) {
    const answer = await app.inject(url);
    assert.equal(answer.statusCode, 200, `${url}: ${answer.body}`);
    assert.deepEqual(Value.Errors(schema, answer.json()), [], url);
  }
});

test('an event is answered with times as text and money as a decimal', async (t) => {
  const app = await testApp(t);
  const decision = (await app.inject(`/v1/decisions/${transaction_id}`)).json();
  assert.equal(decision.event_time, new Date(samples.decision.event_time).toISOString());
  assert.equal(decision.amount, '899.00');
  assert.equal(decision.currency, 'EUR');
  assert.equal('amount_minor' in decision, false);
  assert.deepEqual(decision.features, samples.decision.features);
});

test('reconciliation has the counts of every hop, and is 503 while there are none', async (t) => {
  const app = await testApp(t);
  assert.deepEqual((await app.inject('/v1/reconciliation')).json(), { payments: COUNTS, telemetry: COUNTS });
  const counting = await testApp(t, { reconciliation: () => undefined });
  const answer = await counting.inject('/v1/reconciliation');
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.headers['retry-after'], '2');
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
});

test('what does not exist is 404 with a remedy', async (t) => {
  const app = await testApp(t, {
    reads: { ...READS, listPayments: async () => [], listDecisions: async () => [], listAlerts: async () => [] },
  });
  for (const url of [
    '/v1/payments/x',
    '/v1/decisions/x',
    '/v1/customers/x',
    '/v1/merchants/x',
    '/v1/devices/x',
    '/nothing',
  ]) {
    const answer = await app.inject(url);
    assert.equal(answer.statusCode, 404, url);
    assert.equal(answer.json().status, 404);
    assert.ok(answer.json().detail.length > 0);
  }
});

test('all wrong parameters are named together, each with its remedy', async (t) => {
  const app = await testApp(t);
  const answer = await app.inject('/v1/payments?limit=0&colour=red&channel=carrier-pigeon');
  assert.equal(answer.statusCode, 400);
  assert.deepEqual(
    answer
      .json()
      .problems.map(({ field }: { field: string }) => field)
      .sort(),
    ['channel', 'colour', 'limit'],
  );
  for (const [query, field] of [
    ['since=yesterday', 'since'],
    ['cursor=bm90IG91cnM', 'cursor'],
  ]) {
    const one = await app.inject(`/v1/decisions?${query}`);
    assert.equal(one.statusCode, 400);
    assert.equal(one.json().problems[0].field, field);
  }
  const id = await app.inject(`/v1/payments/${encodeURIComponent("x' OR 1")}`);
  assert.equal(id.statusCode, 400);
});

test('the cursor of a full page is where the next page begins, and the last page has none', async (t) => {
  const pages: unknown[] = [];
  const listDecisions: typeof READS.listDecisions = async (_filter, page) => {
    pages.push(page);
    return pages.length === 1 ? [samples.decision] : [];
  };
  const app = await testApp(t, { reads: { ...READS, listDecisions } });
  const first = (await app.inject('/v1/decisions?limit=1')).json();
  const second = (await app.inject(`/v1/decisions?limit=1&cursor=${first.next_cursor}`)).json();
  assert.deepEqual(pages, [
    { limit: 1, after: undefined },
    { limit: 1, after: { timeMs: samples.decision.event_time, id: transaction_id } },
  ]);
  assert.deepEqual(second, { items: [], next_cursor: null });
});

test('a store that is away, or a question that takes too long, is 503; any other fault is 500 and tells nothing', async (t) => {
  const failing = (error: Error) => ({ ...READS, findPayment: async () => Promise.reject(error) });
  const ask = async (error: Error) => (await testApp(t, { reads: failing(error) })).inject('/v1/payments/x');
  const away = await ask(new WarehouseError('unavailable', 'connect ECONNREFUSED 10.0.0.1:8123'));
  assert.equal(away.statusCode, 503);
  assert.ok(away.headers['retry-after']);
  const slow = await ask(new WarehouseError('overloaded', 'TIMEOUT_EXCEEDED'));
  assert.match(slow.json().detail, /narrower time range/);
  const broken = await ask(new WarehouseError('query', 'Syntax error: SELECT secret'));
  assert.equal(broken.statusCode, 500);
  for (const { body } of [away, slow, broken]) assert.doesNotMatch(body, /10\.0\.0\.1|TIMEOUT|SELECT|secret|at file/);
});

test('a device that said it was going is offline', async (t) => {
  const app = await testApp(t);
  assert.equal((await app.inject(`/v1/devices/${samples.telemetry.device_id}`)).json().status, 'offline');
});

test('statistics have every step of the window, and are read once for many who ask', async (t) => {
  let reads = 0;
  const readStatistics: typeof READS.readStatistics = async (options) => {
    reads += 1;
    return await READS.readStatistics(options);
  };
  const app = await testApp(t, { reads: { ...READS, readStatistics } });
  const [stats] = (await Promise.all([1, 2, 3].map(() => app.inject('/v1/stats?window_seconds=10')))).map((answer) =>
    answer.json(),
  );
  assert.equal(stats.series.length, 11);
  assert.deepEqual(stats.series.at(-2), {
    time: new Date(NOW_MS - 1000).toISOString(),
    payments: 3,
    approve: 1,
    review: 1,
    decline: 1,
    readings: 0,
  });
  assert.equal(stats.series.at(-1).readings, 9);
  assert.equal(reads, 1);
  assert.equal((await app.inject('/v1/stats?window_seconds=86400')).statusCode, 400);
});

test('a ledger is inserted under a token of sender and sequence', async (t) => {
  const inserted: [string, string][] = [];
  const app = await testApp(t, { insertLedger: async (lines, token) => void inserted.push([lines.toString(), token]) });
  const post = (payload: string, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/v1/ledgers/replay-1',
      headers: { 'content-type': 'application/x-ndjson', 'x-ledger-sequence': '7', ...headers },
      payload,
    });
  const answer = await post(
    '{"kind":"payment","id":"a","acknowledged_at":5}\n\n{"kind":"telemetry","id":"d:1:","acknowledged_at":6}\n',
  );
  assert.equal(answer.statusCode, 202);
  assert.deepEqual(answer.json(), { entries: 2 });
  assert.deepEqual(inserted, [
    [
      '{"kind":"payment","id":"a","acknowledged_at":5,"sender":"replay-1"}\n{"kind":"telemetry","id":"d:1:","acknowledged_at":6,"sender":"replay-1"}',
      'ledger:replay-1:7',
    ],
  ]);

  const wrong = await post('{"kind":"payment","id":"a","acknowledged_at":5}\n{"kind":"parcel"}');
  assert.equal(wrong.statusCode, 400);
  assert.equal(wrong.json().problems[0].field, 'body, line 2');
  assert.equal((await post('not json')).statusCode, 400);
  assert.equal((await post('', { 'x-ledger-sequence': 'next' })).json().problems[0].field, 'headers.x-ledger-sequence');
  assert.equal((await post('{}', { 'content-type': 'application/json' })).statusCode, 400);
  assert.equal(inserted.length, 1);
});

test('the OpenAPI text has every route and the version of the package', async (t) => {
  const app = await testApp(t);
  const openapi = (await app.inject('/openapi.json')).json();
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));
  assert.equal(openapi.info.version, version);
  assert.equal(API_VERSION, version);
  assert.deepEqual(Object.keys(openapi.paths).sort(), [
    '/v1/alerts',
    '/v1/customers/{customer_id}',
    '/v1/dead-letters',
    '/v1/dead-letters/redrive',
    '/v1/dead-letters/{id}',
    '/v1/decisions',
    '/v1/decisions/{transaction_id}',
    '/v1/devices/{device_id}',
    '/v1/ledgers/{sender}',
    '/v1/merchants/{merchant_id}',
    '/v1/payments',
    '/v1/payments/{transaction_id}',
    '/v1/reconciliation',
    '/v1/stats',
    '/v1/stream/alerts',
    '/v1/stream/decisions',
  ]);
});

test('the console and its chart library come from here, under a policy that allows nothing else', async (t) => {
  const app = await testApp(t);
  for (const url of ['/', '/console.js', '/console.css', '/vendor/uplot/uPlot.esm.js', '/vendor/uplot/uPlot.min.css']) {
    const answer = await app.inject(url);
    assert.equal(answer.statusCode, 200, url);
    assert.match(String(answer.headers['content-security-policy']), /default-src 'self'/);
  }
  assert.equal((await app.inject('/docs')).statusCode, 200);
  assert.equal((await app.inject('/../package.json')).statusCode, 404);
});

test('a URL that is longer than all headers may be is refused as a problem, like everything else', async (t) => {
  const app = await testApp(t);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const answer = await fetch(`${url}/v1/alerts?kind=${'x'.repeat(20_000)}`);
  assert.equal(answer.status, 431);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.equal(((await answer.json()) as { type: string }).type, 'urn:millrace:problem:headers-too-large');
});

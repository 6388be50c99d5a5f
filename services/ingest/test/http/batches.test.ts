import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LINE_BYTES_MAX } from '../../src/http/lines.ts';
import { createIngest, type Ingest, NOW_MS, PAYMENT, READING } from '../fixtures.ts';

const NDJSON = { 'content-type': 'application/x-ndjson' };
const linesOf = (...events: unknown[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');
const idsOf = ({ producer }: Ingest) => producer.sent.map(({ headers }) => headers?.event_id);

test('a batch takes payments of any age, in their order, and answers with counts', async (t) => {
  const ingest = await createIngest(t);
  const old = { ...PAYMENT, event_time: '2018-04-01T00:00:31Z' };
  const events = Array.from({ length: 2_500 }, (_, index) => ({ ...old, transaction_id: `t-${index}` }));
  const response = await ingest.post('/v1/batches', linesOf(...events), NDJSON);
  assert.equal(response.statusCode, 200);
  assert.deepEqual(response.json(), {
    received: 2_500,
    accepted: 2_500,
    rejected: 0,
    problems: [],
    problems_omitted: 0,
    last_line_settled: 2_500,
  });
  assert.deepEqual(
    idsOf(ingest),
    events.map(({ transaction_id }) => transaction_id),
  );
  assert.equal(ingest.producer.sent[0]?.timestampMs, Date.UTC(2018, 3, 1, 0, 0, 31));
});

test('problems are listed with their line, and the right lines are kept', async (t) => {
  const ingest = await createIngest(t);
  const body = [
    JSON.stringify(PAYMENT),
    '',
    '{not json',
    JSON.stringify({ ...PAYMENT, currency: 'EUX' }),
    `{"note": "${'x'.repeat(LINE_BYTES_MAX)}"}`,
    `${JSON.stringify({ ...PAYMENT, transaction_id: 't-2' })}\r`,
  ].join('\n');
  const response = await ingest.post('/v1/batches', body, NDJSON);
  const { received, accepted, rejected, problems, last_line_settled } = response.json();
  assert.deepEqual([response.statusCode, received, accepted, rejected, last_line_settled], [200, 5, 2, 3, 6]);
  assert.deepEqual(
    problems.map(({ line, field, code }: { line: number; field: string; code: string }) => [line, field, code]),
    [
      [3, '', 'malformed'],
      [4, 'currency', 'unknown-value'],
      [5, '', 'out-of-range'],
    ],
  );
  assert.deepEqual(idsOf(ingest), ['t-1', 't-2']);
});

test('the list of problems is bounded, and says how many it leaves out', async (t) => {
  const ingest = await createIngest(t);
  const response = await ingest.post('/v1/batches', '{}{\n'.repeat(250), NDJSON);
  const { rejected, problems, problems_omitted } = response.json();
  assert.deepEqual([rejected, problems.length, problems_omitted], [250, 100, 150]);
});

test('each kind goes to its topic, and customer records to that of their source', async (t) => {
  const ingest = await createIngest(t);
  const updated_at = NOW_MS - 365 * 86_400_000;
  const customers = ['crm', 'kyc', 'accounts', 'gossip'].map((source) => ({
    customer_id: 'c-1',
    source,
    updated_at,
    fields: { a: 1 },
  }));
  const answers = [
    await ingest.post('/v1/batches?kind=customers', linesOf(...customers), NDJSON),
    await ingest.post('/v1/batches?kind=merchants', linesOf({ merchant_id: 'm-1', updated_at }), NDJSON),
    await ingest.post('/v1/batches?kind=devices', linesOf({ device_id: 'd-1', updated_at }), NDJSON),
    await ingest.post('/v1/batches?kind=telemetry', linesOf(READING), NDJSON),
  ].map((response) => response.json());
  assert.deepEqual(
    answers.map(({ accepted, rejected }) => [accepted, rejected]),
    [
      [3, 1],
      [1, 0],
      [1, 0],
      [1, 0],
    ],
  );
  assert.equal(answers[0].problems[0].field, 'source');
  assert.deepEqual(ingest.producer.sent.map(({ topic }) => topic).toSorted(), [
    'customers.accounts',
    'customers.crm',
    'customers.kyc',
    'reference.devices',
    'reference.merchants',
    'telemetry.raw',
  ]);
});

test('an unknown kind is refused with those that there are', async (t) => {
  const ingest = await createIngest(t);
  const response = await ingest.post('/v1/batches?kind=rumours', linesOf(PAYMENT), NDJSON);
  assert.equal(response.statusCode, 422);
  assert.equal(response.json().field, 'kind');
});

test('a gzip stream is read as it inflates, whatever its length', async (t) => {
  const ingest = await createIngest(t);
  const events = Array.from({ length: 30_000 }, (_, index) => ({ ...PAYMENT, transaction_id: `t-${index}` }));
  const body = gzipSync(linesOf(...events)); // 5 MB inflated, which is over the limit of a JSON body
  const response = await ingest.post('/v1/batches', body, { ...NDJSON, 'content-encoding': 'gzip' });
  assert.deepEqual([response.statusCode, response.json().accepted], [200, 30_000]);
});

test('lines are found wherever the chunks end, also within a character', async (t) => {
  const ingest = await createIngest(t);
  const body = Buffer.from(
    linesOf({ ...PAYMENT, note: 'é'.repeat(20) }, { ...PAYMENT, transaction_id: 't-2', note: '漢字' }),
  );
  const stream = Readable.from(Array.from(body, (byte) => Buffer.of(byte)));
  const response = await ingest.app.inject({ method: 'POST', url: '/v1/batches', payload: stream, headers: NDJSON });
  assert.deepEqual([response.statusCode, response.json().accepted], [200, 2]);
  const notes = ingest.producer.sent.map(({ value }) => JSON.parse(String(value)).attributes.note);
  assert.deepEqual(notes, ['é'.repeat(20), '漢字']);
});

test('NDJSON on /v1/payments keeps the limit on age, and answers 202, 207 or 422', async (t) => {
  const ingest = await createIngest(t);
  const old = { ...PAYMENT, event_time: '2018-04-01T00:00:31Z' };
  const all = await ingest.post('/v1/payments', linesOf(PAYMENT), NDJSON);
  const some = await ingest.post('/v1/payments', linesOf(PAYMENT, old), NDJSON);
  const none = await ingest.post('/v1/payments', linesOf(old), NDJSON);
  assert.deepEqual([all.statusCode, some.statusCode, none.statusCode], [202, 207, 422]);
  assert.equal(none.json().problems[0].code, 'too-old');
});

test('a stream waits while the queue is full, and goes on', async (t) => {
  const ingest = await createIngest(t, { limits: { queueRecordsMax: 10, batchRecordsMax: 10 } });
  ingest.producer.hold();
  const blocking = ingest.post(
    '/v1/payments',
    Array.from({ length: 10 }, (_, i) => ({ ...PAYMENT, transaction_id: `b-${i}` })),
  );
  while (ingest.producer.batches === 0) await new Promise(setImmediate);
  const batch = ingest.post('/v1/batches', linesOf(PAYMENT), NDJSON);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(ingest.publisher.depth, 10);
  ingest.producer.release();
  assert.equal((await blocking).statusCode, 202);
  assert.deepEqual((await batch).json().accepted, 1);
});

test('a chunk that Kafka did not confirm is published again', async (t) => {
  const ingest = await createIngest(t);
  ingest.producer.failWith(new Error('no broker'));
  const response = ingest.post('/v1/batches', linesOf(PAYMENT), NDJSON);
  while (ingest.publisher.available) await new Promise(setImmediate);
  ingest.producer.failWith(undefined);
  assert.deepEqual((await response).json().accepted, 1);
  assert.deepEqual(idsOf(ingest), ['t-1']);
});

test('a parameter that there is not is refused with those that there are, and nothing is kept', async (t) => {
  const ingest = await createIngest(t);
  for (const name of ['dryrun', 'dry-run', 'toString']) {
    const response = await ingest.post(`/v1/batches?${name}=true`, linesOf(PAYMENT), NDJSON);
    assert.equal(response.statusCode, 422, name);
    const { type, field, detail } = response.json();
    assert.deepEqual([type, field], ['urn:millrace:problem:unknown-parameter', name]);
    assert.match(detail, /kind, batch_id, dry_run/);
  }
  assert.deepEqual(ingest.producer.sent, []);
});

test('an empty batch_id or dry_run is refused: it would be a batch that cannot be resumed, or one that is kept', async (t) => {
  const ingest = await createIngest(t);
  for (const name of ['batch_id', 'dry_run']) {
    const response = await ingest.post(`/v1/batches?${name}=`, linesOf(PAYMENT), NDJSON);
    assert.deepEqual([response.statusCode, response.json().field], [422, name]);
  }
  assert.deepEqual(ingest.producer.sent, []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ATTRIBUTES_BYTES_MAX } from '@millrace/contracts';
import { BODY_BYTES_MAX } from '../../src/http/body.ts';
import { CARD_NUMBER, createIngest, NOW_MS, PAYMENT, READING } from '../fixtures.ts';

const values = (records: readonly { value: string | Buffer | null }[]) =>
  records.map(({ value }) => JSON.parse(String(value)));

test('one payment is answered 202 with its id, and is in Kafka in its internal form', async (t) => {
  const { post, producer, counted } = await createIngest(t);
  const response = await post('/v1/payments', PAYMENT);
  assert.equal(response.statusCode, 202);
  assert.deepEqual(response.json(), { accepted: 1, transaction_id: 't-1' });
  assert.equal(producer.sent[0]?.topic, 'payments.raw');
  assert.deepEqual(values(producer.sent), [
    {
      transaction_id: 't-1',
      event_time: NOW_MS - 1_000,
      customer_id: 'customer-1',
      card_id: 'card-1',
      merchant_id: 'shop-1',
      amount_minor: 1_250,
      currency: 'EUR',
      country: 'PT',
      channel: 'pos',
    },
  ]);
  assert.deepEqual(await counted('millrace_ingest_events_accepted_total'), { 'payments,http': 1 });
});

test('the caller hears nothing before Kafka has confirmed', async (t) => {
  const { post, producer } = await createIngest(t);
  producer.hold();
  let answered = false;
  const response = post('/v1/payments', PAYMENT).then((answer) => {
    answered = true;
    return answer;
  });
  while (producer.batches === 0) await new Promise(setImmediate);
  assert.equal(answered, false);
  producer.release();
  assert.equal((await response).statusCode, 202);
});

test('a reading and a label go to their topics', async (t) => {
  const { post, producer } = await createIngest(t);
  const reading = await post('/v1/telemetry', READING);
  assert.deepEqual(
    [reading.statusCode, reading.json()],
    [202, { accepted: 1, reading_id: 'device-1:1772366399000:7' }],
  );
  const label = {
    transaction_id: 't-1',
    customer_id: 'customer-1',
    fraud: true,
    labelled_at: NOW_MS,
    source: 'analyst',
  };
  const labelled = await post('/v1/labels', label);
  assert.deepEqual([labelled.statusCode, labelled.json()], [202, { accepted: 1, transaction_id: 't-1' }]);
  assert.deepEqual(
    producer.sent.map(({ topic, key }) => [topic, key]),
    [
      ['telemetry.raw', 'device-1'],
      ['fraud.labels', 'customer-1'],
    ],
  );
});

test('the traceparent of the request is continued in the record', async (t) => {
  const { post, producer } = await createIngest(t);
  await post('/v1/payments', PAYMENT, { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' });
  await post('/v1/payments', PAYMENT, { traceparent: 'not a traceparent' });
  assert.match(String(producer.sent[0]?.headers?.traceparent), /^00-4bf92f3577b34da6a3ce929d0e0e4736-/);
  assert.match(String(producer.sent[1]?.headers?.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

const faults: readonly (readonly [name: string, change: object, field: string, code: string])[] = [
  ['a wrong type', { customer_id: 17 }, 'customer_id', 'wrong-type'],
  ['an unknown currency', { currency: 'EUX' }, 'currency', 'unknown-value'],
  ['a negative amount', { amount: '-12.50' }, 'amount', 'out-of-range'],
  ['more digits than the currency has', { amount: '12.505' }, 'amount', 'malformed'],
  ['a missing field', { transaction_id: undefined }, 'transaction_id', 'required'],
  ['a time in the future', { event_time: NOW_MS + 301_000 }, 'event_time', 'in-the-future'],
  ['an event older than 30 days', { event_time: NOW_MS - 31 * 86_400_000 }, 'event_time', 'too-old'],
  ['a card number that is no card_id', { customer_id: `${CARD_NUMBER} ` }, 'customer_id', 'malformed'],
  ['attributes over their bytes', { note: 'x'.repeat(ATTRIBUTES_BYTES_MAX) }, 'attributes', 'too-many'],
  ['a nested unknown field', { deep: { deeper: {} } }, 'deep', 'wrong-type'],
];

for (const [name, change, field, code] of faults) {
  test(`${name} is answered 422 with the field and a remedy, and nothing is written`, async (t) => {
    const { post, producer, counted } = await createIngest(t);
    const response = await post('/v1/payments', { ...PAYMENT, ...change });
    assert.equal(response.statusCode, 422);
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
    const { type, title, status, problems } = response.json();
    assert.deepEqual([type, title, status], ['urn:millrace:problem:invalid-event', 'Invalid event', 422]);
    assert.deepEqual([problems[0].field, problems[0].code], [field, code]);
    assert.ok(problems[0].message.length > 10);
    assert.deepEqual(producer.sent, []);
    assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { [`payments,http,${code}`]: 1 });
  });
}

test('all faults of an event are named together', async (t) => {
  const { post } = await createIngest(t);
  const response = await post('/v1/payments', { ...PAYMENT, currency: 'EUX', channel: 'smoke', customer_id: '' });
  const fields = response.json().problems.map(({ field }: { field: string }) => field);
  assert.deepEqual(fields.toSorted(), ['channel', 'currency', 'customer_id']);
});

test('a card number becomes its token, and is in no record, answer or log line', async (t) => {
  const { post, producer, lines } = await createIngest(t);
  await post('/v1/payments', { ...PAYMENT, card_id: '4242 4242 4242 4242' });
  await post('/v1/payments', { ...PAYMENT, card_id: CARD_NUMBER });
  const answers = await Promise.all([
    post('/v1/payments', { ...PAYMENT, card_id: CARD_NUMBER, currency: 'EUX' }),
    post('/v1/payments', { ...PAYMENT, amount: CARD_NUMBER, currency: CARD_NUMBER }),
    post('/v1/payments', `{"card_id": "${CARD_NUMBER}", }`),
    post('/v1/payments', [{ ...PAYMENT, mcc: CARD_NUMBER }]),
    post('/v1/batches', `{"card_id": "${CARD_NUMBER}", }`, { 'content-type': 'application/x-ndjson' }),
  ]);
  const cards = values(producer.sent).map(({ card_id }) => card_id);
  assert.equal(cards.length, 2);
  assert.match(cards[0], /^card_[0-9a-f]{64}$/);
  assert.equal(cards[0], cards[1]);
  const everything = JSON.stringify([producer.sent, answers.map(({ body }) => body), lines]);
  assert.equal(everything.replaceAll(/[ -]/g, '').includes(CARD_NUMBER), false);
});

test('an array is answered per item: 202 when all are right', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post('/v1/payments', [PAYMENT, { ...PAYMENT, transaction_id: 't-2' }]);
  assert.equal(response.statusCode, 202);
  assert.deepEqual(response.json(), {
    accepted: 2,
    rejected: 0,
    items: [
      { index: 0, status: 'accepted', transaction_id: 't-1' },
      { index: 1, status: 'accepted', transaction_id: 't-2' },
    ],
  });
  assert.equal(producer.sent.length, 2);
});

test('an array is answered 207 when some are right, and only those are written', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post('/v1/payments', [{ ...PAYMENT, currency: 'EUX' }, PAYMENT, 'not an event']);
  assert.equal(response.statusCode, 207);
  const { accepted, rejected, items } = response.json();
  assert.deepEqual([accepted, rejected], [1, 2]);
  assert.deepEqual(
    items.map(({ index, status }: { index: number; status: string }) => [index, status]),
    [
      [0, 'rejected'],
      [1, 'accepted'],
      [2, 'rejected'],
    ],
  );
  assert.equal(items[0].problems[0].field, 'currency');
  assert.deepEqual(
    values(producer.sent).map(({ transaction_id }) => transaction_id),
    ['t-1'],
  );
});

test('an array is answered 422 when none is right', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post('/v1/payments', [{ ...PAYMENT, currency: 'EUX' }]);
  assert.equal(response.statusCode, 422);
  assert.equal(response.json().items[0].problems[0].code, 'unknown-value');
  assert.deepEqual(producer.sent, []);
});

test('an empty array and one over the limit are refused with the limit', async (t) => {
  const { post, producer } = await createIngest(t);
  const empty = await post('/v1/payments', []);
  const large = await post(
    '/v1/payments',
    Array.from({ length: 1_001 }, () => PAYMENT),
  );
  const readings = await post(
    '/v1/telemetry',
    Array.from({ length: 501 }, () => READING),
  );
  assert.deepEqual([empty.statusCode, large.statusCode, readings.statusCode], [422, 422, 422]);
  assert.deepEqual([large.json().limit, readings.json().limit], [1_000, 500]);
  assert.deepEqual(producer.sent, []);
});

test('malformed JSON is answered 400 without quoting it', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post('/v1/payments', '{"transaction_id": "secret-id",');
  assert.equal(response.statusCode, 400);
  assert.equal(response.json().field, 'body');
  assert.equal(response.body.includes('secret-id'), false);
  assert.deepEqual(producer.sent, []);
});

test('no body at all is answered 400', async (t) => {
  const { app, post } = await createIngest(t);
  assert.equal((await post('/v1/payments', '')).statusCode, 400);
  const bare = await app.inject({ method: 'POST', url: '/v1/payments' });
  assert.equal(bare.statusCode, 400);
});

test('names that reach a prototype are refused, and pollute nothing', async (t) => {
  const { post, producer } = await createIngest(t);
  const text = JSON.stringify(PAYMENT).slice(0, -1);
  const proto = await post('/v1/payments', `${text}, "__proto__": {"polluted": true}}`);
  const escaped = await post('/v1/payments', `${text}, "\\u005f_proto__": {"polluted": true}}`);
  const lines = await post('/v1/batches', `${text}, "__proto__": {"polluted": true}}`, {
    'content-type': 'application/x-ndjson',
  });
  assert.deepEqual([proto.statusCode, escaped.statusCode], [400, 400]);
  assert.equal(lines.json().rejected, 1);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.deepEqual(producer.sent, []);
});

test('another media type is answered 415 with those that are taken', async (t) => {
  const { post } = await createIngest(t);
  const response = await post('/v1/payments', 'a,b', { 'content-type': 'text/csv' });
  assert.equal(response.statusCode, 415);
  assert.equal(response.json().field, 'content-type');
  assert.match(response.json().detail, /application\/json/);
  const batch = await post('/v1/batches', PAYMENT);
  assert.equal(batch.statusCode, 415);
});

test('a body over the limit is answered 413 with the limit', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post('/v1/payments', `"${'x'.repeat(BODY_BYTES_MAX)}"`);
  assert.equal(response.statusCode, 413);
  assert.equal(response.json().limit_bytes, 4_194_304);
  assert.deepEqual(producer.sent, []);
});

test('gzip is inflated, up to the limit on the body', async (t) => {
  const { post, producer } = await createIngest(t);
  const gzip = { 'content-encoding': 'gzip' };
  const small = await post('/v1/payments', gzipSync(JSON.stringify(PAYMENT)), gzip);
  assert.equal(small.statusCode, 202);
  const bomb = await post('/v1/payments', gzipSync(' '.repeat(BODY_BYTES_MAX * 8)), gzip);
  assert.equal(bomb.statusCode, 413);
  const broken = await post('/v1/payments', gzipSync(JSON.stringify(PAYMENT)).subarray(0, 40), gzip);
  assert.equal(broken.statusCode, 400);
  assert.equal(broken.json().field, 'content-encoding');
  const other = await post('/v1/payments', PAYMENT, { 'content-encoding': 'br' });
  assert.equal(other.statusCode, 415);
  assert.equal(producer.sent.length, 1);
});

test('deeply nested JSON is refused, not followed', async (t) => {
  const { post } = await createIngest(t);
  const deep = await post('/v1/payments', `${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  assert.equal(deep.statusCode, 422);
  const field = await post('/v1/payments', `{"deep": ${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`);
  assert.equal(field.statusCode, 422);
});

test('while Kafka is away: 503 with Retry-After, and nothing of the inside', async (t) => {
  const { post, producer, counted } = await createIngest(t);
  producer.failWith(new Error('broker 10.0.0.7 is down'));
  const response = await post('/v1/payments', PAYMENT);
  assert.equal(response.statusCode, 503);
  assert.equal(response.headers['retry-after'], '1');
  assert.equal(response.json().type, 'urn:millrace:problem:unavailable');
  assert.equal(response.body.includes('10.0.0.7'), false);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'payments,http,unavailable': 1 });
});

test('at the bound of the queue: 503, and what was taken is confirmed later', async (t) => {
  const { post, producer } = await createIngest(t, { limits: { queueRecordsMax: 1 } });
  producer.hold();
  const taken = post('/v1/payments', PAYMENT);
  while (producer.batches === 0) await new Promise(setImmediate);
  const refused = await post('/v1/payments', PAYMENT);
  assert.equal(refused.statusCode, 503);
  assert.equal(refused.json().type, 'urn:millrace:problem:overloaded');
  producer.release();
  assert.equal((await taken).statusCode, 202);
});

test('an unknown route is a problem too', async (t) => {
  const { post } = await createIngest(t);
  const response = await post('/v1/nothing', PAYMENT);
  assert.equal(response.statusCode, 404);
  assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
});

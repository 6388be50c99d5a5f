import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { KafkaError } from '@millrace/kafka';
import { createFakeDecisions, decisionOf, recordOf } from '../decisions/fake-decisions.ts';
import { CARD_NUMBER, createIngest, PAYMENT, READING } from '../fixtures.ts';

const WAIT = '/v1/payments?wait=decision';
const LINK = 'https://api.example/v1/decisions/t-1';
const { transaction_id: _, ...NAMELESS } = PAYMENT;
const NDJSON = { 'content-type': 'application/x-ndjson' };

async function createWorld(t: TestContext, options: Parameters<typeof createFakeDecisions>[0] = {}) {
  const fake = createFakeDecisions(options);
  const ingest = await createIngest(t, { decisions: fake.waits });
  return { ...ingest, ...fake, fake };
}

const ids = (records: readonly { value: string | Buffer | null }[]) =>
  records.map(({ value }) => JSON.parse(String(value)).transaction_id);

test('a payment that is decided in time is answered 200 with its decision, and is in Kafka', async (t) => {
  const { post, producer, waits, counted } = await createWorld(t);
  const answer = post(WAIT, PAYMENT);
  while (producer.sent.length === 0) await new Promise(setImmediate);
  waits.take(recordOf(decisionOf('t-1')));
  const response = await answer;
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  const { accepted, transaction_id, decision, score, rules, decision_url } = response.json();
  assert.deepEqual([accepted, transaction_id, decision, score], [1, 't-1', 'decline', 850]);
  assert.deepEqual(
    rules.map(({ id, reason }: { id: string; reason: string }) => [id, reason]),
    [['terminal-tampered', 'The terminal raised a tamper alarm shortly before']],
  );
  assert.equal(decision_url, LINK);
  assert.deepEqual(ids(producer.sent), ['t-1']);
  assert.deepEqual(await counted('millrace_ingest_events_accepted_total'), { 'payments,http': 1 });
});

test('past the wait the answer is 202 with a link to the decision', async (t) => {
  const { post, producer, outcomes } = await createWorld(t, { waitMs: 1 });
  const response = await post(WAIT, PAYMENT);
  assert.equal(response.statusCode, 202);
  assert.deepEqual(response.json(), { accepted: 1, transaction_id: 't-1', decision_url: LINK });
  assert.equal(response.headers.location, LINK);
  assert.deepEqual([ids(producer.sent), outcomes], [['t-1'], ['late']]);
});

test('where decisions cannot be read the answer is 202 with a link, because the payment is kept', async (t) => {
  const { post, listenWith, outcomes } = await createWorld(t);
  listenWith(Promise.resolve(false));
  const response = await post(WAIT, PAYMENT);
  assert.deepEqual([response.statusCode, response.headers.location, outcomes], [202, LINK, ['unavailable']]);
});

test('a payment that Kafka does not take is answered 503, and has nobody waiting', async (t) => {
  const { post, producer, waits, counted } = await createWorld(t);
  producer.failWith(new KafkaError('unavailable', 'no broker answers', { retriable: true }));
  const response = await post(WAIT, PAYMENT);
  assert.equal(response.statusCode, 503);
  assert.equal(response.headers['retry-after'], '1');
  assert.equal(waits.waiting, 0);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'payments,http,unavailable': 1 });
});

test('a wrong payment is answered 422 as without waiting, and nothing is waited for', async (t) => {
  const { post, producer, calls } = await createWorld(t);
  const response = await post(WAIT, { ...PAYMENT, currency: 'EUX' });
  assert.equal(response.statusCode, 422);
  assert.equal(response.json().problems[0].field, 'currency');
  assert.deepEqual([producer.sent, calls], [[], []]);
});

test('a payment that is not waited for reads no decisions', async (t) => {
  const { post, calls } = await createWorld(t);
  assert.equal((await post('/v1/payments', PAYMENT)).statusCode, 202);
  assert.equal((await post('/v1/payments', NAMELESS, { 'idempotency-key': 't-2' })).statusCode, 202);
  assert.deepEqual(calls, []);
});

test('an ingest that reads no decisions says where to ask', async (t) => {
  const { post, producer } = await createIngest(t);
  const response = await post(WAIT, PAYMENT);
  assert.deepEqual([response.statusCode, response.json().field], [422, 'wait']);
  assert.match(response.json().detail, /\/v1\/decisions\//);
  assert.deepEqual(producer.sent, []);
});

test('only the decision can be waited for, of one payment', async (t) => {
  const { post, producer } = await createWorld(t);
  const answers = await Promise.all([
    post('/v1/payments?wait=storage', PAYMENT),
    post('/v1/payments?wait=decision&wait=decision', PAYMENT),
    post(WAIT, [PAYMENT]),
    post(WAIT, JSON.stringify(PAYMENT), NDJSON),
    post('/v1/telemetry?wait=decision', READING),
  ]);
  for (const { statusCode, body } of answers) {
    const { field, detail } = JSON.parse(body);
    assert.deepEqual([statusCode, field], [422, 'wait'], body);
    assert.match(detail, /wait/);
  }
  assert.deepEqual(producer.sent, []);
});

test('a caller that hangs up is waited for no longer, and its payment is kept', async (t) => {
  const { app, producer, waits, outcomes } = await createWorld(t, { waitMs: 60_000 });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const options = { port, path: WAIT, method: 'POST', headers: { 'content-type': 'application/json' } };
  const caller = request({ host: '127.0.0.1', ...options });
  caller.on('error', (error) => t.diagnostic(`the caller hung up: ${error.message}`));
  caller.end(JSON.stringify(PAYMENT));
  while (waits.waiting === 0 || producer.sent.length === 0) await new Promise(setImmediate);
  caller.destroy();
  while (waits.waiting > 0) await new Promise(setImmediate);
  assert.deepEqual([outcomes, ids(producer.sent)], [['gone'], ['t-1']]);
});

test('closing does not wait for decisions: who waits gets the link', async (t) => {
  const { app, post, producer } = await createWorld(t, { waitMs: 60_000 });
  const answer = post(WAIT, PAYMENT);
  while (producer.sent.length === 0) await new Promise(setImmediate);
  await app.close();
  assert.deepEqual([(await answer).statusCode, (await answer).headers.location], [202, LINK]);
});

for (const [form, header] of [
  ['bare', 'order-7.1'],
  ['in double quotes, as the draft writes it', '"order-7.1"'],
] as const) {
  test(`an Idempotency-Key, ${form}, is the id of a payment that has none`, async (t) => {
    const { post, producer } = await createWorld(t);
    const response = await post('/v1/payments', NAMELESS, { 'idempotency-key': header });
    assert.deepEqual([response.statusCode, response.json()], [202, { accepted: 1, transaction_id: 'order-7.1' }]);
    assert.deepEqual([ids(producer.sent), producer.sent[0]?.headers?.event_id], [['order-7.1'], 'order-7.1']);
  });
}

test('an Idempotency-Key may repeat the id of the payment, and may not differ from it', async (t) => {
  const { post, producer, counted } = await createWorld(t);
  const same = await post('/v1/payments', PAYMENT, { 'idempotency-key': 't-1' });
  const other = await post('/v1/payments', PAYMENT, { 'idempotency-key': 't-2' });
  assert.deepEqual([same.statusCode, other.statusCode], [202, 422]);
  const [{ field, code, message }] = other.json().problems;
  assert.deepEqual([field, code], ['transaction_id', 'conflict']);
  assert.match(message, /Idempotency-Key/);
  assert.deepEqual(ids(producer.sent), ['t-1']);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'payments,http,conflict': 1 });
});

test('an Idempotency-Key that is no transaction id is refused without being repeated', async (t) => {
  const { post } = await createWorld(t);
  const keys = ['', 'two words', 'x'.repeat(65), '"half quoted', `${CARD_NUMBER} `, 'a,b', 'schlüssel'];
  for (const key of keys) {
    const response = await post('/v1/payments', NAMELESS, { 'idempotency-key': key });
    if (key.trim() === CARD_NUMBER) continue; // Node trims headers, so that this one is an id.
    assert.deepEqual([response.statusCode, response.json().field], [422, 'idempotency-key'], key);
    assert.match(response.json().detail, /1 to 64 of A-Z/);
    if (key !== '') assert.equal(response.body.includes(key), false);
  }
});

test('the same key with the same payment gets the same answer, with another one 422', async (t) => {
  const { post, producer, counted } = await createWorld(t);
  const key = { 'idempotency-key': 'order-7' };
  const first = await post('/v1/payments', NAMELESS, key);
  // The order of the fields, or how a number is written, makes no other payment.
  const reordered = Object.fromEntries(Object.entries({ ...NAMELESS, amount: 12.5 }).toReversed());
  const again = await post('/v1/payments', reordered, key);
  const other = await post('/v1/payments', { ...NAMELESS, amount: '12.51' }, key);
  assert.deepEqual([first.statusCode, again.statusCode, other.statusCode], [202, 202, 422]);
  assert.equal(again.body, first.body);
  assert.equal(other.json().type, 'urn:millrace:problem:idempotency-key-reused');
  assert.deepEqual(ids(producer.sent), ['order-7', 'order-7']);
  assert.deepEqual(await counted('millrace_ingest_events_rejected_total'), { 'payments,http,conflict': 1 });
});

test('a payment that was refused does not use up its key', async (t) => {
  const { post } = await createWorld(t);
  const key = { 'idempotency-key': 'order-7' };
  assert.equal((await post('/v1/payments', { ...NAMELESS, currency: 'EUX' }, key)).statusCode, 422);
  assert.equal((await post('/v1/payments', NAMELESS, key)).statusCode, 202);
});

test('an Idempotency-Key is for one payment: on anything else it is refused with the remedy', async (t) => {
  const { post, producer } = await createWorld(t);
  const key = { 'idempotency-key': 'order-7' };
  const answers = await Promise.all([
    post('/v1/payments', [PAYMENT], key),
    post('/v1/payments', JSON.stringify(PAYMENT), { ...key, ...NDJSON }),
    post('/v1/telemetry', READING, key),
    post('/v1/labels', {}, key),
  ]);
  for (const { statusCode, body } of answers) {
    const { field, detail } = JSON.parse(body);
    assert.deepEqual([statusCode, field], [422, 'idempotency-key'], body);
    assert.match(detail, /Leave it out/);
  }
  assert.deepEqual(producer.sent, []);
});

test('key and wait go together, and a retry gets the decision that was made', async (t) => {
  const { post, producer, waits, outcomes } = await createWorld(t);
  const key = { 'idempotency-key': 't-1' };
  const answer = post(WAIT, NAMELESS, key);
  while (producer.sent.length === 0) await new Promise(setImmediate);
  waits.take(recordOf(decisionOf('t-1')));
  const first = await answer;
  const again = await post(WAIT, NAMELESS, key);
  assert.deepEqual([first.statusCode, again.statusCode], [200, 200]);
  assert.equal(again.body, first.body);
  assert.deepEqual(outcomes, ['decided', 'remembered']);
});

test('what is no object is refused as without a key', async (t) => {
  const { post } = await createWorld(t);
  const response = await post('/v1/payments', '"a text"', { 'idempotency-key': 'order-7' });
  assert.equal(response.statusCode, 422);
  assert.equal(response.json().problems[0].code, 'wrong-type');
});

// Clients that are slow, broken or malicious, on real connections. Times are those of the tests; the limits of the
// service are in src/http/server.ts, and `npm run test:fuzz` tries them out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { createIngest, PAYMENT } from '../fixtures.ts';
import { openRawClient } from './raw-client.ts';

const SOON = { headersMsMax: 100, bodyMsMax: 100 };
const HEAD = 'POST /v1/payments HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\n';
const BODY = JSON.stringify(PAYMENT);
const REQUEST = `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;

function statusesOf(answer: string): number[] {
  return Array.from(answer.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status));
}

function typeOf(answer: string): unknown {
  return JSON.parse(answer.slice(answer.lastIndexOf('\r\n\r\n') + 4)).type;
}

test('a head that comes a byte at a time is answered 408 and its connection closed', async (t) => {
  const { app, counted } = await createIngest(t, { httpLimits: SOON });
  const client = await openRawClient(t, app);
  client.write('POST /v1/pay');
  const dripping = setInterval(() => client.write('y'), 20);
  const answer = await client.answer;
  clearInterval(dripping);
  assert.deepEqual(statusesOf(answer), [408]);
  assert.match(answer, /application\/problem\+json/);
  assert.equal(typeOf(answer), 'urn:millrace:problem:head-too-slow');
  assert.deepEqual(await counted('millrace_ingest_http_refused_total'), { 408: 1 });
});

test('a JSON body that comes a byte at a time is answered 408 and its connection closed', async (t) => {
  const { app, producer } = await createIngest(t, { httpLimits: SOON });
  const client = await openRawClient(t, app);
  client.write(`${HEAD}Content-Length: 1000\r\n\r\n{`);
  const dripping = setInterval(() => client.write(' '), 20);
  const answer = await client.answer;
  clearInterval(dripping);
  assert.deepEqual(statusesOf(answer), [408]);
  assert.equal(typeOf(answer), 'urn:millrace:problem:body-too-slow');
  assert.deepEqual(producer.sent, []);
});

test('a body that was there in time may wait for Kafka longer than it may take', async (t) => {
  const { app, producer } = await createIngest(t, { httpLimits: SOON });
  producer.hold();
  const client = await openRawClient(t, app);
  client.write(REQUEST);
  await sleep(250);
  producer.release();
  await client.until(/HTTP\/1\.1 202/);
});

test('a refused request is answered at once, and its connection stays for the next one', async (t) => {
  const { app } = await createIngest(t);
  const client = await openRawClient(t, app);
  const bytes = 5 * 1024 * 1024;
  client.write(`${HEAD}Content-Length: ${bytes}\r\n\r\n`);
  await client.until(/HTTP\/1\.1 413/);
  client.write(Buffer.alloc(bytes, ' '));
  client.write(REQUEST);
  await client.until(/HTTP\/1\.1 202/);
});

test('a refused body that never ends ends with its connection', async (t) => {
  const { app } = await createIngest(t, { httpLimits: SOON });
  const client = await openRawClient(t, app);
  client.write(`${HEAD}Content-Length: 5000000000\r\n\r\n`);
  const dripping = setInterval(() => client.write(' '), 20);
  const answer = await client.answer;
  clearInterval(dripping);
  assert.deepEqual(statusesOf(answer), [413]);
});

test('headers over their bytes are answered 431', async (t) => {
  const { app } = await createIngest(t);
  for (const headers of [`X-Large: ${'x'.repeat(20_000)}\r\n`, 'X-Many: x\r\n'.repeat(2_000)]) {
    const client = await openRawClient(t, app);
    client.write(`GET /health/live HTTP/1.1\r\nHost: ingest\r\n${headers}\r\n`);
    const answer = await client.answer;
    assert.deepEqual(statusesOf(answer), [431]);
    assert.equal(typeOf(answer), 'urn:millrace:problem:headers-too-large');
  }
});

test('a request of which two lengths are given is refused, so that nobody smuggles another one behind it', async (t) => {
  const { app, producer } = await createIngest(t);
  const smuggled = `0\r\n\r\n${REQUEST}`;
  const ambiguous = [
    `${HEAD}Content-Length: ${smuggled.length}\r\nTransfer-Encoding: chunked\r\n\r\n${smuggled}`,
    `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `${HEAD}Content-Length: 2\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `${HEAD}Transfer-Encoding: gzip, chunked\r\nTransfer-Encoding: identity\r\n\r\n${smuggled}`,
    `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${smuggled}`,
    `${HEAD}Content-Length: +5\r\n\r\n${smuggled}`,
    `${HEAD}Content-Length : 5\r\n\r\n${smuggled}`,
    `${HEAD}X: y\nContent-Length: 5\r\n\r\n${smuggled}`,
  ];
  for (const request of ambiguous) {
    const client = await openRawClient(t, app);
    client.write(request);
    assert.deepEqual(statusesOf(await client.answer), [400], request.slice(HEAD.length, HEAD.length + 60));
  }
  assert.deepEqual(producer.sent, []);
});

test('a chunk that is none is answered 400', async (t) => {
  const { app, producer } = await createIngest(t);
  const client = await openRawClient(t, app);
  client.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\nnot a length\r\n`);
  assert.deepEqual(statusesOf(await client.answer), [400]);
  assert.deepEqual(producer.sent, []);
});

test('rubbish behind a request waits for the answer to it, and ends the connection', async (t) => {
  const { app, producer } = await createIngest(t);
  producer.hold();
  const client = await openRawClient(t, app);
  client.write(`${REQUEST}this is not HTTP\r\n\r\n`);
  await sleep(50);
  assert.equal(client.soFar(), '');
  producer.release();
  assert.deepEqual(statusesOf(await client.answer), [202]);
});

test('what is not HTTP at all is answered 400', async (t) => {
  const { app } = await createIngest(t);
  const rubbish = [Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), Buffer.alloc(64), 'GET / HTTP/9.9\r\n\r\n'];
  for (const bytes of rubbish) {
    const client = await openRawClient(t, app);
    client.write(bytes);
    assert.deepEqual(statusesOf(await client.answer), [400]);
  }
});

test('malformed gzip of any size is answered 400', async (t) => {
  const { app } = await createIngest(t);
  const whole = gzipSync(Buffer.from(JSON.stringify(Array.from({ length: 900 }, () => PAYMENT))));
  const large = Buffer.alloc(1024 * 1024, 'x');
  const broken = [whole.subarray(0, whole.length - 9), Buffer.concat([whole.subarray(0, 20), large]), large];
  for (const body of broken) {
    const client = await openRawClient(t, app);
    client.write(`${HEAD}Content-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`);
    client.write(body);
    await client.until(/malformed-gzip/);
    assert.deepEqual(statusesOf(client.soFar()), [400]);
  }
});

test('a length that the body does not have is answered 400, or waited for', async (t) => {
  const { app, producer } = await createIngest(t, { httpLimits: SOON });
  const tooLong = await openRawClient(t, app);
  tooLong.write(`${HEAD}Content-Length: ${BODY.length + 1}\r\n\r\n${BODY}`);
  assert.deepEqual(statusesOf(await tooLong.answer), [408]);
  const tooShort = await openRawClient(t, app);
  tooShort.write(`${HEAD}Content-Length: ${BODY.length - 1}\r\n\r\n${BODY}`);
  assert.deepEqual(statusesOf(await tooShort.answer), [400]);
  assert.deepEqual(producer.sent, []);
});

test('bytes that are no UTF-8 are refused, not replaced', async (t) => {
  const { post, producer } = await createIngest(t);
  for (const bytes of ['ff', 'c0af', 'eda080', 'f4908080', 'e282']) {
    const [before, after] = JSON.stringify({ ...PAYMENT, attributes: { note: '#' } }).split('#');
    const body = Buffer.concat([Buffer.from(String(before)), Buffer.from(bytes, 'hex'), Buffer.from(String(after))]);
    const response = await post('/v1/payments', body);
    assert.deepEqual([response.statusCode, response.json().type], [400, 'urn:millrace:problem:malformed-utf8'], bytes);
    const lines = await post('/v1/payments', body, { 'content-type': 'application/x-ndjson' });
    assert.equal(lines.statusCode, 422);
    assert.match(lines.json().problems[0].message, /not valid UTF-8/);
  }
  assert.deepEqual(producer.sent, []);
  const replaced = { ...PAYMENT, attributes: { note: 'a name that was damaged before: \ufffd' } };
  for (const type of ['application/json', 'application/x-ndjson']) {
    assert.equal((await post('/v1/payments', replaced, { 'content-type': type })).statusCode, 202);
  }
});

test('JSON that is 100,000 levels deep is refused, also with a forbidden name at its bottom, and in a line', async (t) => {
  const { post, producer } = await createIngest(t);
  const levels = 100_000;
  const inside = (value: string) => `${'['.repeat(levels)}${value}${']'.repeat(levels)}`;
  const objects = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const bodies: [string, number][] = [
    [inside(''), 422],
    [objects, 422],
    [inside('{"__proto__":{}}'), 400],
    [JSON.stringify(PAYMENT).replace('}', `,"attributes":${objects}}`), 422],
    ['['.repeat(levels), 400],
  ];
  for (const [body, status] of bodies) {
    assert.equal((await post('/v1/payments', body)).statusCode, status, body.slice(0, 20));
  }
  const lines = await post('/v1/payments', inside('').slice(0, 60_000), { 'content-type': 'application/x-ndjson' });
  assert.equal(lines.statusCode, 422);
  assert.deepEqual(producer.sent, []);
});

test('names that reach a prototype do nothing in a line either', async (t) => {
  const { post, producer } = await createIngest(t);
  const payment = JSON.stringify(PAYMENT).slice(0, -1);
  const lines = [
    `${payment},"__proto__":{"polluted":true}}`,
    `${payment},"constructor":{"prototype":{"polluted":true}}}`,
    `${payment},"attributes":{"__proto__":{"polluted":true}}}`,
  ];
  const response = await post('/v1/payments', lines.join('\n'), { 'content-type': 'application/x-ndjson' });
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  for (const record of producer.sent) assert.equal(String(record.value).includes('polluted'), false);
  assert.equal(response.json().rejected + producer.sent.length, 3);
});

test('a method that a route does not have is answered 405 with those that it has', async (t) => {
  const { app } = await createIngest(t);
  const get = await app.inject({ method: 'GET', url: '/v1/payments?x=1' });
  assert.deepEqual([get.statusCode, get.headers.allow], [405, 'POST']);
  assert.equal(get.json().type, 'urn:millrace:problem:method-not-allowed');
  const post = await app.inject({ method: 'POST', url: '/health/live', payload: {} });
  assert.deepEqual([post.statusCode, post.headers.allow], [405, 'GET, HEAD']);
  const malformed = { method: 'PUT', payload: '{', headers: { 'content-type': 'application/json' } } as const;
  assert.equal((await app.inject({ ...malformed, url: '/v1/payments' })).statusCode, 405);
  assert.equal((await app.inject({ ...malformed, url: '/nowhere' })).statusCode, 404);
});

test('a URL that cannot be decoded is a problem, too', async (t) => {
  const { app } = await createIngest(t);
  const response = await app.inject({ method: 'POST', url: '/v1/%E0%A4%A' });
  assert.equal(response.statusCode, 400);
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/);
});

test('connections over the limit are closed, and counted', async (t) => {
  const { app, counted } = await createIngest(t, { httpLimits: { connectionsMax: 2 } });
  const clients = [await openRawClient(t, app), await openRawClient(t, app)];
  const dropped = await openRawClient(t, app);
  assert.equal(await dropped.answer, '');
  for (const client of clients) {
    client.write(REQUEST);
    await client.until(/HTTP\/1\.1 202/);
  }
  assert.deepEqual(await counted('millrace_ingest_http_connections_dropped_total'), { '': 1 });
});

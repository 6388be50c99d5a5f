import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readPaced } from '../../src/http/stream-pace.ts';
import { createStreamSlots } from '../../src/http/stream-slots.ts';
import { createKeys, sha256 } from '../access/credentials-file.ts';
import { createIngest, PAYMENT } from '../fixtures.ts';
import { openRawClient } from './raw-client.ts';

const UNLIMITED = { allowance: null, keepOpen: () => {}, signal: new AbortController().signal };
const KEY = 'mk_3b8f0a2c9d7e41f6a5c8b2e0';

test('a stream that brings too little in a window is ended with 408, and what was read is there', async () => {
  const body = new PassThrough();
  const read: string[] = [];
  body.write('first');
  await assert.rejects(
    async () => {
      for await (const chunk of readPaced(body, UNLIMITED, { bytesMin: 10, windowMs: 50 })) read.push(String(chunk));
    },
    (error: Error & { statusCode?: number }) => error.statusCode === 408,
  );
  assert.deepEqual(read, ['first']);
});

test('a reader that takes its time is not the fault of the sender', async () => {
  const body = new PassThrough();
  body.end('first');
  const read: string[] = [];
  for await (const chunk of readPaced(body, UNLIMITED, { bytesMin: 10, windowMs: 20 })) {
    await sleep(100);
    read.push(String(chunk));
  }
  assert.deepEqual(read, ['first']);
});

test('reading pauses until what was spent is earned, and the connection is kept open meanwhile', async () => {
  const debts = [12_000, 7_000, 30, 0];
  let kept = 0;
  const allowance = { spend: () => {}, debtMs: () => Math.min(debts.shift() ?? 0, 10) };
  const body = new PassThrough();
  body.end('first');
  const payment = { ...UNLIMITED, allowance, keepOpen: () => (kept += 1) };
  const read: string[] = [];
  for await (const chunk of readPaced(body, payment)) read.push(String(chunk));
  assert.deepEqual([read, kept], [['first'], 3]);
});

test('a stop of the service ends a pause', async () => {
  const stop = new AbortController();
  const allowance = { spend: () => {}, debtMs: () => 3_600_000 };
  const body = new PassThrough();
  body.end('first');
  for await (const _ of readPaced(body, { ...UNLIMITED, allowance, signal: stop.signal })) {
    setImmediate(() => stop.abort());
  }
});

test('lines of a stream are counted against the limit of its key', async (t) => {
  const limited = { rate_limit: { events_per_second: 1_000, burst_events: 1_000 } };
  const { apiKeys } = await createKeys(t, [
    { name: 'shop', sha256: sha256(KEY), scopes: ['payments:write'], ...limited },
  ]);
  const { post } = await createIngest(t, { apiKeys });
  const lines = Array.from({ length: 20 }, (_, index) => JSON.stringify({ ...PAYMENT, transaction_id: `t-${index}` }));
  const headers = { 'content-type': 'application/x-ndjson', 'x-api-key': KEY };
  const response = await post('/v1/payments', lines.join('\n'), headers);
  assert.equal(response.statusCode, 202);
  // The request is one, and the lines are twenty; the last one, which has no line feed, is known at the end only.
  assert.equal(response.headers['ratelimit-remaining'], '980');
});

test('over the number of streams at the same time, the next one is told to wait', async () => {
  const slots = createStreamSlots(2);
  const first = Promise.withResolvers<void>();
  const running = [slots(() => first.promise), slots(() => first.promise)];
  await assert.rejects(
    slots(async () => undefined),
    (error: Error & { statusCode?: number }) => error.statusCode === 503,
  );
  first.resolve();
  await Promise.all(running);
  assert.equal(await slots(async () => 'again'), 'again');
});

test('a stream of which the sender goes away keeps what came before', async (t) => {
  const { app, producer } = await createIngest(t);
  const client = await openRawClient(t, app);
  const head =
    'POST /v1/payments HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked';
  const line = `${JSON.stringify(PAYMENT)}\n`;
  client.write(`${head}\r\n\r\n${line.length.toString(16)}\r\n${line}\r\n`);
  while (producer.sent.length === 0) await sleep(5);
  client.end();
  assert.match(await client.answer, /^(HTTP\/1\.1 400|$)/);
  assert.equal(producer.sent.length, 1);
});

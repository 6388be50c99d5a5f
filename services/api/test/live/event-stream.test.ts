import assert from 'node:assert/strict';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '../../src/errors.ts';
import { STREAM_LIMITS, type StreamLimits } from '../../src/live/event-stream.ts';
import type { Feed, Subscriber } from '../../src/live/feed.ts';
import { testApp } from '../fixtures.ts';

function createFakeFeed() {
  const subscribers = new Map<Subscriber, string | undefined>();
  const feed: Feed = {
    subscribe: async (subscriber, lastEventId) => {
      subscribers.set(subscriber, lastEventId);
      if (lastEventId === 'gone') subscriber.gap();
      return () => void subscribers.delete(subscriber);
    },
    close: async () => {},
  };
  return {
    feed,
    subscribers,
    send(offset: number, data: string) {
      const event = { id: `${offset + 1}`, topic: 't', partition: 0, offset, data };
      for (const subscriber of subscribers.keys()) subscriber.event(event);
    },
  };
}

async function listen(t: TestContext, feed: Feed, limits: Partial<StreamLimits> = {}) {
  const app = await testApp(t, {
    feeds: { alerts: feed, decisions: feed },
    streamLimits: { ...STREAM_LIMITS, ...limits },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return { app, port, url: `http://127.0.0.1:${port}/v1/stream/alerts` };
}

/** Reads a stream until its text has `until`. */
async function readUntil(response: Response, until: string): Promise<string> {
  let text = '';
  assert.ok(response.body);
  for await (const chunk of response.body) {
    text += Buffer.from(chunk).toString();
    if (text.includes(until)) break;
  }
  assert.ok(text.includes(until), text);
  return text;
}

test('a stream carries events with id and name, and resumes by Last-Event-ID', async (t) => {
  const fake = createFakeFeed();
  const { url } = await listen(t, fake.feed);
  const response = await fetch(url, { headers: { 'last-event-id': 'gone' } });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  fake.send(4, '{"alert_id":"a"}');
  const text = await readUntil(response, '"a"}\n\n');
  assert.equal(
    text.replace(/^event: gap\ndata: .*$/m, 'event: gap'),
    'retry: 2000\n\nevent: gap\n\nid: 5\nevent: alert\ndata: {"alert_id":"a"}\n\n',
  );
});

test('a silent stream has heartbeats, and a client that leaves is unsubscribed', async (t) => {
  const fake = createFakeFeed();
  const { url } = await listen(t, fake.feed, { heartbeatMs: 5 });
  const response = await fetch(url);
  await readUntil(response, ': heartbeat\n\n: heartbeat\n\n');
  for (let waits = 0; fake.subscribers.size > 0 && waits < 500; waits += 1) await delay(2);
  assert.equal(fake.subscribers.size, 0);
});

test('more clients than the limit are refused with Retry-After, and so are clients of a feed that cannot start', async (t) => {
  const fake = createFakeFeed();
  const { url } = await listen(t, fake.feed, { clientsMax: 1 });
  const first = await fetch(url);
  const second = await fetch(url);
  assert.equal(second.status, 503);
  assert.ok(second.headers.get('retry-after'));
  await first.body?.cancel();

  const away: Feed = {
    subscribe: () => Promise.reject(new ApiError('feed-unavailable', 'no Kafka')),
    close: async () => {},
  };
  const other = await listen(t, away);
  assert.equal((await fetch(other.url)).status, 503);
});

test('a client that does not read is told so and dropped; memory stays bounded', async (t) => {
  const fake = createFakeFeed();
  const { port } = await listen(t, fake.feed, { unreadBytesMax: 100_000 });
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.pause();
  socket.write('GET /v1/stream/alerts HTTP/1.1\r\nhost: x\r\n\r\n');
  for (let waits = 0; fake.subscribers.size === 0 && waits < 500; waits += 1) await delay(2);
  let sent = 0;
  // The kernel takes some megabytes before anything is left unread in the process.
  while (fake.subscribers.size > 0 && sent < 100_000) {
    fake.send(sent, `"${'x'.repeat(10_000)}"`);
    sent += 1;
    if (sent % 100 === 0) await delay(1);
  }
  assert.equal(fake.subscribers.size, 0);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-1000);
  });
  socket.resume();
  for (let waits = 0; !text.includes('event: dropped') && waits < 500; waits += 1) await delay(10);
  assert.match(text, /event: dropped\ndata: \{"reason":"More than 100000 bytes were left unread/);
});

test('closing the app ends its streams', async (t) => {
  const fake = createFakeFeed();
  const { app, url } = await listen(t, fake.feed);
  const response = await fetch(url);
  const text = response.text();
  await app.close();
  assert.match(await text, /^retry: 2000/);
});

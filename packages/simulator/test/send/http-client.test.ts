import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createHttpClient } from '../../src/send/http-client.ts';

const REQUEST = { path: '/v1/payments', body: '{"transaction_id":"t1"}', contentType: 'application/json' } as const;

describe('an HTTP sender', () => {
  let server: Server;
  let url = '';
  let answers: ((response: ServerResponse) => void)[] = [];
  let bodies: string[] = [];

  before(async () => {
    server = createServer(async (request, response) => {
      bodies.push(await text(request));
      const answer = answers.shift() ?? ((reply) => reply.writeHead(202).end('{"accepted":1}'));
      answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());
  beforeEach(() => {
    answers = [];
    bodies = [];
  });

  it('repeats the same bytes until it is answered, through 503, 429 and a connection that breaks', async (t) => {
    const stop = new AbortController();
    const availability: boolean[] = [];
    const client = createHttpClient({
      url,
      connections: 1,
      signal: stop.signal,
      onAvailability: (now) => availability.push(now),
    });
    t.after(() => client.close());
    answers = [
      (reply) => reply.writeHead(503, { 'retry-after': '0' }).end(),
      (reply) => reply.destroy(),
      (reply) => reply.writeHead(429).end(),
      (reply) => reply.writeHead(500).end('oops'),
    ];
    assert.deepEqual(await client.post(REQUEST), { status: 202, body: { accepted: 1 } });
    assert.deepEqual(
      bodies,
      Array.from({ length: 5 }, () => REQUEST.body),
    );
    assert.deepEqual(availability, [false, true]);
  });

  it('takes a refusal for an answer', async (t) => {
    const client = createHttpClient({ url, connections: 1, signal: new AbortController().signal });
    t.after(() => client.close());
    answers = [(reply) => reply.writeHead(422).end('{"title":"Invalid event"}')];
    assert.deepEqual(await client.post(REQUEST), { status: 422, body: { title: 'Invalid event' } });
    assert.equal(bodies.length, 1);
  });

  it('goes on trying while nobody listens, until it is told to stop', async (t) => {
    const stop = new AbortController();
    const client = createHttpClient({ url: 'http://127.0.0.1:9', connections: 1, signal: stop.signal });
    t.after(() => client.close());
    setTimeout(() => stop.abort(), 200);
    await assert.rejects(client.post(REQUEST), { code: 'aborted' });
    await assert.rejects(client.get('/health/ready'), { code: 'not-running', message: /npm start/ });
  });
});

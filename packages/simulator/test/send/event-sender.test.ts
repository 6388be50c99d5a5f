import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sendArray, sendLines } from '../../src/send/event-sender.ts';
import type { Answer, HttpClient, HttpRequest } from '../../src/send/http-client.ts';

const events = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `e${index}`, json: `{"n":${index}}` }));

/** Answers as given, and keeps what it was asked. */
function clientOf(answer: (request: HttpRequest) => Answer) {
  const requests: HttpRequest[] = [];
  const client: HttpClient = {
    async post(request) {
      requests.push(request);
      return answer(request);
    },
    get: () => Promise.reject(new Error('not asked')),
    close: async () => {},
  };
  return { client, requests };
}

const LISTED_MAX = 3;

/** As ingest's batch route: refuses odd numbers, lists the first problems only. */
function refuseOdd({ body }: HttpRequest): Answer {
  const faults = body
    .trim()
    .split('\n')
    .flatMap((line, index) => (JSON.parse(line).n % 2 === 1 ? [index + 1] : []))
    .map((line) => ({ line, field: 'n', code: 'out-of-range', message: 'must be even' }));
  return {
    status: 200,
    body: { problems: faults.slice(0, LISTED_MAX), problems_omitted: Math.max(0, faults.length - LISTED_MAX) },
  };
}

describe('events to the batch route', () => {
  it('are each accepted or refused, also when the answer does not list every problem', async () => {
    const { client, requests } = clientOf(refuseOdd);
    const { accepted, refused } = await sendLines(client, 'payments', events(20));
    assert.deepEqual(
      accepted.map(({ id }) => id),
      ['e0', 'e2', 'e4', 'e6', 'e8', 'e10', 'e12', 'e14', 'e16', 'e18'],
    );
    assert.deepEqual(
      refused.map(({ event }) => event.id),
      ['e1', 'e3', 'e5', 'e7', 'e9', 'e11', 'e13', 'e15', 'e17', 'e19'],
    );
    assert.ok(refused.every(({ reason }) => reason === 'n: out-of-range'));
    assert.equal(requests.length, 4);
    assert.equal(requests[0]?.path, '/v1/batches?kind=payments');
  });

  it('fail as a whole when the request is refused, with what ingest said', async () => {
    const { client } = clientOf(() => ({ status: 401, body: { detail: 'Send a key.' } }));
    await assert.rejects(sendLines(client, 'payments', events(2)), { code: 'refused', message: /401: Send a key\./ });
  });
});

describe('an array of events', () => {
  it('is accepted as a whole by 202, and item by item by 207 and 422', async () => {
    const all = await sendArray(clientOf(() => ({ status: 202, body: { accepted: 2 } })).client, 'payments', events(2));
    assert.deepEqual(
      all.accepted.map(({ id }) => id),
      ['e0', 'e1'],
    );
    const items = [
      { index: 0, status: 'accepted' },
      { index: 1, status: 'rejected', problems: [{ field: 'amount', code: 'malformed', message: '' }] },
    ];
    const { client, requests } = clientOf(() => ({ status: 207, body: { items } }));
    const some = await sendArray(client, 'payments', events(2));
    assert.deepEqual(
      some.accepted.map(({ id }) => id),
      ['e0'],
    );
    assert.deepEqual(
      some.refused.map(({ event, reason }) => [event.id, reason]),
      [['e1', 'amount: malformed']],
    );
    assert.equal(requests[0]?.body, '[{"n":0},{"n":1}]');
  });

  it('of which the answer does not tell what became of each is an error', async () => {
    const { client } = clientOf(() => ({ status: 413, body: { detail: 'too large' } }));
    await assert.rejects(sendArray(client, 'payments', events(1)), { code: 'refused', message: /413: too large/ });
  });
});

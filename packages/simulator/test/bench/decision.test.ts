import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { createAuthoriser, createTally } from '../../bench/decision/authoriser.ts';
import { percentile, summarise } from '../../bench/decision/latencies.ts';

const SEED = Date.now() % 2 ** 31;

type Answer = (response: ServerResponse, transactionId: string) => void;

/** An ingest that answers each payment as the test says. */
async function createIngest(t: TestContext, answerOf: (transactionId: string) => Answer): Promise<string> {
  const server = createServer(async (request, response) => {
    assert.equal(request.url, '/v1/payments?wait=decision');
    const { transaction_id } = (await json(request)) as { transaction_id: string };
    answerOf(transaction_id)(response, transaction_id);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const decided: Answer = (response, transaction_id) =>
  response.writeHead(200).end(JSON.stringify({ transaction_id, decision: 'approve' }));
const linked: Answer = (response, transaction_id) =>
  response.writeHead(202).end(JSON.stringify({ transaction_id, decision_url: '/v1/decisions/x' }));

test('answers are told apart: decided, linked, and lost by reason', async (t) => {
  const answers: Record<string, Answer> = {
    decided,
    linked,
    refused: (response) => response.writeHead(503).end('{}'),
    'of another': (response) => decided(response, 'another'),
    broken: (response) => response.destroy(),
  };
  const url = await createIngest(t, (id) => answers[id] ?? assert.fail(id));
  const authoriser = createAuthoriser({ url, connections: 8, nowMs: () => 70 });
  t.after(() => authoriser.close());
  const tally = createTally();
  for (const transaction_id of Object.keys(answers)) authoriser.send({ transaction_id }, 50, tally);
  await authoriser.drain();
  assert.deepEqual([tally.sent, tally.decided, tally.linked], [5, 1, 1]);
  assert.deepEqual(tally.latenciesMs, [20, 20]);
  assert.deepEqual(Object.fromEntries(tally.lost), { 'status 503': 1, 'status 200': 1, 'other side closed': 1 });
});

test('a payment that finds no free connection is sent all the same, and its latency counts from when it was due', async (t) => {
  let nowMs = 0;
  const held: (() => void)[] = [];
  const url = await createIngest(t, () => (response, id) => held.push(() => decided(response, id)));
  const authoriser = createAuthoriser({ url, connections: 1, nowMs: () => nowMs });
  t.after(() => authoriser.close());
  const tally = createTally();
  authoriser.send({ transaction_id: 't-1' }, 0, tally);
  authoriser.send({ transaction_id: 't-2' }, 10, tally);
  const answerAt = async (timeMs: number) => {
    while (held.length === 0) await new Promise(setImmediate);
    nowMs = timeMs;
    held.shift()?.();
  };
  await answerAt(300);
  while (tally.decided < 1) await new Promise(setImmediate);
  await answerAt(500);
  await authoriser.drain();
  assert.deepEqual(tally.latenciesMs, [300, 490]);
});

test('a percentile is the smallest value that enough of the values do not exceed', (t) => {
  t.diagnostic(`seed ${SEED}`);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 40 }),
      fc.constantFrom(0.5, 0.9, 0.99, 1),
      (values, share) => {
        const enough = (value: number) => values.filter((other) => other <= value).length >= share * values.length;
        const expected = Math.min(...values.filter(enough));
        assert.equal(
          percentile(
            values.toSorted((a, b) => a - b),
            share,
          ),
          expected,
        );
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
});

test('a summary of known latencies', () => {
  const latenciesMs = Array.from({ length: 200 }, (_, index) => 200 - index + 0.04);
  assert.deepEqual(summarise(latenciesMs), { p50Ms: 100, p90Ms: 180, p99Ms: 198, maxMs: 200 });
});

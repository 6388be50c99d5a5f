import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitIntoRequests } from '../src/producer.ts';

const record = (key: string, bytes: number) => ({ key, value: 'x'.repeat(bytes) });

test('small batches of several topics travel in one request', () => {
  const requests = splitIntoRequests([
    { topic: 'a', records: [record('1', 10), record('2', 10)] },
    { topic: 'b', records: [record('3', 10)] },
  ]);
  assert.deepEqual(
    requests.map((topics) => topics.map(({ topic, messages }) => [topic, messages.length])),
    [
      [
        ['a', 2],
        ['b', 1],
      ],
    ],
  );
});

test('what is over a mebibyte is split, and the order within a topic stays', () => {
  const records = Array.from({ length: 10 }, (_, i) => record(String(i), 300_000));
  const requests = splitIntoRequests([{ topic: 'a', records }]);
  assert.equal(requests.length, 4);
  assert.deepEqual(
    requests.flatMap((topics) => topics.flatMap(({ messages }) => messages.map(({ key }) => key))),
    records.map(({ key }) => key),
  );
});

test('a record over the limit goes alone, for the broker to judge', () => {
  const requests = splitIntoRequests([
    { topic: 'a', records: [record('1', 10), record('2', 2_000_000), record('3', 10)] },
  ]);
  assert.deepEqual(
    requests.map((topics) => topics[0]?.messages.length),
    [1, 1, 1],
  );
});

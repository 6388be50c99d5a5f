import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InRecord, ReadBatch } from '@millrace/kafka';
import { InputQueues } from '../../src/runtime/input-queues.ts';

const record = (topic: string, offset: number, timestampMs: number): InRecord => ({
  topic,
  partition: 0,
  offset,
  timestampMs,
  key: null,
  value: null,
  headers: {},
});
const batch = (
  topic: string,
  records: readonly InRecord[],
  endOffset: number,
  nextOffset = (records.at(-1)?.offset ?? -1) + 1,
): ReadBatch => ({ topic, partition: 0, records, nextOffset, endOffset });
const takeAll = (queues: InputQueues) => {
  const taken: string[] = [];
  for (let next = queues.take(); next !== undefined; next = queues.take())
    taken.push(`${next.topic}@${next.timestampMs}`);
  return taken;
};

test('records of several inputs come in the order of their event times', () => {
  const queues = new InputQueues(['a', 'b']);
  queues.push(batch('a', [record('a', 0, 10), record('a', 1, 30)], 2));
  queues.push(batch('b', [record('b', 0, 20), record('b', 1, 40)], 2));
  assert.deepEqual(takeAll(queues), ['a@10', 'b@20', 'a@30', 'b@40']);
});

test('an input that is known to have more is waited for', () => {
  const queues = new InputQueues(['a', 'b']);
  queues.push(batch('a', [record('a', 0, 10)], 1));
  assert.deepEqual(takeAll(queues), [], 'nothing is known of b yet');
  queues.push(batch('b', [], 5, 0));
  assert.deepEqual(takeAll(queues), [], 'b has records that have not come');
  queues.push(batch('b', [record('b', 0, 5)], 5));
  assert.deepEqual(takeAll(queues), ['b@5'], 'a might still be overtaken');
  queues.push(batch('b', [], 1, 1));
  assert.deepEqual(takeAll(queues), ['a@10']);
});

test('with equal times the input that was declared first goes first', () => {
  const queues = new InputQueues(['a', 'b']);
  queues.push(batch('b', [record('b', 0, 10)], 1));
  queues.push(batch('a', [record('a', 0, 10)], 1));
  assert.deepEqual(takeAll(queues), ['a@10', 'b@10']);
});

test('the offset to commit leaps over control records once the queue is empty, and not before', () => {
  const queues = new InputQueues(['a']);
  queues.push(batch('a', [record('a', 0, 1), record('a', 1, 2)], 4, 4));
  assert.equal(queues.doneBefore('a'), 0);
  queues.take();
  assert.equal(queues.doneBefore('a'), 1);
  queues.take();
  assert.equal(queues.doneBefore('a'), 4);
  assert.equal(queues.lagOf('a'), 0);
});

test('it is quiet when all is processed and every input has answered again that it has no more', () => {
  const queues = new InputQueues(['a', 'b']);
  assert.equal(queues.confirmQuiet(), false, 'no input has answered');
  queues.push(batch('a', [record('a', 0, 10)], 1));
  queues.push(batch('b', [], 0, 0));
  assert.equal(queues.confirmQuiet(), false, 'a record waits');
  queues.take();
  assert.equal(queues.confirmQuiet(), true);
  queues.push(batch('a', [], 1, 1));
  assert.equal(queues.confirmQuiet(), false, 'b has not answered since');
  queues.push(batch('b', [], 1, 0));
  assert.equal(queues.confirmQuiet(), false, 'b has more');
  queues.push(batch('b', [], 1, 1));
  assert.equal(queues.confirmQuiet(), true);
});

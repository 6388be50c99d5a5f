import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StartingPoint, startingPoint, type TopicState } from '../src/starting-point.ts';

const LOG = [
  { partition: 0, start: 0, end: 100 },
  { partition: 1, start: 0, end: 100 },
];

test('a new topic is read from its start', () => {
  assert.deepEqual(from({ committed: [none(0), none(1)] }), {
    positions: { 0: 0, 1: 0 },
    intent: [],
    rewound: false,
    lostOffsets: 0,
  });
});

test('committed offsets lead, because they also cover records that made no row', () => {
  const point = from({ committed: [at(0, 60), at(1, 40)], highest: { 0: 50, 1: 39 } });
  assert.deepEqual(point.positions, { 0: 60, 1: 40 });
});

test('without committed offsets the sink goes on after what ClickHouse has', () => {
  const point = from({ committed: [none(0), none(1)], highest: { 0: 50 } });
  assert.deepEqual(point.positions, { 0: 51, 1: 0 });
});

test('an intent is the block to complete, and its end is where reading goes on', () => {
  const point = from({ committed: [at(0, 60, '{"end":75}'), at(1, 40)], highest: { 0: 59, 1: 39 } });
  assert.deepEqual(point.intent, [{ partition: 0, start: 60, end: 75 }]);
  assert.deepEqual(point.positions, { 0: 75, 1: 40 });
});

test('the intent of the very first block is completed', () => {
  const point = from({ committed: [at(0, 0, '{"end":10}'), none(1)] });
  assert.deepEqual([point.intent, point.rewound], [[{ partition: 0, start: 0, end: 10 }], false]);
});

test('when ClickHouse has nothing although offsets were committed, everything that Kafka has is stored again', () => {
  const log = [{ partition: 0, start: 20, end: 100 }, LOG[1] ?? assert.fail()];
  const point = from({ committed: [at(0, 60, '{"end":75}'), at(1, 40)], log });
  assert.deepEqual(point, { positions: { 0: 20, 1: 0 }, intent: [], rewound: true, lostOffsets: 0 });
});

test('offsets that Kafka deleted before they were stored are counted', () => {
  const log = [{ partition: 0, start: 70, end: 100 }, LOG[1] ?? assert.fail()];
  const point = from({ committed: [at(0, 60), at(1, 40)], highest: { 0: 59, 1: 39 }, log });
  assert.deepEqual([point.positions, point.lostOffsets], [{ 0: 70, 1: 40 }, 10]);
});

test('a topic that ends before what ClickHouse has was made anew, and that is an error', () => {
  assert.throws(() => from({ committed: [none(0), none(1)], highest: { 1: 100 } }), { code: 'topic-recreated' });
});

test('metadata that no sink writes is an error', () => {
  for (const metadata of ['hello', '{}', '{"end":60}', '{"end":"75"}', '{"end":75.5}', 'null']) {
    assert.throws(
      () => from({ committed: [at(0, 60, metadata), none(1)], highest: { 0: 1 } }),
      { code: 'intent-unreadable' },
      metadata,
    );
  }
});

const at = (partition: number, offset: number, metadata = '') => ({ topic: 't', partition, offset, metadata });
const none = (partition: number) => at(partition, -1);

function from(state: {
  committed: TopicState['committed'];
  highest?: Record<number, number>;
  log?: TopicState['log'];
}): Omit<StartingPoint, 'positions'> & { positions: Record<number, number> } {
  const highest = new Map(
    Object.entries(state.highest ?? {}).map(([partition, offset]) => [Number(partition), offset]),
  );
  const point = startingPoint('t', { committed: state.committed, log: state.log ?? LOG, highest });
  return { ...point, positions: Object.fromEntries(point.positions) };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLOCK_ROWS_MAX, BlockBuilder, blockOf, blockToken } from '../src/block.ts';
import type { Route } from '../src/routes.ts';

test('a token names the topic and every range', () => {
  const ranges = [
    { partition: 0, start: 5, end: 9 },
    { partition: 3, start: 0, end: 1 },
  ];
  assert.equal(blockToken('fraud.labels', ranges), 'fraud.labels 0:5-9,3:0-1');
});

test('a block ends past the control records that follow its last record', () => {
  const builder = new BlockBuilder(route(1), new Map([[0, 10]]));
  builder.add([batch(0, [12, 13], 15)]);
  assert.deepEqual(builder.take().ranges, [{ partition: 0, start: 10, end: 15 }]);
});

test('what only moves the position makes no block, and is covered by the next one', () => {
  const builder = new BlockBuilder(route(1), new Map([[0, 10]]));
  builder.add([batch(0, [], 12)]);
  assert.equal(builder.isEmpty, true);
  builder.add([batch(0, [12], 13)]);
  assert.deepEqual(builder.take().ranges, [{ partition: 0, start: 10, end: 13 }]);
});

test('blocks are bounded, and together they are every record once, in order, with no offset between two blocks', () => {
  const reads = fc.array(
    fc.record({
      partition: fc.nat({ max: 2 }),
      gaps: fc.array(fc.nat({ max: 2 }), { maxLength: 12 }),
      after: fc.nat({ max: 2 }),
    }),
    { maxLength: 20 },
  );
  const rowsPerRecord = BLOCK_ROWS_MAX / 4;
  fc.assert(
    fc.property(reads, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (batches, takes) => {
      const builder = new BlockBuilder(
        route(rowsPerRecord),
        new Map([
          [0, 0],
          [1, 0],
          [2, 0],
        ]),
      );
      const next = [0, 0, 0];
      const sent: string[] = [];
      const blocks = [];
      for (const [index, { partition, gaps, after }] of batches.entries()) {
        const offsets = gaps.map((gap) => {
          next[partition] = (next[partition] ?? 0) + gap + 1;
          return next[partition] - 1;
        });
        next[partition] = (next[partition] ?? 0) + after;
        sent.push(...offsets.map((offset) => `${partition}:${offset}`));
        builder.add([batch(partition, offsets, next[partition])]);
        if (takes[index] && !builder.isEmpty) blocks.push(builder.take());
      }
      while (!builder.isEmpty) blocks.push(builder.take());

      const stored = blocks.flatMap(({ body }) => body.toString().split('\n').filter(Boolean));
      assert.deepEqual([...stored].sort(), sent.sort());
      const ends = [0, 0, 0];
      for (const block of blocks) {
        assert.ok(block.records.length <= 4);
        for (const { partition, start, end } of block.ranges) {
          assert.equal(start, ends[partition]);
          ends[partition] = end;
          const inside = block.records.filter((record) => record.partition === partition).map(({ offset }) => offset);
          assert.deepEqual(
            inside,
            [...inside].sort((a, b) => a - b),
          );
          assert.ok(inside.every((offset) => offset >= start && offset < end));
        }
      }
    }),
  );
});

test('a repeated block has the bytes of the first, however it was gathered', () => {
  const builder = new BlockBuilder(route(1), new Map([[0, 0]]));
  builder.add([batch(0, [0, 1], 2), batch(0, [2], 3)]);
  const first = builder.take();
  const again = blockOf(route(1), first.records, first.ranges, false);
  assert.deepEqual(again.body, first.body);
  assert.equal(again.rowCount, 3);
});

function route(count: number): Route {
  return {
    topic: 't',
    table: 'labels',
    urgent: false,
    refused: 'dead-letter',
    rows: ({ partition, offset }) => ({ lines: [`${partition}:`, Buffer.from(String(offset)), '\n'], count }),
  };
}

function batch(partition: number, offsets: readonly number[], nextOffset: number) {
  const records = offsets.map((offset) => ({
    topic: 't',
    partition,
    offset,
    timestampMs: 0,
    key: null,
    value: null,
    headers: {},
  }));
  return { topic: 't', partition, records, nextOffset, endOffset: nextOffset };
}

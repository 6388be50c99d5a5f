import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeRecordSet, headerOf } from '../src/record-batch-decoder.ts';

const require = createRequire(import.meta.url);
interface Encoder {
  readonly buffer: Buffer;
}
// kafkajs's encoder, which brokers accept, is the independent side of these tests.
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(batch: object): Promise<Encoder>;
};
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoder;

const TOPIC = { topic: 'payments.raw', partition: 3 };
const PRODUCER = 77;

interface Given {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly headers: Record<string, string>;
}

async function encodeBatch(
  baseOffset: number,
  given: readonly Given[],
  options: { transactional?: boolean; compression?: number; producerId?: number } = {},
): Promise<Buffer> {
  const first = given[0]?.timestampMs ?? 0;
  const records = given.map(({ key, value, timestampMs, headers }, offsetDelta) =>
    encodeRecord({ key, value, headers, offsetDelta, timestampDelta: timestampMs - first }),
  );
  const { buffer } = await RecordBatch({
    compression: options.compression ?? 0,
    firstTimestamp: first,
    maxTimestamp: Math.max(...given.map(({ timestampMs }) => timestampMs)),
    producerId: options.producerId ?? -1,
    producerEpoch: 0,
    firstSequence: 0,
    lastOffsetDelta: given.length - 1,
    transactional: options.transactional ?? false,
    records,
  });
  const batch = Buffer.from(buffer);
  batch.writeBigInt64BE(BigInt(baseOffset), 0); // the broker sets the base offset
  return batch;
}

/** A batch of no records over the offsets from `baseOffset` to `lastOffset`, as compaction leaves one behind. */
function emptyBatch(baseOffset: number, lastOffset: number): Buffer {
  const batch = Buffer.alloc(61);
  batch.writeBigInt64BE(BigInt(baseOffset), 0);
  batch.writeInt32BE(49, 8);
  batch[16] = 2;
  batch.writeInt32BE(lastOffset - baseOffset, 23);
  return batch;
}

async function abortMarker(offset: number, producerId: number): Promise<Buffer> {
  const record = encodeRecord({
    key: Buffer.from([0, 0, 0, 0]),
    value: Buffer.alloc(6),
    headers: {},
    offsetDelta: 0,
    timestampDelta: 0,
  });
  const { buffer } = await RecordBatch({
    compression: 0,
    firstTimestamp: 0,
    maxTimestamp: 0,
    producerId,
    producerEpoch: 0,
    firstSequence: -1,
    lastOffsetDelta: 0,
    transactional: true,
    records: [record],
  });
  const batch = Buffer.from(buffer);
  batch.writeBigInt64BE(BigInt(offset), 0);
  batch.writeInt16BE(batch.readInt16BE(21) | 0x20, 21); // a control batch
  return batch;
}

const someRecords = (count: number): Given[] =>
  Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `v${i}`, timestampMs: 1_000 + i, headers: {} }));

test('what another client encodes is read back: keys, values, headers, timestamps and offsets', async () => {
  const given = fc.record({
    key: fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }), { nil: null }),
    value: fc.option(fc.string({ unit: 'grapheme', maxLength: 300 }), { nil: null }),
    timestampMs: fc.integer({ min: 1_500_000_000_000, max: 1_900_000_000_000 }),
    headers: fc.dictionary(
      fc.string({ minLength: 1, maxLength: 10 }).filter((name) => name !== '__proto__'),
      fc.string({ maxLength: 20 }),
      { maxKeys: 4 },
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(given, { minLength: 1, maxLength: 30 }), fc.nat(2 ** 40), async (list, baseOffset) => {
      const { records, nextOffset } = decodeRecordSet(await encodeBatch(baseOffset, list), TOPIC, baseOffset);
      assert.equal(nextOffset, baseOffset + list.length);
      assert.deepEqual(
        records.map(({ offset, key, value, timestampMs, headers }) => ({
          offset,
          key: key?.toString() ?? null,
          value: value?.toString() ?? null,
          timestampMs,
          headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, bytes?.toString() ?? ''])),
        })),
        list.map((record, i) => ({ offset: baseOffset + i, ...record, headers: { ...record.headers } })),
      );
    }),
    { numRuns: 60 },
  );
});

test('one header by its name is the one among all headers, also where a name is the beginning of another', async () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 3 });
  const headers = fc.dictionary(name, fc.string({ maxLength: 3 }), { maxKeys: 6 });
  await fc.assert(
    fc.asyncProperty(headers, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 }), async (given, wanted) => {
      const record = { key: 'k', value: 'v', timestampMs: 1_000, headers: given };
      const read = async () => decodeRecordSet(await encodeBatch(0, [record]), TOPIC, 0).records[0];
      const [untouched, looked] = [await read(), await read()];
      assert.ok(untouched && looked);
      assert.equal(headerOf(untouched, wanted)?.toString(), given[wanted]);
      assert.equal(Object.keys(looked.headers).length, Object.keys(given).length);
      assert.equal(headerOf(looked, wanted)?.toString(), given[wanted], 'and after all of them were made');
    }),
    { numRuns: 200 },
  );
});

test('records below the offset that was asked for are left out', async () => {
  const { records } = decodeRecordSet(await encodeBatch(100, someRecords(5)), TOPIC, 103);
  assert.deepEqual(
    records.map(({ offset }) => offset),
    [103, 104],
  );
});

test('a batch that is cut off at the end is left for the next fetch', async () => {
  const set = Buffer.concat([await encodeBatch(0, someRecords(2)), await encodeBatch(2, someRecords(2))]);
  const { records, nextOffset } = decodeRecordSet(set.subarray(0, set.length - 5), TOPIC, 0);
  assert.deepEqual([records.length, nextOffset], [2, 2]);
});

test('reading goes on behind a batch that compaction has emptied', () => {
  assert.deepEqual(decodeRecordSet(emptyBatch(40, 59), TOPIC, 40), { records: [], nextOffset: 60 });
});

test('records of an aborted transaction are left out, those of the next one of the same producer are not', async () => {
  const set = Buffer.concat([
    await encodeBatch(0, someRecords(2), { transactional: true, producerId: PRODUCER }),
    await encodeBatch(2, someRecords(1)),
    await abortMarker(3, PRODUCER),
    await encodeBatch(4, someRecords(1), { transactional: true, producerId: PRODUCER }),
  ]);
  const { records, nextOffset } = decodeRecordSet(set, TOPIC, 0, [{ producerId: PRODUCER, firstOffset: 0 }]);
  assert.deepEqual(
    records.map(({ offset }) => offset),
    [2, 4],
  );
  assert.equal(nextOffset, 5);
});

test('a gzip batch is inflated, and a codec that cannot be read is named', async () => {
  const plain = await encodeBatch(0, someRecords(3));
  const packed = gzipSync(plain.subarray(61));
  const gzip = Buffer.concat([plain.subarray(0, 61), packed]);
  gzip.writeInt32BE(49 + packed.length, 8);
  gzip.writeInt16BE(1, 21);
  assert.equal(decodeRecordSet(gzip, TOPIC, 0).records.length, 3);
  gzip.writeInt16BE(3, 21);
  assert.throws(() => decodeRecordSet(gzip, TOPIC, 0), { code: 'corrupt', message: /codec 3/ });
});

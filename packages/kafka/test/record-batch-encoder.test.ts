import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../src/crc32c.ts';
import { encodeRecordBatches, type ProducerIdentity } from '../src/record-batch-encoder.ts';
import type { OutRecord } from '../src/types.ts';

const require = createRequire(import.meta.url);
// kafkajs's decoder and checksum, which work with real brokers, are the independent side of these tests.
const kafkaJsCrc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
const Decoder = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
interface DecodedBatch {
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly inTransaction: boolean;
  readonly lastOffsetDelta: number;
  readonly maxTimestamp: string;
  readonly records: { offset: string; timestamp: string; key: Buffer | null; value: Buffer | null; headers: object }[];
}
const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<DecodedBatch>;

const SOMEBODY = { producerId: 1, producerEpoch: 0, transactional: false };
const BATCH_BYTES_MAX = 900 * 1024;

function encodeOne(records: readonly OutRecord[], identity: ProducerIdentity, sequence: number, nowMs: number): Buffer {
  const [batch, ...others] = encodeRecordBatches(records, identity, sequence, nowMs, BATCH_BYTES_MAX);
  assert.equal(others.length, 0);
  assert.equal(batch?.records, records.length);
  return batch.bytes;
}

const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const anyRecord = fc.record({
  key: fc.option(text, { nil: null }),
  value: fc.option(
    fc.oneof(
      text,
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    ),
    { nil: null },
  ),
  timestampMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  headers: fc.dictionary(
    // kafkajs gathers headers in an object with a prototype, so names such as `toString` are taken there.
    fc.string({ minLength: 1, maxLength: 10 }).filter((name) => !(name in {})),
    fc.string({ maxLength: 200 }),
    { maxKeys: 3 },
  ),
});

test('another client reads back what was encoded, and the checksum holds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
      fc.record({ producerId: fc.nat(), producerEpoch: fc.nat(32_767), transactional: fc.boolean() }),
      fc.nat(2 ** 31 - 1),
      async (records, identity, sequence) => {
        const bytes = encodeOne(records, identity, sequence, 0);
        assert.equal(bytes.readUInt32BE(17), kafkaJsCrc32c(bytes.subarray(21)));
        const batch = await decode(new Decoder(Buffer.from(bytes)));
        assert.deepEqual(
          [batch.producerId, batch.producerEpoch, batch.inTransaction, batch.firstSequence, batch.lastOffsetDelta],
          [String(identity.producerId), identity.producerEpoch, identity.transactional, sequence, records.length - 1],
        );
        assert.equal(Number(batch.maxTimestamp), Math.max(...records.map(({ timestampMs }) => timestampMs)));
        assert.deepEqual(
          batch.records.map(({ offset, timestamp, key, value, headers }) => ({
            offset: Number(offset),
            timestampMs: Number(timestamp),
            key: key?.toString() ?? null,
            value: value?.toString('hex') ?? null,
            headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, String(header)])),
          })),
          records.map(({ timestampMs, key, value, headers }, offset) => ({
            offset,
            timestampMs,
            key,
            value: value === null ? null : Buffer.from(value as string).toString('hex'),
            headers: { ...headers },
          })),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('a record without a timestamp gets the one of now', async () => {
  const bytes = encodeOne([{ key: 'k', value: 'v' }], SOMEBODY, 0, 12_345);
  assert.equal((await decode(new Decoder(bytes))).records[0]?.timestamp, '12345');
});

test('the checksum of "123456789" is the one that the standard gives', () => {
  const bytes = Buffer.from('123456789');
  assert.equal(crc32c(bytes, 0, bytes.length), 0xe3069283);
});

test('the checksum is right for any length and any start', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (array, from) => {
      const bytes = Buffer.from(array);
      const start = Math.min(from, bytes.length);
      assert.equal(crc32c(bytes, start, bytes.length), kafkaJsCrc32c(bytes.subarray(start)));
    }),
  );
});

test('lengths are right around the sizes at which they take one byte more, ASCII or not', async () => {
  for (const letter of ['a', 'ü', '€']) {
    for (const around of [20, 31, 61, 63, 64, 2_730, 4_095, 8_185, 8_191, 350_000]) {
      const values = [-2, -1, 0, 1, 2].map((more) => letter.repeat(around + more));
      for (const value of values) {
        const [record] = (await decode(new Decoder(encodeOne([{ key: letter, value }], SOMEBODY, 0, 0)))).records;
        assert.equal(record?.key?.toString(), letter);
        assert.ok(record?.value?.toString() === value, `a value of ${value.length} times ${letter}`);
      }
    }
  }
});

const THIRD_OF_A_BATCH_BYTES = 300_000;
const record = (key: string, bytes: number) => ({ key, value: 'x'.repeat(bytes) });
const batchesOf = async (records: readonly OutRecord[], sequence = 0) => {
  const batches = encodeRecordBatches(records, SOMEBODY, sequence, 0, BATCH_BYTES_MAX);
  return Promise.all(
    batches.map(async ({ bytes, records: count }) => {
      const { firstSequence, records: found } = await decode(new Decoder(bytes));
      assert.equal(found.length, count);
      return { sequence: firstSequence, keys: found.map(({ key }) => String(key)) };
    }),
  );
};

test('what is over the limit of a batch is split, in order, with sequence numbers that go on', async () => {
  const records = Array.from({ length: 10 }, (_, i) => record(String(i), THIRD_OF_A_BATCH_BYTES));
  assert.deepEqual(await batchesOf(records, 7), [
    { sequence: 7, keys: ['0', '1', '2'] },
    { sequence: 10, keys: ['3', '4', '5'] },
    { sequence: 13, keys: ['6', '7', '8'] },
    { sequence: 16, keys: ['9'] },
  ]);
});

test('sequence numbers begin again at 0 after 2^31 - 1, also between two batches', async () => {
  const records = Array.from({ length: 4 }, (_, i) => record(String(i), THIRD_OF_A_BATCH_BYTES));
  assert.deepEqual(
    (await batchesOf(records, 2 ** 31 - 3)).map(({ sequence }) => sequence),
    [2 ** 31 - 3, 0],
  );
});

test('a record over the limit goes alone, for the broker to judge', async () => {
  assert.deepEqual(
    (await batchesOf([record('1', 10), record('2', 2_000_000), record('3', 10)])).map(({ keys }) => keys),
    [['1'], ['2'], ['3']],
  );
});

test('no records are no batch', () => {
  assert.deepEqual(encodeRecordBatches([], SOMEBODY, 0, 0, BATCH_BYTES_MAX), []);
});

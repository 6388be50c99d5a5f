import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { encodePayload } from 'sparkplug-payload/lib/sparkplugbpayload.js';
import { decodeSparkplug, encodeRebirth, INFLATED_BYTES_MAX } from '../../../src/mqtt/sparkplug/payload.ts';
import { readingValue } from '../../../src/mqtt/sparkplug/values.ts';

/** Protobuf written by hand (https://protobuf.dev/programming-guides/encoding): a field is `number << 3 | type`. */
const BY_HAND = Buffer.from(
  [
    '08 80e49bcaca33', // 1 timestamp, varint: 1772366524928
    '12 0d', // 2 metrics, 13 bytes
    '   0a 04 74656d70', // 1 name: temp
    '   20 09', // 4 datatype: 9, Float
    '   65 0000a841', // 12 float_value, 4 bytes, little endian: 21
    '12 0a',
    '   10 07', // 2 alias: 7
    '   50 fdffffff0f', // 10 int_value, varint: 2^32 - 3
    '   28 01', // 5 is_historical
    '12 04',
    '   10 09', // alias: 9
    '   38 01', // 7 is_null
    '18 05', // 3 seq: 5
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
);

test('bytes that were written by hand are read as the protocol says', () => {
  assert.deepEqual(decodeSparkplug(BY_HAND), {
    timestampMs: 1_772_366_524_928,
    sequence: 5,
    metrics: [
      {
        name: 'temp',
        alias: undefined,
        timestampMs: undefined,
        datatype: 9,
        isHistorical: false,
        value: { kind: 'float', value: 21 },
      },
      {
        name: undefined,
        alias: 7,
        timestampMs: undefined,
        datatype: undefined,
        isHistorical: true,
        value: { kind: 'int', value: 4_294_967_293 },
      },
      {
        name: undefined,
        alias: 9,
        timestampMs: undefined,
        datatype: undefined,
        isHistorical: false,
        value: { kind: 'null' },
      },
    ],
  });
});

test('what a compressed payload holds is read, with the time and sequence of whichever has them', () => {
  for (const [algorithm, body] of [
    ['DEFLATE', deflateSync(BY_HAND)],
    ['GZIP', gzipSync(BY_HAND)],
  ] as const) {
    const metrics = [{ name: 'algorithm', type: 'String' as const, value: algorithm }];
    const bytes = encodePayload({ uuid: 'SPBV1.0_COMPRESSED', seq: 77, body, metrics });
    assert.deepEqual(decodeSparkplug(bytes), decodeSparkplug(BY_HAND));
  }
  const body = deflateSync(encodePayload({ metrics: [] }));
  const { sequence, timestampMs } = decodeSparkplug(
    encodePayload({ uuid: 'SPBV1.0_COMPRESSED', timestamp: 5, seq: 77, body }),
  );
  assert.deepEqual([sequence, timestampMs], [77, 5]);
});

test('what would become too large, or cannot be opened, is refused', () => {
  const bomb = deflateSync(Buffer.alloc(INFLATED_BYTES_MAX + 1));
  const envelope = (body: Uint8Array, metrics: Parameters<typeof encodePayload>[0]['metrics'] = []) =>
    encodePayload({ uuid: 'SPBV1.0_COMPRESSED', body, metrics });
  assert.throws(() => decodeSparkplug(envelope(bomb)), /1048576 bytes/);
  assert.throws(() => decodeSparkplug(envelope(Buffer.from('no'))), /incorrect header/);
  const brotli = [{ name: 'algorithm', type: 'String' as const, value: 'BROTLI' }];
  assert.throws(() => decodeSparkplug(envelope(bomb, brotli)), /neither DEFLATE nor GZIP/);
  const many = Buffer.alloc(2 * 10_001, Buffer.of(0x12, 0x00));
  assert.throws(() => decodeSparkplug(many), /10001 metrics, at most 10000/);
});

test('random bytes are a payload or refused with an error, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeSparkplug(bytes);
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }),
  );
});

/** The value that comes out for one that the codec has written. */
function through(type: string, value: unknown): unknown {
  const metric = { name: 'm', type, value } as never;
  const [decoded] = decodeSparkplug(encodePayload({ metrics: [metric] })).metrics;
  assert.ok(decoded);
  return readingValue(decoded.value, decoded.datatype);
}

test('every number of a type comes out as it was written', () => {
  const whole = (type: string, min: number, max: number) =>
    fc.integer({ min, max }).map((value) => [type, value] as const);
  const cases = fc.oneof(
    whole('Int8', -128, 127),
    whole('Int16', -32_768, 32_767),
    whole('Int32', -(2 ** 31), 2 ** 31 - 1),
    whole('UInt8', 0, 255),
    whole('UInt16', 0, 65_535),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value) => ['UInt32', value] as const),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ['Double', value + 0] as const),
    fc.boolean().map((value) => ['Boolean', value] as const),
  );
  fc.assert(
    fc.property(cases, ([type, value]) => {
      assert.deepEqual(through(type, value), { kind: 'metric', value });
    }),
  );
});

/** 64 bits as the codec takes them. */
const halves = (value: bigint) => ({
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
  unsigned: value >= 0n,
});

test('64 bits come out while a number carries them exactly, and are counted otherwise', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const isSafe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
      const expected = isSafe
        ? { kind: 'metric', value: Number(value) }
        : { kind: 'skipped', reason: 'unsafe-integer' };
      assert.deepEqual(through('Int64', halves(value)), expected);
    }),
  );
  assert.deepEqual(through('UInt64', halves(2n ** 64n - 1n)), { kind: 'skipped', reason: 'unsafe-integer' });
  assert.deepEqual(through('Int64', halves(-1n)), { kind: 'metric', value: -1 });
});

test('a float of 32 bits is the shortest decimal of it', () => {
  assert.deepEqual(through('Float', 21.1), { kind: 'metric', value: 21.1 });
  assert.deepEqual(through('Float', 16_777_217), { kind: 'metric', value: 16_777_216 });
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const result = through('Float', value) as { value: number };
      assert.equal(Math.fround(result.value), value + 0); // JSON has one zero.
    }),
  );
});

test('a small integer counts whether or not its sign was extended', () => {
  assert.deepEqual(readingValue({ kind: 'int', value: 0xff }, 1), { kind: 'metric', value: -1 });
  assert.deepEqual(readingValue({ kind: 'int', value: 0xffff_ffff }, 1), { kind: 'metric', value: -1 });
  assert.deepEqual(readingValue({ kind: 'int', value: 3_000_000_000 }, 7), { kind: 'metric', value: 3_000_000_000 });
});

test('texts are texts, and what a reading does not hold is skipped with its reason', () => {
  assert.deepEqual(through('String', 'on'), { kind: 'text', value: 'on' });
  assert.deepEqual(through('Int32', null), { kind: 'skipped', reason: 'null' });
  assert.deepEqual(through('Double', Number.NaN), { kind: 'skipped', reason: 'not-finite' });
  assert.deepEqual(through('Float', Number.POSITIVE_INFINITY), { kind: 'skipped', reason: 'not-finite' });
  assert.deepEqual(through('Bytes', Buffer.from('x')), { kind: 'skipped', reason: 'type' });
  const array = Buffer.from('120620168201017f', 'hex'); // metric: datatype 22 (Int8Array), 16 bytes_value
  assert.deepEqual(decodeSparkplug(array).metrics[0]?.value, { kind: 'composite' });
  assert.deepEqual(through('DataSet', { numOfColumns: 0, columns: [], types: [], rows: [] }), {
    kind: 'skipped',
    reason: 'type',
  });
  assert.equal(readingValue({ kind: 'int', value: 1 }, undefined), undefined);
});

test('the command for a rebirth is what nodes expect', () => {
  const { timestampMs, metrics } = decodeSparkplug(encodeRebirth(5));
  assert.equal(timestampMs, 5);
  assert.deepEqual(
    metrics.map(({ name, datatype, value }) => [name, datatype, value]),
    [['Node Control/Rebirth', 11, { kind: 'boolean', value: true }]],
  );
});

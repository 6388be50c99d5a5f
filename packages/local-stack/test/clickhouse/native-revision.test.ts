import assert from 'node:assert/strict';
import { test } from 'node:test';
import { raiseNativeRevision } from '../../src/clickhouse/native-revision.ts';
import { elementType, parseType } from '../../src/clickhouse/native-type.ts';

const BLOCK_INFO = '01 00 02 ff ff ff ff 00';
const REVISION = 54_460;

function bytes(...parts: readonly string[]): Buffer {
  return Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
}

/** A length and the text. */
function text(value: string): string {
  return Buffer.from([value.length, ...Buffer.from(value)]).toString('hex');
}

function uint64(value: number): string {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.toString('hex');
}

/** A block of one column `c` of so many rows, then a second column `z UInt8`, which shows that the first was stepped over. */
function assertRaised(type: string, rows: number, data: string): void {
  const z = 'ab'.repeat(rows);
  const count = Buffer.from([rows]).toString('hex');
  const plain = bytes('02', count, text('c'), text(type), data, text('z'), text('UInt8'), z);
  const raised = bytes(BLOCK_INFO, '02', count, text('c'), text(type), '00', data, text('z'), text('UInt8'), '00', z);
  assert.deepEqual(raiseNativeRevision(plain, REVISION), raised, type);
}

test('every kind of column is stepped over', () => {
  assertRaised('UInt64', 2, uint64(1) + uint64(2));
  assertRaised('String', 3, `${text('a')}00${text('xyz')}`);
  assertRaised('FixedString(3)', 2, '616263 646566'.replace(' ', ''));
  assertRaised("DateTime64(3, 'UTC')", 1, uint64(5));
  assertRaised('Decimal(38, 2)', 1, '00'.repeat(16));
  assertRaised("Enum8('a, (' = 1, 'b\\'' = 2)", 2, '0102');
  assertRaised('Nullable(String)', 2, `0001${text('a')}00`);
  assertRaised('Array(UInt8)', 3, `${uint64(1)}${uint64(1)}${uint64(3)}0a0b0c`);
  assertRaised('Array(Array(String))', 1, `${uint64(2)}${uint64(1)}${uint64(2)}${text('a')}${text('b')}`);
  assertRaised('Map(String, UInt8)', 1, `${uint64(2)}${text('a')}${text('b')}0102`);
  assertRaised('Tuple(a UInt8, `b c` String)', 2, `0102${text('x')}${text('y')}`);
  assertRaised('Point', 1, '00'.repeat(16));
  assertRaised('SimpleAggregateFunction(sum, UInt8)', 1, '05');
});

test('a dictionary in the data is stepped over, wherever it is', () => {
  // Version 1; indexes of one byte (0) with additional keys (0x200); two keys; three rows.
  const dictionary = `${uint64(0x200)}${uint64(2)}${text('')}${text('x')}${uint64(3)}010001`;
  assertRaised('LowCardinality(String)', 3, uint64(1) + dictionary);
  assertRaised('LowCardinality(Nullable(String))', 3, uint64(1) + dictionary);
  // The version stands before the ends of the arrays.
  assertRaised('Array(LowCardinality(String))', 1, uint64(1) + uint64(3) + dictionary);
  assertRaised('Array(LowCardinality(String))', 1, uint64(1) + uint64(0));
});

test('a block without rows has no data', () => {
  const plain = bytes('01 00', text('c'), text('LowCardinality(String)'));
  const raised = bytes(BLOCK_INFO, '01 00', text('c'), text('LowCardinality(String)'), '00');
  assert.deepEqual(raiseNativeRevision(plain, REVISION), raised);
});

test('each of several blocks is raised', () => {
  const plain = bytes('01 01', text('n'), text('UInt8'), '07');
  const raised = bytes(BLOCK_INFO, '01 01', text('n'), text('UInt8'), '00 07');
  assert.deepEqual(raiseNativeRevision(Buffer.concat([plain, plain]), REVISION), Buffer.concat([raised, raised]));
  assert.deepEqual(raiseNativeRevision(plain, 0), plain);
  // Before revision 54454 there is the block info alone.
  assert.deepEqual(raiseNativeRevision(plain, 54_453), Buffer.concat([bytes(BLOCK_INFO), plain]));
});

test('a type that cannot be stepped over is named', () => {
  const plain = bytes('01 01', text('j'), text('JSON'), '00');
  assert.throws(() => raiseNativeRevision(plain, REVISION), { type: 'NOT_IMPLEMENTED', message: /type JSON/ });
});

test('a type is split at its outermost commas', () => {
  assert.deepEqual(parseType('Map(String, Array(Tuple(UInt8, String)))'), {
    name: 'Map',
    args: ['String', 'Array(Tuple(UInt8, String))'],
  });
  assert.deepEqual(parseType("Enum8('a,b)' = 1, 'c' = 2)").args, ["'a,b)' = 1", "'c' = 2"]);
  assert.equal(elementType('`a b` Nullable(UInt8)'), 'Nullable(UInt8)');
  assert.equal(elementType('name String'), 'String');
  assert.equal(elementType('Array(UInt8)'), 'Array(UInt8)');
});

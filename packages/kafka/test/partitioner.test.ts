import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { partitionOf } from '../src/index.ts';

const require = createRequire(import.meta.url);
const murmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: string) => number;

test('a key goes to the partition that other Kafka clients choose for it', () => {
  // The oracle is kafkajs's own (slower) murmur2, which is tested against the Java client.
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.integer({ min: 1, max: 64 }), (key, partitions) => {
      assert.equal(partitionOf(key, partitions), (murmur2(key) & 0x7fffffff) % partitions);
    }),
  );
});

test('a key given as bytes goes where the same text goes, short or long, ASCII or not', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (key) => {
      assert.equal(partitionOf(Buffer.from(key), 997), partitionOf(key, 997));
    }),
  );
});

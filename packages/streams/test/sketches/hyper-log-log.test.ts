import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HyperLogLog } from '../../src/index.ts';
import { createRandom } from '../support/random.ts';

const SEED = Date.now() % 2 ** 31;
const SPARSE_MAX = 512;
/** Standard error of 2,048 registers. */
const ERROR = 1.04 / Math.sqrt(2_048);

const sketchOf = (numbers: Iterable<number>, precision?: number): HyperLogLog => {
  const sketch = new HyperLogLog(precision);
  for (const number of numbers) sketch.add(number);
  return sketch;
};

test('up to 512 different numbers the count is exact, whatever numbers they are', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const numbers = fc.array(fc.oneof(fc.double(), fc.maxSafeInteger(), fc.integer({ min: 0, max: 50 })), {
    maxLength: 60, // so few that the same hash for two of them is a matter of once in a thousand runs of this file
  });
  fc.assert(
    fc.property(numbers, (list) => {
      assert.equal(sketchOf(list).count(), new Set(list).size);
    }),
    { seed: SEED, numRuns: 300 },
  );
  assert.equal(sketchOf(Array(SPARSE_MAX).keys()).count(), SPARSE_MAX);
});

test('beyond that the error over many sketches is the standard error, without bias, from 600 to 300,000 numbers', () => {
  const random = createRandom(20_260_101);
  for (const [size, rounds] of [
    [600, 300],
    [2_000, 300],
    [6_000, 300],
    [20_000, 100],
    [300_000, 20],
  ] as const) {
    const errors = Array.from({ length: rounds }, () => {
      const sketch = new HyperLogLog();
      for (let i = 0; i < size; i++) sketch.add(Math.floor(random() * 2 ** 32) * 2 ** 21 + i); // all different
      return sketch.count() / size - 1;
    });
    const mean = errors.reduce((sum, error) => sum + error, 0) / rounds;
    const spread = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / rounds);
    assert.ok(spread < ERROR * (1 + 3 / Math.sqrt(2 * rounds)), `${size}: error ${spread}`);
    assert.ok(Math.abs(mean) < (4 * ERROR) / Math.sqrt(rounds), `${size}: bias ${mean}`);
  }
});

test('numbers in a row are counted as well as hashes', () => {
  for (const step of [1, 1_000, 0.5, 2 ** 32]) {
    const sketch = sketchOf(Array.from({ length: 50_000 }, (_, i) => i * step));
    assert.ok(Math.abs(sketch.count() / 50_000 - 1) < 4 * ERROR, `step ${step}: ${sketch.count()}`);
  }
});

test('the state depends on the set of numbers only: not on order, repetition or merging, and bytes give it back', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const parts = fc.array(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 600 }), { maxLength: 5 });
  fc.assert(
    fc.property(parts, fc.constantFrom(4, 8, 11), (lists, precision) => {
      const merged = new HyperLogLog(precision);
      for (const list of lists) merged.merge(HyperLogLog.from(sketchOf(list, precision).bytes));
      const whole = sketchOf(lists.flat().reverse(), precision);
      assert.deepEqual(merged.bytes, whole.bytes);
      assert.equal(merged.count(), whole.count());
      assert.deepEqual(HyperLogLog.from(whole.bytes).bytes, whole.bytes);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('a sketch takes 4 bytes per different number, and never more than its registers', () => {
  assert.equal(sketchOf([]).bytes.length, 1);
  assert.equal(sketchOf([5, 6, 5, 7]).bytes.length, 1 + 3 * 4);
  assert.equal(sketchOf(Array(100_000).keys()).bytes.length, 1 + 2_048);
});

test('what cannot be merged or read is refused', () => {
  assert.throws(() => new HyperLogLog(3), { code: 'invalid-topology' });
  assert.throws(() => new HyperLogLog(10).merge(new HyperLogLog(11)), { code: 'invalid-topology' });
  for (const bytes of [[], [1], [11, 0, 0], [11 | 0x80, 0, 0], [25]])
    assert.throws(() => HyperLogLog.from(Uint8Array.from(bytes)), { code: 'changelog-corrupt' });
});

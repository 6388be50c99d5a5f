import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Aggregation,
  aggregateOf,
  count,
  deviation,
  distinct,
  max,
  mean,
  min,
  reduce,
  sum,
} from '../../src/index.ts';
import { createAccumulators } from '../../src/stores/accumulators.ts';

interface Payment {
  readonly amount: number;
  readonly shop: string;
}

const amountOf = ({ amount }: Payment): number => amount;
const somePayments = (amounts: fc.Arbitrary<number>) =>
  fc.array(fc.record({ amount: amounts, shop: fc.constantFrom('a', 'b', 'c', 'd') }), { minLength: 1, maxLength: 60 });
const integers = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 });

/** Result over parts of the payments, accumulated apart, taken through the changelog, and merged one after the other. */
function inParts<R>(aggregation: Aggregation<Payment, R>, parts: readonly (readonly Payment[])[]): R {
  const accumulators = createAccumulators(aggregation);
  accumulators.resize(parts.length + 2);
  accumulators.reset(0);
  parts.forEach((payments, i) => {
    const cell = i + 1;
    accumulators.reset(cell);
    for (const payment of payments) accumulators.add(cell, payment);
    const before = accumulators.result(cell);
    const encoded = accumulators.encode(cell, 3);
    accumulators.release(cell);
    accumulators.decode(cell, encoded, 3);
    assert.deepEqual(accumulators.result(cell), before);
    accumulators.merge(0, cell);
    // What was merged into another is as it was.
    assert.deepEqual(accumulators.encode(cell, 3).subarray(3), encoded.subarray(3));
  });
  return accumulators.result(0);
}

const cut = (payments: readonly Payment[], at: readonly number[]): Payment[][] => {
  const ends = [...at.map((share) => Math.floor(share * payments.length)), payments.length].sort((a, b) => a - b);
  return ends.map((end, i) => payments.slice(ends[i - 1] ?? 0, end));
};
const someCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });

test('of whole numbers every aggregation is exact, however the events are divided', () => {
  const all = aggregateOf({
    events: count(),
    total: sum(amountOf),
    average: mean(amountOf),
    smallest: min(amountOf),
    largest: max(amountOf),
    shops: distinct(({ shop }: Payment) => shop),
    amounts: distinct(amountOf),
  });
  fc.assert(
    fc.property(somePayments(integers), someCuts, (payments, cuts) => {
      const amounts = payments.map(amountOf);
      const total = amounts.reduce((a, b) => a + b, 0);
      assert.deepEqual(inParts(all, cut(payments, cuts)), {
        events: payments.length,
        total,
        average: total / payments.length,
        smallest: Math.min(...amounts),
        largest: Math.max(...amounts),
        shops: new Set(payments.map(({ shop }) => shop)).size,
        amounts: new Set(amounts).size,
      });
    }),
  );
});

test('a deviation keeps its digits where the amounts are large and lie close together', () => {
  fc.assert(
    fc.property(somePayments(fc.integer({ min: 0, max: 100 })), someCuts, (payments, cuts) => {
      const far = payments.map((payment) => ({ ...payment, amount: payment.amount + 1e12 }));
      // In whole numbers: n * sum of squares - square of the sum, of the small parts.
      const n = BigInt(payments.length);
      const small = payments.map(({ amount }) => BigInt(amount));
      const total = small.reduce((a, b) => a + b, 0n);
      const squares = small.reduce((a, b) => a + b * b, 0n);
      const expected = n < 2n ? 0 : Math.sqrt(Number(n * squares - total * total) / Number(n * (n - 1n)));
      const found = inParts(deviation(amountOf), cut(far, cuts));
      assert.ok(Math.abs(found - expected) <= 1e-3, `${found} for ${expected}`);
    }),
  );
  const close = [0, 1, 2, 3].map((amount) => ({ amount: amount + 1e9, shop: 'a' }));
  assert.ok(Math.abs(inParts(deviation(amountOf), [close]) - Math.sqrt(5 / 3)) < 1e-7);
});

test('a sum of any doubles is as exact as its documentation says', () => {
  fc.assert(
    fc.property(somePayments(fc.double({ min: -1e6, max: 1e6, noNaN: true })), someCuts, (payments, cuts) => {
      const amounts = payments.map(amountOf);
      const exact = amounts.map(scaled).reduce((a, b) => a + b, 0n);
      const bound = (payments.length * amounts.reduce((total, amount) => total + Math.abs(amount), 0)) / 2 ** 53;
      const found = inParts(sum(amountOf), cut(payments, cuts));
      assert.ok(Math.abs(Number(scaled(found) - exact)) / 2 ** 80 <= bound + 2 ** -79);
    }),
  );
});

/** A double times 2^80, cut off: a difference of two is exact enough for any bound here. */
function scaled(double: number): bigint {
  return BigInt(Math.trunc(double * 2 ** 20)) * 2n ** 60n + BigInt(Math.trunc(((double * 2 ** 20) % 1) * 2 ** 60));
}

test('reduce makes of events whatever its functions make of them', () => {
  const shops = reduce<Payment, string[]>({
    create: () => [],
    add: (list, { shop }) => [...list, shop],
    merge: (list, other) => list.concat(other),
    encode: (list) => JSON.stringify(list),
    decode: (bytes) => JSON.parse(bytes.toString('utf8')) as string[],
  });
  const payments = ['x', 'y', 'z', 'é'].map((shop) => ({ amount: 1, shop }));
  assert.deepEqual(inParts(shops, [payments.slice(0, 1), [], payments.slice(1)]), ['x', 'y', 'z', 'é']);
  assert.deepEqual(inParts(aggregateOf({ shops, n: count() }), [payments]), { shops: ['x', 'y', 'z', 'é'], n: 4 });
});

test('bytes of another aggregation are refused', () => {
  const accumulators = createAccumulators(aggregateOf({ n: count(), shops: distinct(({ shop }: Payment) => shop) }));
  accumulators.resize(1);
  accumulators.reset(0);
  const bytes = accumulators.encode(0, 0);
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => accumulators.decode(0, bytes.subarray(0, length), 0));
  assert.throws(() => accumulators.decode(0, Buffer.concat([bytes, Buffer.alloc(1)]), 0), RangeError);
  const numbers = createAccumulators(count());
  numbers.resize(1);
  assert.throws(() => numbers.decode(0, Buffer.alloc(16), 0), /16 bytes/);
});

test('an aggregation of nothing is refused', () => {
  assert.throws(() => aggregateOf({}), { code: 'invalid-topology' });
});

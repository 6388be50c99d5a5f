import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AMOUNT_MINOR_MAX, currencyExponent, formatAmount, parseAmountMinor } from '@millrace/contracts';
import fc from 'fast-check';
import { holds } from './property.ts';

const exponents: readonly [string, number | undefined][] = [
  ['EUR', 2],
  ['USD', 2],
  ['JPY', 0],
  ['KRW', 0],
  ['HUF', 2], // Intl says 0: what people use, not what ISO 4217 lists
  ['BHD', 3],
  ['TND', 3],
  ['CLF', 4],
  ['UYW', 4],
  ['MGA', 2], // fifths in the street, 2 in ISO 4217
  ['MRU', 2],
  ['XCG', 2], // since 2025, for ANG
  ['ZWG', 2],
  ['VED', 2],
  ['ANG', undefined],
  ['XXX', undefined],
  ['XAU', undefined],
  ['EUX', undefined],
  ['eur', undefined],
  ['', undefined],
  ['constructor', undefined],
];
for (const [code, exponent] of exponents) {
  test(`currency ${JSON.stringify(code)} has ${exponent ?? 'no'} digits behind the point`, () =>
    assert.equal(currencyExponent(code), exponent));
}

const good: readonly [string | number, number, number][] = [
  ['12.50', 2, 1_250],
  ['12.5', 2, 1_250],
  ['12', 2, 1_200],
  ['0.01', 2, 1],
  ['0', 2, 0],
  ['0.00', 2, 0],
  ['1250', 0, 1_250],
  ['1.234', 3, 1_234],
  ['1.2345', 4, 12_345],
  [57.16, 2, 5_716],
  [81.51, 2, 8_151],
  [146.0, 2, 14_600],
  [0.29, 2, 29], // 0.29 * 100 is 28.999999999999996
  [1.005, 3, 1_005], // 1.005 * 1000 is 1004.9999999999999
  [1e3, 2, 100_000], // the same number as 1000 by the time JSON is parsed
  [0, 2, 0],
  [-0, 2, 0],
  [9_999_999_999_999.99, 2, 999_999_999_999_999],
  ['90071992547409.91', 2, 9_007_199_254_740_991],
  ['9007199254740991', 0, 9_007_199_254_740_991],
];
for (const [amount, exponent, minor] of good) {
  test(`${JSON.stringify(amount)} with ${exponent} digits is ${minor}`, () =>
    assert.equal(parseAmountMinor(amount, exponent), minor));
}

const bad: readonly [unknown, number, string][] = [
  ['12.505', 2, 'malformed'],
  ['12.500', 2, 'malformed'],
  [12.505, 2, 'malformed'],
  ['12.5', 0, 'malformed'],
  [0.1 + 0.2, 2, 'malformed'],
  [1e-7, 2, 'malformed'],
  ['-1', 2, 'out-of-range'],
  ['-0.01', 2, 'out-of-range'],
  [-12.5, 2, 'out-of-range'],
  [-1e21, 2, 'out-of-range'],
  ['90071992547409.92', 2, 'out-of-range'],
  ['9007199254740992', 0, 'out-of-range'],
  ['9007199254740993', 0, 'out-of-range'],
  ['9'.repeat(1_000), 2, 'out-of-range'],
  [1e21, 2, 'out-of-range'],
  [1e15, 2, 'out-of-range'], // 16 digits: as a number too many, as a string too large for EUR
  ['', 2, 'malformed'],
  ['.5', 2, 'malformed'],
  ['5.', 2, 'malformed'],
  ['+5', 2, 'malformed'],
  ['05', 2, 'malformed'],
  ['00', 2, 'malformed'],
  ['1,50', 2, 'malformed'],
  ['1 000', 2, 'malformed'],
  ['1e3', 2, 'malformed'],
  ['0x10', 2, 'malformed'],
  ['Infinity', 2, 'malformed'],
  ['12.50\n', 2, 'malformed'],
  ['１２', 2, 'malformed'],
  [Number.POSITIVE_INFINITY, 2, 'out-of-range'], // JSON.parse('1e999')
  [null, 2, 'wrong-type'],
  [true, 2, 'wrong-type'],
  [{ value: 1 }, 2, 'wrong-type'],
  [[1], 2, 'wrong-type'],
];
for (const [amount, exponent, code] of bad) {
  test(`${JSON.stringify(amount)?.slice(0, 40)} with ${exponent} digits is refused: ${code}`, () => {
    const fault = parseAmountMinor(amount, exponent);
    assert.ok(typeof fault === 'object', String(fault));
    assert.equal(fault.code, code);
  });
}

test('an amount in minor units comes back from its decimal text, for every exponent', (context) => {
  const minors = fc.oneof(fc.integer({ min: 0, max: 1_000_000 }), fc.maxSafeNat());
  holds(
    context,
    fc.property(minors, fc.integer({ min: 0, max: 4 }), (minor, exponent) => {
      const text = formatAmount(minor, exponent);
      assert.equal(parseAmountMinor(text, exponent), minor);
      // The same with integers of any size: the text is minor / 10^exponent.
      const [whole = '', fraction = ''] = text.split('.');
      assert.equal(BigInt(whole) * 10n ** BigInt(exponent) + BigInt(fraction || '0'), BigInt(minor));
    }),
  );
});

test('a JSON number with up to 15 digits gives the amount that its digits write', (context) => {
  holds(
    context,
    fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), fc.integer({ min: 0, max: 4 }), (minor, exponent) => {
      const number: unknown = JSON.parse(formatAmount(minor, exponent));
      assert.equal(parseAmountMinor(number, exponent), minor);
    }),
  );
});

test('any decimal string gives what exact arithmetic gives, or is refused for its digits or its size', (context) => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 });
  holds(
    context,
    fc.property(digits, fc.option(digits), fc.integer({ min: 0, max: 4 }), (zeroedWhole, fraction, exponent) => {
      const whole = zeroedWhole.replace(/^0+(?=\d)/, '');
      const result = parseAmountMinor(fraction === null ? whole : `${whole}.${fraction}`, exponent);
      const exact = BigInt(whole + (fraction ?? '').padEnd(exponent, '0'));
      if ((fraction ?? '').length > exponent) assert.equal(typeof result === 'object' && result.code, 'malformed');
      else if (exact > BigInt(AMOUNT_MINOR_MAX)) {
        assert.equal(typeof result === 'object' && result.code, 'out-of-range');
      } else assert.equal(BigInt(result as number), exact);
    }),
  );
});

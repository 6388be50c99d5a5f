import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayShowCardNumber, passesLuhn } from '@millrace/contracts';
import fc from 'fast-check';
import { cardNumberIn } from '../src/card-number.ts';
import { holds } from './property.ts';

// Numbers that card schemes publish for tests.
const cardNumbers = ['4111111111111111', '5555555555554444', '378282246310005', '30569309025904', '4222222222222'];
for (const number of cardNumbers) {
  test(`${number} passes the Luhn check, and with its last digit changed it does not`, () => {
    assert.equal(passesLuhn(number), true);
    const changed = `${number.slice(0, -1)}${(Number(number.at(-1)) + 1) % 10}`;
    assert.equal(passesLuhn(changed), false);
  });
}

test('what is not digits alone does not pass the Luhn check', () => {
  for (const text of ['', '4111 1111 1111 1111', '411111111111111x', '４１１１１１１１１１１１１１１１']) {
    assert.equal(passesLuhn(text), false, text);
  }
});

/** The rule in its plainest words: write the doubled digits out, add up all figures, ask for a multiple of ten. */
function luhnByWords(text: string): boolean {
  const figures = [...text].reverse().map((digit, index) => (index % 2 === 1 ? String(Number(digit) * 2) : digit));
  return [...figures.join('')].reduce((sum, figure) => sum + Number(figure), 0) % 10 === 0;
}

test('the Luhn check agrees with the rule written out', (context) => {
  const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 25 });
  holds(
    context,
    fc.property(digits, (text) => assert.equal(passesLuhn(text), luhnByWords(text))),
  );
});

test('of the ten numbers with the same beginning exactly one passes the Luhn check', (context) => {
  const beginnings = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 12, maxLength: 18 });
  holds(
    context,
    fc.property(beginnings, (beginning) => {
      const passing = [...'0123456789'].filter((last) => passesLuhn(beginning + last));
      assert.equal(passing.length, 1);
    }),
  );
});

test('a card number is found with and without spaces and dashes', () => {
  assert.equal(cardNumberIn('4111111111111111'), '4111111111111111');
  assert.equal(cardNumberIn('4111 1111 1111 1111'), '4111111111111111');
  assert.equal(cardNumberIn('3782-822463-10005'), '378282246310005');
  assert.equal(cardNumberIn('  4111111111111111'), '4111111111111111');
});

test('what has fewer than 13 digits, more than 19, a wrong check digit or a letter is no card number', () => {
  assert.equal(cardNumberIn('42222222222'), undefined);
  assert.equal(cardNumberIn('00000000000000000000'), undefined);
  assert.equal(cardNumberIn('4111111111111112'), undefined);
  assert.equal(cardNumberIn('tok-4111111111111111'), undefined);
  assert.equal(cardNumberIn('4111111111111111x'), undefined);
});

test('any 13 digits in a row might show a card number, with separators too', () => {
  assert.equal(mayShowCardNumber('paid with 4111 1111 1111 1112 today'), true);
  assert.equal(mayShowCardNumber('4111-1111-1111-1111'), true);
  assert.equal(mayShowCardNumber('123456789012'), false);
  assert.equal(mayShowCardNumber('2026-03-01 12:00:00.123Z'), false);
});

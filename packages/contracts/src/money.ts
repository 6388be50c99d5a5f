import * as currencies from 'dinero.js/currencies';
import { AMOUNT_MINOR_MAX, AMOUNT_NUMBER_DIGITS_MAX } from './limits.ts';

/**
 * Digits behind the point of a currency (ISO 4217), or undefined when there is no such currency.
 *
 * The table is dinero.js's: the package follows the amendments (XCG came in 2025, XAD too), which older npm packages
 * of ISO 4217 do not, and `Intl` has the digits of everyday use instead (HUF 0 where ISO says 2). Codes that are no
 * money to pay with (XAU, XTS, XXX, ...) are not in it.
 */
export function currencyExponent(code: string): number | undefined {
  return exponents.get(code);
}

const exponents: ReadonlyMap<string, number> = new Map(
  // dinero.js gives the two currencies with fifths, MGA and MRU, base 5 and exponent 1. ISO 4217 lists both with 2.
  Object.values(currencies).map(({ code, base, exponent }) => [code, base === 10 ? exponent : 2]),
);

/** Why an amount was refused: a code of `Problem` and the sentence for its message. */
export interface AmountFault {
  readonly code: 'wrong-type' | 'malformed' | 'out-of-range';
  readonly message: string;
}

/**
 * The amount in minor units: an integer from 0 (an account check is a payment of nothing) up to `AMOUNT_MINOR_MAX`.
 *
 * No arithmetic with fractions happens: the digits are read as digits. A JSON number has already become a double when
 * it arrives here, so its shortest decimal text is read (`146.0` is 146, and `1e3` cannot be told from 1000), and it
 * may have `AMOUNT_NUMBER_DIGITS_MAX` digits, which a double gives back unchanged; larger amounts come as a string.
 */
export function parseAmountMinor(amount: unknown, exponent: number): number | AmountFault {
  if (typeof amount !== 'string' && typeof amount !== 'number') {
    return { code: 'wrong-type', message: 'must be a decimal string such as "12.50", or a number' };
  }
  const text = String(amount);
  const wholeLength = endOfDigits(text, 0);
  const hasFraction = text[wholeLength] === '.';
  const end = hasFraction ? endOfDigits(text, wholeLength + 1) : wholeLength;
  const fractionLength = hasFraction ? end - wholeLength - 1 : 0;
  const isDecimal = wholeLength > 0 && end === text.length && (!hasFraction || fractionLength > 0);
  if (!isDecimal || (text[0] === '0' && wholeLength > 1)) return notDecimal(amount, exponent);
  if (fractionLength > exponent) return tooPrecise(exponent);
  if (typeof amount === 'number' && wholeLength + fractionLength > AMOUNT_NUMBER_DIGITS_MAX) return NUMBER_TOO_LONG;
  if (wholeLength + exponent > AMOUNT_MINOR_DIGITS_MAX) return TOO_LARGE;
  const minor = toInteger(text, wholeLength, exponent);
  return minor > AMOUNT_MINOR_MAX ? TOO_LARGE : minor;
}
/** Digits of AMOUNT_MINOR_MAX. */
const AMOUNT_MINOR_DIGITS_MAX = 16;

/**
 * The digits of a decimal with the point moved right by `exponent`. Up to 16 digits: a larger sum than 2^53 may be
 * rounded, but then to another that is larger than `AMOUNT_MINOR_MAX`.
 */
function toInteger(text: string, wholeLength: number, exponent: number): number {
  let value = 0;
  for (let index = 0; index < wholeLength; index += 1) value = value * 10 + digitAt(text, index);
  for (let index = wholeLength + 1; index <= wholeLength + exponent; index += 1) {
    value = value * 10 + (index < text.length ? digitAt(text, index) : 0);
  }
  return value;
}

function digitAt(text: string, index: number): number {
  return text.charCodeAt(index) - 48;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  while (end < text.length && text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57) end += 1;
  return end;
}

/** Why a text is no decimal without sign. A number is none when it is negative, or so far from 1 that it has an "e". */
function notDecimal(amount: string | number, exponent: number): AmountFault {
  if (typeof amount === 'number') return amount < 0 ? NEGATIVE : amount < 1 ? tooPrecise(exponent) : TOO_LARGE;
  return /^-[0-9.]+$/.test(amount) ? NEGATIVE : MALFORMED;
}

/** The decimal text of an amount in minor units: `formatAmount(1250, 2)` is `12.50`. */
export function formatAmount(amountMinor: number, exponent: number): string {
  const digits = String(amountMinor).padStart(exponent + 1, '0');
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

const NEGATIVE: AmountFault = {
  code: 'out-of-range',
  message: 'must not be negative; a refund is a payment with status "reversed"',
};
const MALFORMED: AmountFault = {
  code: 'malformed',
  message: 'must be digits with at most one point, such as "12.50"; no sign, no grouping',
};
const TOO_LARGE: AmountFault = {
  code: 'out-of-range',
  message: `must be at most ${AMOUNT_MINOR_MAX} in the minor unit of its currency`,
};
const NUMBER_TOO_LONG: AmountFault = {
  code: 'out-of-range',
  message: `has more than ${AMOUNT_NUMBER_DIGITS_MAX} digits, which a JSON number may not keep; send it as a string`,
};

function tooPrecise(exponent: number): AmountFault {
  const allowed = exponent === 0 ? 'no digit' : exponent === 1 ? 'at most 1 digit' : `at most ${exponent} digits`;
  return { code: 'malformed', message: `must have ${allowed} behind the point in this currency` };
}

/** ISO/IEC 7812: a card number has at most 19 digits; the shortest that are in use have 13. */
export const CARD_NUMBER_DIGITS_MIN = 13;
export const CARD_NUMBER_DIGITS_MAX = 19;

/**
 * Whether a text of digits passes the Luhn check (ISO/IEC 7812-1, annex B): from the right, every second digit is
 * doubled and its digits are added; the sum is a multiple of ten. A text that holds anything but digits does not.
 */
export function passesLuhn(text: string): boolean {
  if (text.length === 0) return false;
  let sum = 0;
  let doubled = false;
  for (let index = text.length - 1; index >= 0; index -= 1) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return false;
    const value = doubled ? digit * 2 : digit;
    sum += value > 9 ? value - 9 : value;
    doubled = !doubled;
  }
  return sum % 10 === 0;
}

/**
 * The digits of the card number that a text is, or undefined when it is none. Spaces and dashes between the digits,
 * as people write them, do not hide it.
 */
export function cardNumberIn(text: string): string | undefined {
  // Nearly every card_id is a token that begins with a letter: done after one look.
  const first = text.charCodeAt(0);
  if (first > 57 || text.length < CARD_NUMBER_DIGITS_MIN) return undefined;
  const digits = text.replace(/[ -]/g, '');
  if (digits.length < CARD_NUMBER_DIGITS_MIN || digits.length > CARD_NUMBER_DIGITS_MAX) return undefined;
  return passesLuhn(digits) ? digits : undefined;
}

/** 13 digits or more, with up to two of what people put between the groups. A colon is not one, or times would match. */
const LONG_NUMBER = /[0-9](?:[ ._/-]{0,2}[0-9]){12}/;

/**
 * Whether a text could show a card number to who reads it. Asks for less than the Luhn check does: a mistyped card
 * number has no place in a log either.
 */
export function mayShowCardNumber(text: string): boolean {
  return LONG_NUMBER.test(text);
}

import { createHmac } from 'node:crypto';
import { passesLuhn } from '@millrace/contracts';

/**
 * Replaces a card number by a token: the same card gives the same token, and without the secret the token cannot be
 * turned back by trying all card numbers. The whole HMAC-SHA-256 (64 hexadecimal digits) is kept.
 */
export function createCardTokenizer(secret: string): (cardNumber: string) => string {
  return (cardNumber) => TOKEN_PREFIX + createHmac('sha256', secret).update(cardNumber).digest('hex');
}

/** Tells a token from an id that the sender chose, and keeps it from ever looking like digits only. */
const TOKEN_PREFIX = 'card_';

/** A `card_id` in text that need not be JSON, and what it holds: digits, with what people put between the groups. */
const CARD_ID = /("card_id"\s*:\s*"?)([0-9](?:[ -]?[0-9]){12,18})(?![0-9])/g;

/**
 * The bytes with every card number that stands in a `card_id` replaced by its token, as it would have been had they been
 * a valid event. For what is kept although it could not be read; other bytes stay as they are.
 */
export function withoutCardNumbers(bytes: Uint8Array, tokenize: (cardNumber: string) => string): Buffer {
  const original = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Latin-1 gives every byte a character and takes it back unchanged.
  const text = original.toString('latin1');
  const hidden = text.replace(CARD_ID, (whole, before: string, written: string) => {
    const digits = written.replace(/[ -]/g, '');
    return passesLuhn(digits) ? `${before}${tokenize(digits)}` : whole;
  });
  return hidden === text ? original : Buffer.from(hidden, 'latin1');
}

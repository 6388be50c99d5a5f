import { createHmac } from 'node:crypto';

/**
 * Replaces a card number by a token: the same card gives the same token, and without the secret the token cannot be
 * turned back by trying all card numbers. The whole HMAC-SHA-256 (64 hexadecimal digits) is kept.
 */
export function createCardTokenizer(secret: string): (cardNumber: string) => string {
  return (cardNumber) => TOKEN_PREFIX + createHmac('sha256', secret).update(cardNumber).digest('hex');
}

/** Tells a token from an id that the sender chose, and keeps it from ever looking like digits only. */
const TOKEN_PREFIX = 'card_';

import { hash } from 'node:crypto';
import { RecentTable } from './recent-table.ts';

/** At 500 requests a second with a key each, 50,000 are the last 100 seconds: a retry comes sooner. */
export const PAYMENT_KEYS_MAX = 50_000;
/** Of one entry: the key, the digest and what the map needs. */
const ENTRY_BYTES = 300;

export interface PaymentKeys {
  /** Whether the key came with the same text before, with another one, or not as far as is remembered. */
  claim(key: string, text: string): 'new' | 'same' | 'other';
}

/**
 * What the last idempotency keys came with, so that one that comes back with another payment is refused. In memory, so
 * it is a help for senders and no guarantee: another instance, or this one after a restart, knows nothing of it. What
 * is a guarantee is that the enricher drops the second payment of an id.
 *
 * A key is taken before its payment is kept: after a failure nobody knows whether it was.
 */
export function createPaymentKeys(keysMax: number = PAYMENT_KEYS_MAX): PaymentKeys {
  const digests = new RecentTable<string>({ entriesMax: keysMax, bytesMax: keysMax * ENTRY_BYTES });
  return {
    claim(key, text) {
      const digest = hash('sha256', text, 'base64');
      const known = digests.get(key);
      if (known !== undefined) return known === digest ? 'same' : 'other';
      digests.set(key, digest, ENTRY_BYTES);
      return 'new';
    },
  };
}

import type { Json } from '@millrace/test-platform';

/** A payment on the wire that nobody would object to, made now; `fields` take the place of its own. */
export function payment(transactionId: string, fields: Json = {}): Json {
  return {
    transaction_id: transactionId,
    event_time: Date.now(),
    customer_id: `customer-of-${transactionId}`,
    card_id: `card-of-${transactionId}`,
    merchant_id: 'shop-1',
    amount: '12.50',
    currency: 'EUR',
    country: 'PT',
    channel: 'pos',
    ...fields,
  };
}

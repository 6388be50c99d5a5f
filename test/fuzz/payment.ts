import { randomUUID } from 'node:crypto';

/** One that is right in every respect. */
export function newPayment() {
  return {
    transaction_id: `fuzz-${randomUUID()}`,
    event_time: new Date().toISOString(),
    customer_id: 'fuzz-customer',
    card_id: 'fuzz-card',
    merchant_id: 'fuzz-merchant',
    amount: '12.50',
    currency: 'EUR',
    country: 'PT',
    channel: 'pos',
  };
}

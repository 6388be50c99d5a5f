import type { PaymentFeatures, Topics } from '@millrace/contracts';
import {
  CARD_WINDOW,
  CUSTOMER_WINDOW,
  cardKey,
  FRAUD_MEMORY_MS,
  type KnownLabels,
  learnLabel,
  observeAtCustomer,
} from '@millrace/rules';
import { defineProcessor, keyValueStore, slidingWindowStore } from '@millrace/streams';
import { jsonCodec } from './json-codec.ts';

const GRACE_MS = 60_000;
const LABELLED_CUSTOMERS_MAX = 250_000;

/**
 * The customer stage: finds what a payment says beside the customer's and the card's past, and sends it on to who is
 * paid. The profile stays here: what the rules need of it is among the features, and it is as large as the rest.
 *
 * Delivery: exactly once. Windows, labels and the payment on its way are committed together with the offset.
 */
export function customerProcessor(topics: Topics) {
  return defineProcessor({
    name: 'customer',
    inputs: { payment: topics.paymentsEnriched, label: topics.fraudLabels },
    stores: {
      cards: slidingWindowStore(CARD_WINDOW),
      customers: slidingWindowStore(CUSTOMER_WINDOW),
      labels: keyValueStore<KnownLabels>({
        ...jsonCodec<KnownLabels>(),
        ttlMs: FRAUD_MEMORY_MS,
        entriesMax: LABELLED_CUSTOMERS_MAX,
      }),
    },
    outputs: { byMerchant: topics.paymentsByMerchant },
    graceMs: GRACE_MS,
    onError: 'dead-letter',

    process: {
      payment(payment, { stores, record, emit }) {
        const features = observeAtCustomer(payment, {
          card: stores.cards.window(cardKey(payment)),
          customer: stores.customers.window(payment.customer_id),
          labels: stores.labels.get(payment.customer_id),
        });
        const { profile: _, ...known } = payment;
        const { topic, partition, offset } = record;
        const next: PaymentFeatures = { ...known, customer_features: features, input: { topic, partition, offset } };
        emit('byMerchant', next);
      },

      label(label, { stores }) {
        stores.labels.put(label.customer_id, learnLabel(label, stores.labels.get(label.customer_id)));
      },
    },

    onTombstone(input, _key, { deadLetter }) {
      deadLetter('empty', `a ${input} without a value`);
    },
  });
}

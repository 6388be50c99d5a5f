import type { EnrichedPayment } from '@millrace/contracts';
import type { Facts } from './compile.ts';
import { countryOf } from './customer-features.ts';
import type { FeatureValues } from './features.ts';

/** What the rules look at: the features of both stages, and what is plain to see in the payment itself. */
export function factsOf(payment: EnrichedPayment, features: Readonly<FeatureValues>): Facts {
  return {
    ...features,
    channel: payment.channel,
    currency: payment.currency,
    country: countryOf(payment),
    mcc: payment.mcc ?? payment.merchant?.mcc,
    status: payment.status,
  };
}

import type { EnrichedPayment } from '@millrace/contracts';
import type { FeatureValues } from './features.ts';
import { hashId } from './hash.ts';
import { referenceCents } from './reference-amount.ts';
import { lastTamperMs, type TamperAlarms } from './tamper.ts';
import {
  DAY_MS,
  HOUR_MS,
  type MerchantField,
  MINUTE_MS,
  type PayeeField,
  pace,
  round,
  TERMINAL_WINDOW,
  type TerminalField,
  type WindowView,
} from './windows.ts';

/** What the merchant stage remembers that matters to one payment; which parts there are depends on who is paid. */
export interface MerchantMemory {
  readonly merchant: WindowView<MerchantField> | undefined;
  readonly terminal: WindowView<TerminalField> | undefined;
  readonly payee: WindowView<PayeeField> | undefined;
  readonly tamperAlarms: TamperAlarms | undefined;
}

/**
 * The features of the merchant stage: adds the payment to the windows of its merchant and terminal, or of its payee,
 * and counts with it. `customer` are the features that the customer stage found.
 */
export function observeAtMerchant(
  payment: EnrichedPayment,
  customer: Readonly<FeatureValues>,
  { merchant, terminal, payee, tamperAlarms }: MerchantMemory,
): FeatureValues {
  const atMs = payment.event_time;
  const amount = referenceCents(payment.amount_minor, payment.currency) ?? 0;
  const features: FeatureValues = {};

  if (merchant !== undefined) {
    merchant.add(atMs, { amount });
    features.merchant_count_1h = merchant.count(HOUR_MS, atMs);
    features.merchant_sum_1h = merchant.sum('amount', HOUR_MS, atMs) / 100;
    features.merchant_amount_mean_24h = round(merchant.mean('amount', DAY_MS, atMs) / 100, 2);
  }
  if (terminal !== undefined) {
    const since = Math.min(terminal.last(atMs)?.fields.since ?? atMs, atMs);
    terminal.add(atMs, { card: hashId(payment.card_id ?? payment.customer_id), since });
    const count10m = terminal.count(10 * MINUTE_MS, atMs);
    features.terminal_count_10m = count10m;
    features.terminal_cards_10m = terminal.distinct('card', 10 * MINUTE_MS, atMs);
    const times = pace(count10m, terminal.count(HOUR_MS, atMs), atMs - since, TERMINAL_WINDOW.eventsPerKeyMax);
    if (times !== undefined) features.terminal_pace_10m = times;
  }
  const tamperMs = lastTamperMs(tamperAlarms, atMs);
  if (tamperMs !== undefined) features.terminal_tamper_age_h = round((atMs - tamperMs) / HOUR_MS, 2);
  if (payee !== undefined) {
    payee.add(atMs, { amount, sender: hashId(payment.customer_id), stranger: customer.first_time ?? 0 });
    features.payee_senders_24h = payee.distinct('sender', DAY_MS, atMs);
    features.payee_strangers_24h = payee.sum('stranger', DAY_MS, atMs);
    features.payee_sum_24h = payee.sum('amount', DAY_MS, atMs) / 100;
  }
  return features;
}

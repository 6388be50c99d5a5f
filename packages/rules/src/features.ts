/** What a rule may ask of a feature: order it, compare it with true or false, or with a text. */
export type FeatureKind = 'number' | 'flag' | 'text';

export interface Feature {
  readonly kind: FeatureKind;
  /** Where it becomes known: from the payment alone, in the customer's partition, in the merchant's. */
  readonly stage: 'payment' | 'customer' | 'merchant';
  /** How far back it looks; `-` when it does not. Windows are `(t - window, t]` and end at the payment. */
  readonly window: string;
  readonly unit: string;
  readonly meaning: string;
}

type Row = readonly [stage: Feature['stage'], kind: FeatureKind, window: string, unit: string, meaning: string];

/**
 * The one table of features. A feature that does not apply to a payment (no terminal, no place, no history yet) is
 * absent, and a comparison with an absent feature does not hold. Flags are 1 or 0 in `decision.v1`.
 *
 * Counts and sums see at most `eventsPerKeyMax` events of a key (see windows.ts). Amounts are in euro at the reference
 * rates of reference-amount.ts: good for habits and thresholds, not for accounts. "Before" means without this payment.
 */
const TABLE = {
  channel: ['payment', 'text', '-', '-', 'pos, ecom, atm or transfer'],
  currency: ['payment', 'text', '-', 'ISO 4217', 'currency of the payment'],
  country: ['payment', 'text', '-', 'ISO 3166-1', "country of the payment, else the terminal's, else the merchant's"],
  mcc: ['payment', 'text', '-', 'ISO 18245', "the merchant's category"],
  status: ['payment', 'text', '-', '-', 'authorised, declined or reversed'],

  amount: ['customer', 'number', '-', 'EUR', 'amount of the payment'],
  card_count_10m: ['customer', 'number', '10 min', 'payments', 'attempts with the card'],
  card_count_1h: ['customer', 'number', '1 h', 'payments', 'attempts with the card'],
  card_count_24h: ['customer', 'number', '24 h', 'payments', 'attempts with the card'],
  card_sum_24h: ['customer', 'number', '24 h', 'EUR', 'amounts tried with the card'],
  card_declined_10m: ['customer', 'number', '10 min', 'payments', 'declined attempts with the card'],
  card_small_10m: ['customer', 'number', '10 min', 'payments', 'attempts of less than 5 EUR that were not declined'],
  card_probe_share_10m: ['customer', 'number', '10 min', '0 to 1', 'share of the attempts that were small or declined'],
  card_merchants_1h: [
    'customer',
    'number',
    '1 h',
    'counterparties',
    'different merchants and payees tried with the card',
  ],
  card_pace_10m: [
    'customer',
    'number',
    '10 min / 1 h',
    'times',
    'attempts in 10 min against the 50 min before; absent in the first hour of a customer',
  ],
  idle_s: ['customer', 'number', '24 h', 's', "time since the card's attempt before"],
  distance_km: ['customer', 'number', '24 h', 'km', 'distance from the place where the card was before'],
  speed_kmh: ['customer', 'number', '24 h', 'km/h', 'speed at which the card would have travelled from there'],
  customer_count_24h: ['customer', 'number', '24 h', 'payments', "the customer's payments"],
  customer_sum_24h: ['customer', 'number', '24 h', 'EUR', "the customer's payments"],
  customer_spend_ratio_24h: [
    'customer',
    'number',
    '24 h / 30 d',
    'times',
    'the sum of 24 h against the daily sum before; absent in the first week',
  ],
  customer_count_30d: ['customer', 'number', '30 d', 'payments', "the customer's payments before"],
  customer_amount_mean_30d: ['customer', 'number', '30 d', 'EUR', "mean of the customer's payments before"],
  customer_amount_deviation_30d: ['customer', 'number', '30 d', 'EUR', 'their standard deviation'],
  customer_amount_score: [
    'customer',
    'number',
    '30 d',
    'deviations',
    'how far the amount lies above that mean; absent until 10 payments are known',
  ],
  customer_countries_24h: ['customer', 'number', '24 h', 'countries', 'different countries of the payments'],
  customer_under_limit_7d: [
    'customer',
    'number',
    '7 d',
    'payments',
    'withdrawals and transfers of 90 to 100 % of a reporting limit (1,000, 3,000 or 10,000 EUR)',
  ],
  customer_new_merchants_1h: ['customer', 'number', '1 h', 'payments', 'payments to a merchant new to the customer'],
  customer_new_merchant_share_1h: ['customer', 'number', '1 h', '0 to 1', "their share of the customer's payments"],
  customer_new_payees_24h: ['customer', 'number', '24 h', 'payments', 'transfers to a payee new to the customer'],
  first_time: [
    'customer',
    'flag',
    '30 d',
    '-',
    'the first payment to this merchant or payee by a customer of whom 20 payments are known',
  ],
  new_phone: ['customer', 'flag', '-', '-', "the payment's device is not the one in the profile (`phone_device_id`)"],
  income_ratio: [
    'customer',
    'number',
    '-',
    'months',
    'the amount against a monthly income (`monthly_income` in `currency` of the profile)',
  ],
  profile_change_age_h: [
    'customer',
    'number',
    '-',
    'h',
    'time since the phone, e-mail or address was changed; absent when that is as old as the profile',
  ],
  card_frauds: ['customer', 'number', '180 d', 'payments', 'payments with the card that were labelled as fraud'],
  customer_frauds: ['customer', 'number', '180 d', 'payments', 'payments of the customer that were labelled as fraud'],

  merchant_count_1h: ['merchant', 'number', '1 h', 'payments', 'payments at the merchant'],
  merchant_sum_1h: ['merchant', 'number', '1 h', 'EUR', 'payments at the merchant'],
  merchant_amount_mean_24h: ['merchant', 'number', '24 h', 'EUR', 'mean of the payments at the merchant'],
  terminal_count_10m: ['merchant', 'number', '10 min', 'payments', 'payments at the terminal'],
  terminal_cards_10m: ['merchant', 'number', '10 min', 'cards', 'different cards at the terminal'],
  terminal_pace_10m: [
    'merchant',
    'number',
    '10 min / 1 h',
    'times',
    'payments in 10 min against the 50 min before; absent in the first hour of a terminal',
  ],
  terminal_tamper_age_h: ['merchant', 'number', '7 d', 'h', "time since the terminal's last tamper alarm"],
  payee_senders_24h: ['merchant', 'number', '24 h', 'customers', 'different customers who transferred to the payee'],
  payee_strangers_24h: [
    'merchant',
    'number',
    '24 h',
    'payments',
    'transfers to the payee that were the first of their sender',
  ],
  payee_sum_24h: ['merchant', 'number', '24 h', 'EUR', 'transfers to the payee'],
} as const satisfies Record<string, Row>;

export type FeatureName = keyof typeof TABLE;

export const FEATURES: Readonly<Record<FeatureName, Feature>> = Object.freeze(
  Object.fromEntries(
    Object.entries(TABLE).map(([name, [stage, kind, window, unit, meaning]]) => [
      name,
      Object.freeze({ kind, stage, window, unit, meaning }),
    ]),
  ) as Record<FeatureName, Feature>,
);

/** Features by name, as a decision keeps them: numbers only. A missing one does not apply. */
export type FeatureValues = Partial<Record<FeatureName, number>>;

/** The table as Markdown, for the README; a test compares. */
export function featureTable(): string {
  const lines = Object.entries(FEATURES).map(
    ([name, { stage, window, unit, meaning }]) => `| \`${name}\` | ${stage} | ${window} | ${unit} | ${meaning} |`,
  );
  return ['| feature | stage | window | unit | meaning |', '| --- | --- | --- | --- | --- |', ...lines].join('\n');
}

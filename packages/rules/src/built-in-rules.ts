import type { Condition, Rule } from '@millrace/contracts';
import type { FeatureName } from './features.ts';

/**
 * The rules that apply until a rule with the same id comes from the topic of rules. Each tells one story of fraud. The
 * numbers are chosen so that a life without fraud stays approved, and a weight under `THRESHOLDS.review` needs a
 * second rule to make a payment suspicious.
 */
export const BUILT_IN_RULES: readonly Rule[] = [
  rule('card-testing', 850, 'Card testing', {
    reason: 'Many small or declined attempts with the card within 10 minutes, and few others.',
    when: all(
      any(is('card_small_10m', 'gte', 5), is('card_declined_10m', 'gte', 3)),
      is('card_probe_share_10m', 'gte', 0.7),
    ),
  }),
  rule('card-velocity', 500, 'Many payments at once', {
    reason: 'Far more payments with the card in 10 minutes than in the time before.',
    when: all(is('card_count_10m', 'gte', 8), is('card_pace_10m', 'gte', 5)),
  }),
  rule('spend-velocity', 450, 'Much money at once', {
    reason: "The day's payments are far above what the customer spends in a day.",
    when: all(is('customer_sum_24h', 'gte', 1_000), is('customer_spend_ratio_24h', 'gte', 10)),
  }),
  rule('unusual-amount', 500, 'Unusual amount', {
    reason: 'The amount is far above what the customer usually pays.',
    when: all(is('amount', 'gte', 200), is('customer_amount_score', 'gte', 6), is('channel', 'ne', 'transfer')),
  }),
  rule('impossible-travel', 850, 'Impossible travel', {
    reason: 'The card is in two places between which nobody can have travelled.',
    // Faster than an airliner; under 100 km, clocks and addresses are not exact enough.
    when: all(is('distance_km', 'gte', 100), is('speed_kmh', 'gt', 1_000)),
  }),
  rule('takeover-phone', 850, 'Account taken over', {
    reason: "A large transfer from a phone that is not the customer's.",
    when: all(is('channel', 'eq', 'transfer'), is('new_phone', 'eq', true), is('income_ratio', 'gte', 0.3)),
  }),
  rule('takeover-contact', 850, 'Account taken over', {
    reason: 'A large transfer to a new payee soon after phone, e-mail or address were changed.',
    when: all(
      is('channel', 'eq', 'transfer'),
      is('first_time', 'eq', true),
      is('amount', 'gte', 500),
      is('profile_change_age_h', 'lte', 72),
    ),
  }),
  rule('new-payee', 550, 'New payee', {
    reason: 'A transfer to a new payee, far above what the customer usually pays.',
    when: all(
      is('channel', 'eq', 'transfer'),
      is('first_time', 'eq', true),
      is('amount', 'gte', 500),
      is('customer_amount_score', 'gte', 4),
    ),
  }),
  rule('beyond-income', 500, 'Beyond the income', {
    reason: 'A transfer of more than two monthly incomes.',
    when: all(is('channel', 'eq', 'transfer'), is('income_ratio', 'gte', 2)),
  }),
  rule('tampered-terminal', 600, 'Tampered terminal', {
    reason: 'The terminal raised a tamper alarm within the 24 hours before.',
    when: all(is('terminal_tamper_age_h', 'lte', 24), is('channel', 'in', ['pos', 'atm'])),
  }),
  rule('terminal-burst', 550, 'Burst at a terminal', {
    reason: 'Far more different cards at the terminal in 10 minutes than in the time before.',
    when: all(is('terminal_cards_10m', 'gte', 15), is('terminal_pace_10m', 'gte', 5)),
  }),
  rule('structuring', 600, 'Structuring', {
    reason: 'Several withdrawals or transfers just under a reporting limit within a week.',
    when: all(is('customer_under_limit_7d', 'gte', 3), is('channel', 'in', ['atm', 'transfer'])),
  }),
  rule('new-merchants', 500, 'Burst of new merchants', {
    reason: 'Nearly all payments of the last hour went to merchants new to the customer.',
    when: all(is('customer_new_merchants_1h', 'gte', 5), is('customer_new_merchant_share_1h', 'gte', 0.8)),
  }),
  rule('mule-collects', 600, 'Mule account', {
    reason: 'Several customers transferred to the payee for the first time within a day.',
    when: all(
      is('payee_strangers_24h', 'gte', 4),
      is('payee_senders_24h', 'gte', 4),
      is('payee_sum_24h', 'gte', 1_000),
    ),
  }),
  rule('mule-passes-on', 500, 'Money passed on', {
    reason: 'Transfers of much money to several new payees within a day.',
    when: all(
      is('channel', 'eq', 'transfer'),
      is('customer_new_payees_24h', 'gte', 3),
      is('customer_sum_24h', 'gte', 2_000),
    ),
  }),
  rule('known-fraud', 400, 'Confirmed fraud before', {
    reason: 'A payment with the card was confirmed as fraud.',
    when: is('card_frauds', 'gte', 1),
  }),
];

function rule(id: string, weight: number, name: string, { reason, when }: Pick<Rule, 'reason' | 'when'>): Rule {
  return { id, version: 1, name, reason, weight, enabled: true, when };
}

type Operator = Extract<Condition, { feature: string }>['op'];

function is(feature: FeatureName, op: Exclude<Operator, 'in'>, value: number | string | boolean): Condition;
function is(feature: FeatureName, op: 'in', value: string[]): Condition;
function is(feature: FeatureName, op: Operator, value: number | string | boolean | string[]): Condition {
  return { feature, op, value } as Condition;
}

function all(...conditions: Condition[]): Condition {
  return { all: conditions };
}

function any(...conditions: Condition[]): Condition {
  return { any: conditions };
}

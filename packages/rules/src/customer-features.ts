import type { EnrichedPayment } from '@millrace/contracts';
import type { FeatureValues } from './features.ts';
import { hashId } from './hash.ts';
import { countFrauds, type KnownLabels } from './labels.ts';
import { distanceKm, type Place, packPlace, unpackPlace } from './place.ts';
import { profileFeatures } from './profile-features.ts';
import { referenceCents } from './reference-amount.ts';
import {
  CARD_WINDOW,
  type CardField,
  CUSTOMER_WINDOW,
  type CustomerField,
  DAY_MS,
  HOUR_MS,
  MINUTE_MS,
  NOVELTY,
  OUTCOME,
  pace,
  round,
  type WindowView,
} from './windows.ts';

/** What the customer stage remembers that matters to one payment. */
export interface CustomerMemory {
  readonly card: WindowView<CardField>;
  readonly customer: WindowView<CustomerField>;
  readonly labels: KnownLabels | undefined;
}

/** A card that is tried out is tried with less than this. */
const SMALL_AMOUNT_CENTS_MAX = 500;
/** Payments that must be known before an amount, or a counterparty, can be called unusual. */
const HABIT_COUNT_MIN = 10;
const NOVELTY_COUNT_MIN = 20;
/** Days that must be known before a day's spending can be called unusual. */
const SPEND_HISTORY_MS_MIN = 7 * DAY_MS;
const SPEND_PER_DAY_CENTS_MIN = 2_000;
/** A customer who always pays nearly the same would make every other amount unusual: least deviation, of mean and flat. */
const DEVIATION_SHARE_MIN = 0.25;
const DEVIATION_CENTS_MIN = 500;
/** Two terminals' clocks differ, so a shorter time between two places is taken as this. */
const TRAVEL_MS_MIN = MINUTE_MS;
/** Amounts at which cash and transfers have to be reported or confirmed, in euro cents, and how near is "just under". */
const REPORTING_LIMITS_CENTS = [100_000, 300_000, 1_000_000];
const UNDER_LIMIT_SHARE_MIN = 0.9;

/** The window of a card; payments without one count for their account, or the customer. */
export function cardKey({ card_id, account_id, customer_id }: EnrichedPayment): string {
  return card_id ?? account_id ?? customer_id;
}

/**
 * The features of the customer stage. Reads what was known before the payment, adds the payment to the windows, and
 * counts with it. What a late payment sees is what lies before its own event time.
 */
export function observeAtCustomer(payment: EnrichedPayment, { card, customer, labels }: CustomerMemory): FeatureValues {
  const atMs = payment.event_time;
  const cents = referenceCents(payment.amount_minor, payment.currency);
  const counterparty = hashId(payment.merchant_id ?? payment.payee_id ?? '');
  const features: FeatureValues = {};

  if (cents !== undefined) features.amount = cents / 100;
  const { isNew, ageMs } = observeHabits(payment, cents, counterparty, customer, features);
  const { count10m, count1h } = observeCard(payment, cents ?? 0, counterparty, card, features);
  const times = pace(count10m, count1h, ageMs, CARD_WINDOW.eventsPerKeyMax);
  if (times !== undefined) features.card_pace_10m = times;
  features.first_time = isNew ? 1 : 0;
  Object.assign(features, profileFeatures(payment, cents));
  if (payment.card_id !== undefined) features.card_frauds = countFrauds(labels, atMs, payment.card_id);
  features.customer_frauds = countFrauds(labels, atMs);
  return features;
}

/** Windows of the customer: amounts, counterparties. Only payments that went through are habits. */
function observeHabits(
  payment: EnrichedPayment,
  cents: number | undefined,
  counterparty: number,
  window: WindowView<CustomerField>,
  features: FeatureValues,
): { isNew: boolean; ageMs: number } {
  const atMs = payment.event_time;
  const before = window.last(atMs);
  const since = Math.min(before?.fields.since ?? atMs, atMs);
  const known = before === undefined ? 0 : window.count(30 * DAY_MS, atMs);
  const mean = known === 0 ? 0 : window.mean('amount', 30 * DAY_MS, atMs);
  const deviation = known < 2 ? 0 : window.deviation('amount', 30 * DAY_MS, atMs);
  const isNew = known >= NOVELTY_COUNT_MIN && window.countWhere('counterparty', counterparty, 30 * DAY_MS, atMs) === 0;
  const novelty = !isNew ? NOVELTY.known : payment.channel === 'transfer' ? NOVELTY.newPayee : NOVELTY.newMerchant;

  features.customer_count_30d = known;
  features.customer_amount_mean_30d = round(mean / 100, 2);
  features.customer_amount_deviation_30d = round(deviation / 100, 2);
  if (known >= HABIT_COUNT_MIN && cents !== undefined) {
    const scale = Math.max(deviation, mean * DEVIATION_SHARE_MIN, DEVIATION_CENTS_MIN);
    features.customer_amount_score = round((cents - mean) / scale, 2);
  }

  // A declined or reversed payment is no habit; it still sees the habits.
  if (payment.status === undefined || payment.status === 'authorised') {
    window.add(atMs, {
      amount: cents ?? 0,
      counterparty,
      novelty,
      under_limit: isUnderLimit(payment, cents) ? 1 : 0,
      country: countryNumber(countryOf(payment)),
      since,
    });
  }

  const count1h = window.count(HOUR_MS, atMs);
  const sum24h = window.sum('amount', DAY_MS, atMs);
  features.customer_count_24h = window.count(DAY_MS, atMs);
  features.customer_sum_24h = sum24h / 100;
  features.customer_countries_24h = window.distinct('country', DAY_MS, atMs);
  features.customer_under_limit_7d = window.sum('under_limit', 7 * DAY_MS, atMs);
  features.customer_new_merchants_1h = window.countWhere('novelty', NOVELTY.newMerchant, HOUR_MS, atMs);
  features.customer_new_merchant_share_1h = count1h === 0 ? 0 : round(features.customer_new_merchants_1h / count1h, 2);
  features.customer_new_payees_24h = window.countWhere('novelty', NOVELTY.newPayee, DAY_MS, atMs);

  const ageMs = atMs - since;
  const historyMs = Math.min(ageMs, 30 * DAY_MS) - DAY_MS;
  if (ageMs >= SPEND_HISTORY_MS_MIN && known < CUSTOMER_WINDOW.eventsPerKeyMax) {
    const perDay = ((window.sum('amount', 30 * DAY_MS, atMs) - sum24h) * DAY_MS) / historyMs;
    features.customer_spend_ratio_24h = round(sum24h / Math.max(SPEND_PER_DAY_CENTS_MIN, perDay), 1);
  }
  return { isNew, ageMs };
}

/** Windows of the card: attempts, declined ones too, and where it was. */
function observeCard(
  payment: EnrichedPayment,
  cents: number,
  counterparty: number,
  window: WindowView<CardField>,
  features: FeatureValues,
): { count10m: number; count1h: number } {
  const atMs = payment.event_time;
  const before = window.last(atMs);
  const place = placeOf(payment);
  if (before !== undefined && before.timeMs > atMs - DAY_MS) {
    features.idle_s = Math.round((atMs - before.timeMs) / 1000);
    if (place !== undefined && before.fields.placed_at > atMs - DAY_MS) {
      const km = distanceKm(unpackPlace(before.fields.place), place);
      features.distance_km = round(km, 1);
      features.speed_kmh = Math.round((km * HOUR_MS) / Math.max(atMs - before.fields.placed_at, TRAVEL_MS_MIN));
    }
  }
  window.add(atMs, {
    amount: cents,
    outcome:
      payment.status === 'declined' ? OUTCOME.declined : cents < SMALL_AMOUNT_CENTS_MAX ? OUTCOME.small : OUTCOME.plain,
    counterparty,
    // The place is carried along, so that the last event knows it also after payments over the internet.
    place: place === undefined ? (before?.fields.place ?? 0) : packPlace(place),
    placed_at: place === undefined ? (before?.fields.placed_at ?? 0) : atMs,
  });
  const count10m = window.count(10 * MINUTE_MS, atMs);
  const count1h = window.count(HOUR_MS, atMs);
  features.card_count_10m = count10m;
  features.card_count_1h = count1h;
  features.card_count_24h = window.count(DAY_MS, atMs);
  features.card_sum_24h = window.sum('amount', DAY_MS, atMs) / 100;
  features.card_declined_10m = window.countWhere('outcome', OUTCOME.declined, 10 * MINUTE_MS, atMs);
  features.card_small_10m = window.countWhere('outcome', OUTCOME.small, 10 * MINUTE_MS, atMs);
  features.card_probe_share_10m = round((features.card_declined_10m + features.card_small_10m) / count10m, 2);
  features.card_merchants_1h = window.distinct('counterparty', HOUR_MS, atMs);
  return { count10m, count1h };
}

/** Where the card itself was: a payment over the internet says nothing about that. */
function placeOf(payment: EnrichedPayment): Place | undefined {
  if (payment.channel !== 'pos' && payment.channel !== 'atm') return undefined;
  for (const { latitude, longitude } of [payment, payment.terminal ?? {}, payment.merchant ?? {}]) {
    if (latitude !== undefined && longitude !== undefined) return { latitude, longitude };
  }
  return undefined;
}

export function countryOf({ country, terminal, merchant }: EnrichedPayment): string | undefined {
  return country ?? terminal?.country ?? merchant?.country;
}

/** Two letters as a number; 0 is a country of its own, the unknown one. */
function countryNumber(country: string | undefined): number {
  return country === undefined ? 0 : country.charCodeAt(0) * 256 + country.charCodeAt(1);
}

function isUnderLimit({ channel }: EnrichedPayment, cents: number | undefined): boolean {
  if (cents === undefined || (channel !== 'atm' && channel !== 'transfer')) return false;
  return REPORTING_LIMITS_CENTS.some((limit) => cents < limit && cents >= limit * UNDER_LIMIT_SHARE_MIN);
}

import type { EnrichedPayment } from '@millrace/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './detector.ts';

/**
 * The features of the last payment of a list, found by looking at all payments of the list: written from the table of
 * features, without windows, stores or anything else of the code under test. Amounts are EUR.
 */
export function expectedFeatures(processed: readonly EnrichedPayment[]): Record<string, number> {
  const payment = processed.at(-1);
  if (payment === undefined) return {};
  const t = payment.event_time;
  const past = processed.slice(0, -1).filter(({ event_time }) => event_time <= t);
  const within = (list: readonly EnrichedPayment[], windowMs: number) =>
    list.filter(({ event_time }) => event_time > t - windowMs);
  const total = (list: readonly EnrichedPayment[]) => list.reduce((sum, { amount_minor }) => sum + amount_minor, 0);
  const kinds = (list: readonly EnrichedPayment[], of: (one: EnrichedPayment) => unknown) => new Set(list.map(of)).size;
  const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;

  const isHabit = ({ status }: EnrichedPayment) => status === undefined || status === 'authorised';
  const ofCustomer = ({ customer_id }: EnrichedPayment) => customer_id === payment.customer_id;
  const ofCard = (one: EnrichedPayment) =>
    (one.card_id ?? one.customer_id) === (payment.card_id ?? payment.customer_id);
  const paid = ({ merchant_id, payee_id }: EnrichedPayment) => merchant_id ?? payee_id;

  // The card: every attempt.
  const cardPast = past.filter(ofCard);
  const card = [...cardPast, payment];
  const card10m = within(card, 10 * MINUTE_MS);
  const card1h = within(card, HOUR_MS);
  const declined = card10m.filter(({ status }) => status === 'declined').length;
  const small = card10m.filter(({ status, amount_minor }) => status !== 'declined' && amount_minor < 500).length;
  const expected: Record<string, number> = {
    amount: payment.amount_minor / 100,
    card_count_10m: card10m.length,
    card_count_1h: card1h.length,
    card_count_24h: within(card, DAY_MS).length,
    card_sum_24h: total(within(card, DAY_MS)) / 100,
    card_declined_10m: declined,
    card_small_10m: small,
    card_probe_share_10m: rounded((declined + small) / card10m.length, 2),
    card_merchants_1h: kinds(card1h, paid),
  };
  const before = within(cardPast, DAY_MS)
    .toSorted((a, b) => a.event_time - b.event_time)
    .at(-1);
  if (before !== undefined) expected.idle_s = Math.round((t - before.event_time) / 1000);

  // The customer: payments that went through.
  const habits = past.filter((one) => ofCustomer(one) && isHabit(one));
  const known = within(habits, 30 * DAY_MS);
  const mean = known.length === 0 ? 0 : total(known) / known.length;
  const squares = known.reduce((sum, { amount_minor }) => sum + (amount_minor - mean) ** 2, 0);
  const deviation = known.length < 2 ? 0 : Math.sqrt(squares / (known.length - 1));
  expected.customer_count_30d = known.length;
  expected.customer_amount_mean_30d = rounded(mean / 100, 2);
  expected.customer_amount_deviation_30d = rounded(deviation / 100, 2);
  if (known.length >= 10) {
    expected.customer_amount_score = rounded((payment.amount_minor - mean) / Math.max(deviation, mean / 4, 500), 2);
  }
  const customer = isHabit(payment) ? [...habits, payment] : habits;
  const day = within(customer, DAY_MS);
  const isUnderLimit = ({ channel, amount_minor }: EnrichedPayment) =>
    (channel === 'atm' || channel === 'transfer') &&
    [100_000, 300_000, 1_000_000].some((limit) => amount_minor >= 0.9 * limit && amount_minor < limit);
  expected.customer_count_24h = day.length;
  expected.customer_sum_24h = total(day) / 100;
  expected.customer_countries_24h = kinds(day, ({ country }) => country);
  expected.customer_under_limit_7d = within(customer, 7 * DAY_MS).filter(isUnderLimit).length;
  expected.first_time = known.length >= 20 && !known.some((one) => paid(one) === paid(payment)) ? 1 : 0;

  // Merchant, terminal, payee.
  if (payment.merchant_id !== undefined) {
    const merchant = [...past, payment].filter(({ merchant_id }) => merchant_id === payment.merchant_id);
    const merchantDay = within(merchant, DAY_MS);
    expected.merchant_count_1h = within(merchant, HOUR_MS).length;
    expected.merchant_sum_1h = total(within(merchant, HOUR_MS)) / 100;
    expected.merchant_amount_mean_24h = rounded(total(merchantDay) / merchantDay.length / 100, 2);
  }
  if (payment.terminal_id !== undefined) {
    const terminal = within(
      [...past, payment].filter(({ terminal_id }) => terminal_id === payment.terminal_id),
      10 * MINUTE_MS,
    );
    expected.terminal_count_10m = terminal.length;
    expected.terminal_cards_10m = kinds(terminal, ({ card_id, customer_id }) => card_id ?? customer_id);
  }
  if (payment.payee_id !== undefined) {
    const payee = within(
      [...past, payment].filter(({ payee_id }) => payee_id === payment.payee_id),
      DAY_MS,
    );
    expected.payee_senders_24h = kinds(payee, ({ customer_id }) => customer_id);
    expected.payee_sum_24h = total(payee) / 100;
  }
  return expected;
}

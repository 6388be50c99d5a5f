/**
 * What features ask of the past events of one key. The sliding-window store of the stream runtime answers it live;
 * a backtest or a test may answer it from a list. Every window is `(atMs - windowMs, atMs]`.
 */
export interface WindowView<F extends string> {
  add(timeMs: number, fields: Readonly<Record<F, number>>): void;
  count(windowMs: number, atMs: number): number;
  sum(field: F, windowMs: number, atMs: number): number;
  /** 0 without events. */
  mean(field: F, windowMs: number, atMs: number): number;
  /** Sample standard deviation; 0 with fewer than two events. */
  deviation(field: F, windowMs: number, atMs: number): number;
  distinct(field: F, windowMs: number, atMs: number): number;
  countWhere(field: F, value: number, windowMs: number, atMs: number): number;
  last(atMs: number): { readonly timeMs: number; readonly fields: Readonly<Record<F, number>> } | undefined;
}

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/**
 * Kept beyond the longest window, so that a payment that comes this late still finds its whole window: a store forgets
 * from the newest event of a key on.
 */
const LATENESS_MS = HOUR_MS;

/** How a card's attempt ended: a small amount is what a stolen card is tried with. */
export const OUTCOME = { plain: 0, small: 1, declined: 2 } as const;
/** Whether the customer had paid to this counterparty before. */
export const NOVELTY = { known: 0, newMerchant: 1, newPayee: 2 } as const;

/** Key: card, else account, else customer. `place` and `placed_at` are those of the last attempt that had a place. */
export const CARD_WINDOW = {
  fields: ['amount', 'outcome', 'counterparty', 'place', 'placed_at'],
  sums: ['amount'],
  windows: [10 * MINUTE_MS, HOUR_MS, DAY_MS],
  // In 24 h an aeroplane gets anywhere, so an older place says nothing about speed.
  retentionMs: DAY_MS + LATENESS_MS,
  eventsPerKeyMax: 300,
  keysMax: 250_000,
} as const;

/** Key: customer. Payments that went through, for habits. `since` is when the customer was first seen. */
export const CUSTOMER_WINDOW = {
  fields: ['amount', 'counterparty', 'novelty', 'under_limit', 'country', 'since'],
  sums: ['amount', 'under_limit'],
  windows: [HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS],
  retentionMs: 30 * DAY_MS + LATENESS_MS,
  eventsPerKeyMax: 500,
  keysMax: 250_000,
} as const;

/** Key: merchant. */
export const MERCHANT_WINDOW = {
  fields: ['amount'],
  sums: ['amount'],
  windows: [HOUR_MS, DAY_MS],
  retentionMs: DAY_MS + LATENESS_MS,
  eventsPerKeyMax: 2_000,
  keysMax: 100_000,
} as const;

/** Key: terminal. `since` is when it was first seen. */
export const TERMINAL_WINDOW = {
  fields: ['card', 'since'],
  windows: [10 * MINUTE_MS, HOUR_MS],
  retentionMs: DAY_MS + LATENESS_MS,
  eventsPerKeyMax: 500,
  keysMax: 100_000,
} as const;

/** Key: payee of a transfer. */
export const PAYEE_WINDOW = {
  fields: ['amount', 'sender', 'stranger'],
  sums: ['amount', 'stranger'],
  windows: [DAY_MS],
  retentionMs: DAY_MS + LATENESS_MS,
  eventsPerKeyMax: 500,
  keysMax: 250_000,
} as const;

export type CardField = (typeof CARD_WINDOW.fields)[number];
export type CustomerField = (typeof CUSTOMER_WINDOW.fields)[number];
export type MerchantField = (typeof MERCHANT_WINDOW.fields)[number];
export type TerminalField = (typeof TERMINAL_WINDOW.fields)[number];
export type PayeeField = (typeof PAYEE_WINDOW.fields)[number];

/**
 * How much more happens in the last 10 min than in the 50 min before, in times; before that nothing counts as one
 * event. Undefined while the key is younger than an hour (then there is nothing to compare with) and when the window
 * has reached its limit (then the 50 min are cut off).
 */
export function pace(count10m: number, count1h: number, ageMs: number, eventsPerKeyMax: number): number | undefined {
  if (ageMs < HOUR_MS || count1h >= eventsPerKeyMax) return undefined;
  return round(count10m / Math.max(1, (count1h - count10m) / 5), 1);
}

/** A number with few digits, so that a decision stays small. */
export function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
